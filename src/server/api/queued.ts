// A job of a caller that a worker runs: it is put on the shared queue, and its events and its end are read from there.
import { setTimeout as pause } from "node:timers/promises";
import type { Composed } from "../../compose.ts";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { readAnswer } from "../../operations/work/answers.ts";
import { enqueue, itemOf } from "../../operations/work/items.ts";
import type { Events } from "../../ports/progress.ts";
import type { Queue } from "../../ports/queue.ts";
import type { Repository } from "../../repository/repository.ts";
import { placeOf } from "../scheduler/shift.ts";
import type { Service } from "../service.ts";
import type { ApiJob } from "./job-store.ts";
import type { ApiOperation } from "./operations.ts";

/** How often the answers of a worker are read. */
const LOOK_EVERY_MS = 1000;

/** What workers run for callers. The others need the approval and the secrets of this machine, or are short. */
const QUEUED: ReadonlySet<string> = new Set(["backup", "drill", "verify"]);

export type JobRequest = Readonly<Record<string, unknown>>;

const keyOf = ({ id }: Pick<ApiJob, "id">): string => `job:${id}`;

/** The request that a worker runs: there is a shared queue, and the request is about one source or one restore point. Undefined: none does. */
export function queuedRequest({ work }: Pick<Composed, "work">, { name, oneJob }: ApiOperation, request: unknown): JobRequest | undefined {
  const isOne = work?.isShared === true && QUEUED.has(name) && oneJob?.(request) === true;
  return isOne && typeof request === "object" ? { ...request } : undefined;
}

/** Puts the job. One that was put before is not put again. SOURCE_UNKNOWN, KEY_MISSING, QUEUE_*. */
export async function putJob(context: Composed, job: ApiJob, request: JobRequest): Promise<void> {
  const source = job.source === null ? undefined : context.sources.get(job.source);
  if (job.source !== null && source === undefined) throw new LifeboatError("SOURCE_UNKNOWN", `no source is called "${job.source}"`);
  const item = await itemOf(context, source, { key: keyOf(job), operation: job.operation, request });
  await enqueue(context, await placeOf(context).open(), [{ ...item, caller: { job: job.id, actor: job.actor } }]);
}

interface Following {
  /** The caller cancelled it. */
  readonly cancel: AbortSignal;
  /** The service stops. The worker continues, and the next start follows it again. */
  readonly stop: AbortSignal;
  readonly events: Events;
}

/**
 * Follows the job to its end. Undefined: the service stopped before. Throws what the job failed with, CANCELLED, and LEASE_LOST for one
 * that the queue no longer has.
 */
export async function followJob(
  { log, use }: Pick<Service, "log" | "use">,
  operation: ApiOperation,
  job: ApiJob,
  { cancel, stop, events }: Following,
): Promise<{ readonly result: unknown } | undefined> {
  const key = keyOf(job);
  let seen = 0;
  let isAway = false;
  /** One look. Undefined: it has not ended. */
  const look = (): Promise<(() => unknown) | undefined> =>
    use(async (context) => {
      const queue = await placeOf(context).open();
      const ended = await endIn(context.repository, queue);
      if (ended !== undefined) await queue.withdraw(key);
      return ended;
    });
  const endIn = async (repository: Repository, queue: Queue): Promise<(() => unknown) | undefined> => {
    if (cancel.aborted) return failing(cancel.reason);
    // Before its answers: the last one is stored in the act that removes it.
    const found = await queue.find(key);
    for (const { at, answer } of await queue.told(key, seen)) {
      seen = at;
      const told = readAnswer(repository, key, answer);
      if (told.type === "failed") return failing(new LifeboatError(told.failure.code, told.failure.message));
      if (told.type === "ended") return () => resultOf(operation, told.result);
      events(told.event);
    }
    if (found === undefined) return failing(new LifeboatError("LEASE_LOST", "the queue no longer has the job, and no worker told its end"));
    if (found.state !== "parked") return undefined;
    const { code, message } = found.failure ?? { code: "LEASE_LOST", message: "its workers ended without a word" };
    return failing(new LifeboatError(code, message));
  };
  while (!stop.aborted) {
    let ended: Awaited<ReturnType<typeof look>>;
    try {
      ended = await look();
      isAway = false;
    } catch (error) {
      if (!isLifeboatError(error, "QUEUE_UNREACHABLE")) throw error;
      if (!isAway) log.warn(`a job of a caller cannot be followed: ${error.message}`, { job: job.id, code: error.code });
      isAway = true;
    }
    if (ended !== undefined) return { result: ended() };
    await pause(LOOK_EVERY_MS, undefined, { signal: AbortSignal.any([cancel, stop]) }).catch(() => undefined);
    // One that was cancelled is withdrawn at once, and again after a pause while the queue is away.
    if (isAway && cancel.aborted) await pause(LOOK_EVERY_MS, undefined, { signal: stop }).catch(() => undefined);
  }
  return undefined;
}

const failing = (error: unknown) => (): never => {
  throw error;
};

function resultOf({ name, result }: ApiOperation, given: unknown): unknown {
  const { success, data } = result.safeParse(given);
  if (success) return data;
  throw new LifeboatError("INTEGRITY", `what a worker told is not a result of ${name}`);
}
