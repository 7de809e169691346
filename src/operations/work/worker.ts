// A worker: takes what it has room for, runs it, and tells the queue how it ended. The same loop runs in `work` on any machine, and in
// `serve` and `tick` with the queue of their process.
import { statfs } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { type Capacity, declines, type Limits, without } from "../../core/capacity.ts";
import { asLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { WorkItem } from "../../core/work.ts";
import type { JobEvent } from "../../ports/progress.ts";
import type { Claim, Queue } from "../../ports/queue.ts";
import type { OperationContext } from "../operation.ts";
import { signAnswer } from "./answers.ts";
import { mayRetry, type Performed, perform } from "./perform.ts";

export interface WorkerOptions {
  readonly queue: Queue;
  readonly name: string;
  /** Items at the same time. */
  readonly jobs: number;
  readonly memoryBytes: number;
  /** Absent: what is free in the spool directory, measured each time. */
  readonly diskBytes?: number | undefined;
  readonly labels: readonly string[];
  readonly limits: Limits;
  /** `idle`: it ends when nothing runs and it can take nothing. */
  readonly until: "stopped" | "idle";
  /** Once aborted, it takes nothing more and ends when what runs has ended. */
  readonly drain?: AbortSignal | undefined;
  /** How long it waits when there is nothing for it. */
  readonly pollMs: number;
  /** Called after each item. `parked`: a person has to look. */
  readonly onEnd?: (performed: Performed, parked: boolean) => void;
}

const TELL_EVERY_MS = 1000;

interface Running {
  readonly item: WorkItem;
  readonly ended: Promise<void>;
}

/** Works until it is told to stop, or until it is idle. What it had not finished is handed back. */
export async function work(context: OperationContext, options: WorkerOptions): Promise<void> {
  const { queue, name, until, pollMs } = options;
  const { signal, progress } = context;
  const drain = AbortSignal.any([signal, options.drain].flatMap((one) => one ?? []));
  const running = new Map<string, Running>();
  let declined: { key: string; reason: string }[] = [];
  let isAway = false;

  const takeOne = async (): Promise<Claim | undefined> => {
    if (drain.aborted || running.size >= options.jobs) return undefined;
    const free = without(
      await capacityOf(context, options),
      [...running.values()].map(({ item }) => item),
    );
    return queue.take((waiting, everywhere) => {
      declined = [];
      for (const item of waiting) {
        const reason = declines(item, free, everywhere, options.limits);
        if (reason === undefined) return item;
        declined.push({ key: item.key, reason });
      }
      return undefined;
    });
  };
  const report = async (): Promise<void> => {
    const free = await capacityOf(context, options);
    await queue.report({
      ...free,
      name,
      host: hostname(),
      jobs: options.jobs,
      running: [...running.keys()],
      declined: declined.slice(0, 20),
    });
  };

  try {
    for (;;) {
      let claim: Claim | undefined;
      try {
        claim = await takeOne();
        if (claim === undefined) await report();
        if (isAway) progress.note("the queue answers again");
        isAway = false;
      } catch (error) {
        if (until === "idle") throw error;
        // What runs continues. Nothing is lost: what is due is computed again.
        if (!isAway) progress.note(`the queue does not answer: ${asLifeboatError(error).message}`);
        isAway = true;
      }
      if (claim !== undefined) {
        const { item } = claim;
        const ended = runClaim(context, options, claim).finally(() => running.delete(item.key));
        running.set(item.key, { item, ended });
        continue;
      }
      if (running.size === 0 && (drain.aborted || until === "idle")) break;
      await next([...running.values()], drain, pollMs);
    }
  } finally {
    await Promise.allSettled([...running.values()].map(({ ended }) => ended));
    await queue.retire(name).catch(() => undefined); // its report goes stale by itself
  }
}

/** Waits until an item ends, the worker is told to stop, or it is time to look again. */
async function next(running: readonly Running[], signal: AbortSignal, pollMs: number): Promise<void> {
  const over = new AbortController();
  const waits: Promise<unknown>[] = running.map(({ ended }) => ended);
  if (!signal.aborted) waits.push(pause(pollMs, undefined, { signal: AbortSignal.any([signal, over.signal]) }).catch(() => undefined));
  await Promise.race(waits);
  over.abort();
}

async function capacityOf({ spoolDirectory }: OperationContext, { memoryBytes, diskBytes, labels }: WorkerOptions): Promise<Capacity> {
  if (diskBytes !== undefined) return { diskBytes, memoryBytes, labels };
  const { bavail, bsize } = await statfs(spoolDirectory ?? tmpdir());
  return { diskBytes: bavail * bsize, memoryBytes, labels };
}

/** Runs the item, renewing its claim. Never throws. */
async function runClaim(context: OperationContext, { queue, onEnd }: WorkerOptions, claim: Claim): Promise<void> {
  const { progress } = context;
  const lost = new AbortController();
  const events = claim.item.caller === undefined ? undefined : eventsTo(context, claim);
  const timer = setInterval(() => {
    claim.renew().then(
      (isMine) => isMine || lost.abort(new LifeboatError("LEASE_LOST", `another worker has taken over ${claim.item.key}`)),
      () => undefined, // the queue is away: the lease in the repository decides who continues
    );
  }, queue.renewEveryMs);
  try {
    const signal = AbortSignal.any([context.signal, lost.signal]);
    const own: OperationContext = { ...context, servers: new Map(), signal, progress: progress.fork?.(events?.add) ?? progress };
    const performed = await perform(own, claim.item);
    await events?.end();
    onEnd?.(performed, lost.signal.aborted ? false : await settle(context, claim, performed));
  } catch (error) {
    // The claim lapses, and the next worker finds nothing due.
    progress.note(`the queue was not told how ${claim.item.key} ended: ${asLifeboatError(error).message}`);
  } finally {
    clearInterval(timer);
  }
}

/** Sends the events of the item to the machine that put it, at most once a second. Some may be lost with the queue; the end is not. */
function eventsTo({ repository }: OperationContext, claim: Claim) {
  let waiting: JobEvent[] = [];
  let telling: Promise<void> = Promise.resolve();
  const flush = (): Promise<void> => {
    const answers = waiting.map((event) => signAnswer(repository, claim.item.key, { type: "event", event }));
    waiting = [];
    if (answers.length > 0) telling = telling.then(() => claim.tell(answers)).catch(() => undefined);
    return telling;
  };
  const timer = setInterval(() => void flush(), TELL_EVERY_MS);
  return {
    add(event: JobEvent): void {
      if (event.type === "advance" && waiting.at(-1)?.type === "advance") waiting.pop();
      waiting.push(event);
    },
    async end(): Promise<void> {
      clearInterval(timer);
      await flush();
    },
  };
}

/** Tells the queue how it ended. True: the item is parked. */
async function settle({ repository }: OperationContext, claim: Claim, { outcome, failure, result }: Performed): Promise<boolean> {
  const { key, caller } = claim.item;
  if (outcome === "stopped") await claim.handBack();
  // One that is not signed has no caller: it is parked.
  else if (caller !== undefined && result !== undefined) await claim.done(signAnswer(repository, key, { type: "ended", result }));
  else if (caller !== undefined && failure !== undefined && failure.code !== "INTEGRITY")
    await claim.done(signAnswer(repository, key, { type: "failed", failure }));
  else if (outcome !== "failed" || failure === undefined) await claim.done();
  else if (mayRetry(failure)) return claim.fail(failure);
  else {
    await claim.park(failure);
    return true;
  }
  return false;
}
