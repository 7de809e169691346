// The log archives: one receiver for each source whose policy sets a window, begun again when it ends.
import { setTimeout as pause } from "node:timers/promises";
import type { Composed } from "../../compose.ts";
import { asLifeboatError } from "../../core/errors.ts";
import type { Source } from "../../operations/context.ts";
import { archive } from "../../operations/verbs/archive.ts";
import type { Service } from "../service.ts";
import { workContext } from "../work-context.ts";

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 300_000;
/** A receiver that ran so long was well: the next pause is a short one again. */
const WELL_MS = 60_000;

/** A source of which the service runs the receiver. */
const isReceived = ({ archive: options, windowMs }: Source): boolean =>
  options !== undefined && options.receive !== false && windowMs !== undefined;

/** Runs the receivers until the signal aborts. Never throws. */
export async function runArchives(service: Service, context: Composed, signal: AbortSignal): Promise<void> {
  const sources = [...context.sources.values()].filter(isReceived);
  await Promise.all(sources.map((source) => supervise(service, context, source, signal)));
}

async function supervise(service: Service, context: Composed, { name: source }: Source, signal: AbortSignal): Promise<void> {
  const { clock, log } = service;
  for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; ) {
    const beganMs = clock.monotonicMs();
    try {
      await archive.run(workContext(service, context, signal), { source });
    } catch (error) {
      if (signal.aborted) return;
      const { code, message } = asLifeboatError(error);
      if (clock.monotonicMs() - beganMs > WELL_MS) pauseMs = FIRST_PAUSE_MS;
      log.warn(`the log archive ended: ${message}`, { source, code, retryInSeconds: pauseMs / 1000 });
    }
    await pause(pauseMs, undefined, { signal }).catch(() => undefined);
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
  }
}
