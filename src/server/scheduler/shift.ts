// A shift: what works on one wired configuration until a reload or the end of the service replaces it, a worker and the log archives.
import { hostname } from "node:os";
import type { Composed } from "../../compose.ts";
import type { Workplace } from "../../operations/context.ts";
import { tidy } from "../../operations/jobs/recover.ts";
import { work } from "../../operations/work/worker.ts";
import { beginLoop } from "../loop.ts";
import type { Service } from "../service.ts";
import { workContext } from "../work-context.ts";
import { runArchives } from "./archives.ts";

/** How often a worker looks at its queue: one of this process costs nothing, one on a server a query. */
const POLL_MS = { own: 1000, shared: 2000 } as const;
/** When the queue of this process tries a parked item again: no other process can release it. */
const RELEASE_MS = 600_000;
/** How long to wait before a queue that could not be opened is opened again. */
const RESTART_MS = 10_000;

interface ShiftOptions {
  /** Nothing new begins, and what runs is finished. */
  readonly drain: AbortSignal;
  /** Called after each item of work. */
  readonly onEnd: () => void;
  /** Called when jobs whose processes had ended were cleaned up, as far as that is possible. */
  readonly onTidy: () => void;
}

/** The queue of the configuration, and how this machine takes part. compose.ts always wires one. */
export function placeOf({ work: place }: Pick<Composed, "work">): Workplace {
  if (place === undefined) throw new TypeError("no queue was wired");
  return place;
}

/** Works until drained. The log archives do not wait for the queue. */
export async function runShift(service: Service, composed: Composed, options: ShiftOptions): Promise<void> {
  const worker = beginLoop(
    { log: service.log, signal: options.drain },
    { failed: "the worker ended", pauseMs: async () => RESTART_MS, act: () => runWorker(service, composed, options) },
  );
  await Promise.all([worker.ended, runArchives(service, composed, options.drain)]);
}

/** Works until drained. Throws what the queue throws when it cannot be opened. */
async function runWorker(service: Service, composed: Composed, { drain, onEnd, onTidy }: ShiftOptions): Promise<void> {
  const { log } = service;
  const context = workContext(service, composed, service.cancel);
  await tidy(context, context);
  onTidy();
  const place = placeOf(composed);
  const queue = await place.open();
  await work(context, {
    ...{ ...place, queue, drain },
    name: `${hostname()}-${process.pid}`,
    until: "stopped",
    pollMs: place.isShared ? POLL_MS.shared : POLL_MS.own,
    onEnd({ item: { key, source }, outcome, failure }, parked) {
      // The next beat asks again: the other job may take hours.
      if (outcome === "busy") return log.info(`left to another job: ${failure?.message}`, { key, source });
      if (failure === undefined) log.info(outcome === "idle" ? "work was done already" : `work ended: ${outcome}`, { key, source });
      else {
        const retryInSeconds = parked && !place.isShared ? RELEASE_MS / 1000 : undefined;
        log.warn(`work ended: ${failure.message}`, { ...{ key, source, parked, retryInSeconds }, code: failure.code });
        if (retryInSeconds !== undefined) setTimeout(() => void queue.release(key), RELEASE_MS).unref();
      }
      onEnd();
    },
  });
}
