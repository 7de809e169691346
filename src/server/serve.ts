// The long-running service: begins everything, reloads its configuration, and ends everything when its signal aborts.
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { compose, type Surroundings } from "../compose.ts";
import type { Config } from "../config/load.ts";
import { asLifeboatError, LifeboatError } from "../core/errors.ts";
import type { Events } from "../ports/progress.ts";
import { listen } from "./app.ts";
import { type Log, logEvent } from "./logs.ts";
import { beginLoop } from "./loop.ts";
import { judge } from "./monitor.ts";
import { assertMayListen } from "./people/origin.ts";
import { refuseUnreadable, watchFile } from "./reload.ts";
import { putDue, untilNextLook } from "./scheduler/due.ts";
import { runShift } from "./scheduler/shift.ts";
import { type Judgement, type Service, Wiring } from "./service.ts";

export interface ServeOptions extends Omit<Surroundings, "signal" | "evenAway"> {
  readonly config: Config;
  /** Loads the configuration again. Throws CONFIG_*, SECRET_MISSING. */
  load(): Config;
  readonly log: Log;
  /** Overrides `server.host` and `server.port` of the configuration. Port 0: one that is free. */
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** Told to stop. */
  readonly signal: AbortSignal;
  /** Calls back when the configuration is to be loaded again, changed or not. */
  onHangup(reload: () => void): void;
}

/** What is kept of the time to stop for cleaning up after jobs that were cancelled. */
const CLEAN_UP_MS = 5000;
/** How long the first beat waits for the clean-up after jobs that died before the service began. */
const TIDY_MS = 30_000;

/** Serves until the signal aborts. Throws what `compose` throws, and ADDRESS_UNAVAILABLE. */
export async function serve({ config, load, log, signal, host, port, onHangup, ...given }: ServeOptions): Promise<void> {
  const { clock } = given;
  const around: Surroundings = { ...given, evenAway: true };
  const wiring = new Wiring(config, await compose(config, around));
  const subscribers: Events[] = [(event) => logEvent(log, event)];
  const cancel = new AbortController();
  let judgement: Judgement | undefined;
  let refusal: string | undefined;
  const service: Service = {
    ...{ clock, log, signal, cancel: cancel.signal },
    events: (event) => {
      for (const subscriber of subscribers) subscriber(event);
    },
    subscribe: (subscriber) => void subscribers.push(subscriber),
    config: () => wiring.config,
    use: (run) => wiring.use(run),
    judgement: () => judgement,
    refusal: () => refusal,
  };
  const hostname = host ?? config.server.host;
  const http = await listen(service, hostname, port ?? config.server.port).catch(async (error: unknown) => {
    await wiring.end();
    throw error;
  });

  const tidied = Promise.withResolvers<void>();
  // A service before this one may have been killed: what is about to be cleaned up, and done again, is not told as abandoned.
  const isTidy = Promise.race([tidied.promise, pause(TIDY_MS, undefined, { signal, ref: false }).catch(() => undefined)]);
  const monitor = beginLoop(service, {
    failed: "the beat failed",
    again: "the beat is complete again",
    pauseMs: async () => wiring.config.server.beatMs,
    async act() {
      await isTidy;
      // What a refused configuration needs, such as the file of a key, may be there by now.
      if (refusal !== undefined) await reload();
      await judge(service, (found) => {
        judgement = found;
      });
    },
  });
  const scheduler = beginLoop(service, {
    failed: "what is due could not be put on the queue",
    again: "what is due is put on the queue again",
    pauseMs: () => untilNextLook(service),
    async act() {
      await putDue(service);
    },
  });
  let drain = new AbortController();
  const shifts = new Set<Promise<void>>();
  /** Begins a shift on the present configuration; the one before finishes what it has begun. */
  const beginShift = (): void => {
    drain.abort();
    drain = new AbortController();
    const options = { drain: AbortSignal.any([drain.signal, signal]), onEnd, onTidy: tidied.resolve };
    const shift = wiring.use((context) => runShift(service, context, options)).finally(() => shifts.delete(shift));
    shifts.add(shift);
  };
  const onEnd = (): void => {
    scheduler.wake();
    monitor.wake();
  };
  beginShift();

  let reloading: Promise<void> = Promise.resolve();
  const reload = (): Promise<void> => {
    reloading = reloading.then(async () => {
      try {
        const next = load();
        assertMayListen(hostname, next.people);
        refuseUnreadable(next, wiring.config);
        wiring.replace(next, await compose(next, around));
        refusal = undefined;
        beginShift();
        log.info("the configuration was loaded again");
        if (next.server.host !== config.server.host || next.server.port !== config.server.port)
          log.warn("a change of server.host or server.port counts after a restart");
      } catch (error) {
        const { code, message } = asLifeboatError(error);
        const known = refusal;
        refusal = `the changed configuration was refused: ${message}`;
        if (refusal === known) return;
        log.error(`${refusal}; the one before stays in force`, { code });
      }
      onEnd();
    });
    return reloading;
  };
  onHangup(() => void reload());
  const watching = watchFile(config.file, signal, () => void reload());

  if (!signal.aborted) await once(signal, "abort");
  log.info("the service is stopping");
  const { stopWithinMs } = wiring.config.server;
  const ended = Promise.all([http.end(), reloading, watching, monitor.ended, scheduler.ended, ...shifts]).then(() => wiring.end());
  const late = new AbortController();
  const overdue = async (): Promise<void> => {
    await pause(Math.max(0, stopWithinMs - CLEAN_UP_MS), undefined, { signal: late.signal });
    cancel.abort(new LifeboatError("CANCELLED", "the service was told to stop"));
    await pause(Math.min(CLEAN_UP_MS, stopWithinMs), undefined, { signal: late.signal });
    log.warn("the service stops before everything was cleaned up; the next start does it");
  };
  await Promise.race([ended.finally(() => late.abort()), overdue().catch(() => ended)]);
  log.info("the service has stopped");
}
