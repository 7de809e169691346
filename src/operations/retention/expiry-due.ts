// Whether the expiry of a source is due. One that could remove nothing has not served its slot: it waits, and is tried again after the
// obstacle is gone. Everything is read from the journals and the repository.
import * as z from "zod/mini";
import { previousSlot } from "../../core/cron.ts";
import { asLifeboatError } from "../../core/errors.ts";
import { isInFuture } from "../../core/restore-point.ts";
import type { JobRecord } from "../../repository/journal.ts";
import type { Context, Source, Watch } from "../context.ts";
import { about, instant } from "../schemas.ts";
import { type JobsSince, jobsReadOnce } from "../watch/shared.ts";
import { obstaclesNow } from "./expire.ts";

/** An expiry that was tried in its slot and could not be done. */
export interface ExpiryWait {
  /** When it was tried first. */
  readonly since: Date;
  /** What keeps it from being done, as the ends of sentences. Never empty. */
  readonly reasons: readonly string[];
  /** Not tried again before this instant. */
  readonly notBefore: Date;
}

export const expiryWaitSchema = z.strictObject({
  triedAt: about(instant, "When it was tried first."),
  reasons: about(z.readonly(z.array(z.string())), "What keeps it from being done."),
});

export const expiryWaitJson = (wait: ExpiryWait | undefined): z.infer<typeof expiryWaitSchema> | null =>
  wait === undefined ? null : { triedAt: wait.since.toISOString(), reasons: wait.reasons };

/** The pause after the first attempt; it doubles with each, so that an obstacle that is only found by trying costs a few jobs a day. */
const FIRST_PAUSE_MS = 600_000;

/** An expiry is due once per slot. One that was cancelled or killed was not done; one that waits is due when nothing is in its way. */
export async function isExpiryDue(
  context: Context,
  source: Source,
  watch: Watch,
  at = context.clock.now(),
  jobs: JobsSince = jobsReadOnce(context, watch.signal),
): Promise<boolean> {
  const attempts = await attemptsOf(context, source, at, jobs);
  if (attempts === undefined || attempts.length === 0) return attempts !== undefined;
  const wait = waitOf(attempts);
  if (wait === undefined || context.clock.now() < wait.notBefore) return false;
  return (await obstacles(context, source, watch)).length === 0;
}

/** Says since when and why the expiry of the source waits, by what its last attempt found. Undefined: it does not wait. */
export async function expiryWait(
  context: Context,
  source: Source,
  jobs: JobsSince,
  at = context.clock.now(),
): Promise<ExpiryWait | undefined> {
  return waitOf((await attemptsOf(context, source, at, jobs)) ?? []);
}

/** What the source's provider or server does not answer is an obstacle too. */
async function obstacles(context: Context, source: Source, watch: Watch): Promise<readonly string[]> {
  try {
    return await obstaclesNow(context, source, watch);
  } catch (error) {
    watch.signal.throwIfAborted();
    return [asLifeboatError(error).message];
  }
}

/** The attempts since the present slot, newest first, up to one that served it. Undefined: nothing is scheduled yet. */
async function attemptsOf(
  { clock }: Pick<Context, "clock">,
  { name, expireCron }: Source,
  at: Date,
  jobs: JobsSince,
): Promise<readonly JobRecord[] | undefined> {
  const slot = expireCron === undefined ? undefined : previousSlot(expireCron, at);
  if (slot === undefined) return undefined;
  const attempts: JobRecord[] = [];
  for await (const job of jobs({ verb: "expire", source: name }, slot)) {
    // One that has the time of a wrong clock serves no slot before it.
    if (job.error?.code === "CANCELLED" || isInFuture(new Date(job.startedAt), clock.now())) continue;
    attempts.push(job);
    if (reasonsOf(job).length === 0) break;
  }
  return attempts;
}

/** Undefined: there was no attempt, one runs, or the slot was served. */
function waitOf(attempts: readonly JobRecord[]): ExpiryWait | undefined {
  const [last] = attempts;
  const first = attempts.at(-1);
  if (last === undefined || first === undefined || reasonsOf(first).length === 0) return undefined;
  const pauseMs = FIRST_PAUSE_MS * 2 ** (attempts.length - 1);
  return {
    since: new Date(first.startedAt),
    reasons: reasonsOf(last),
    notBefore: new Date(Date.parse(last.endedAt ?? last.startedAt) + pauseMs),
  };
}

/** Why the job did not do its work. Empty: it did, or it still runs. */
function reasonsOf({ error, result }: JobRecord): readonly string[] {
  if (error !== undefined) return [error.message];
  const waits: unknown = result?.waits;
  return Array.isArray(waits) ? waits.filter((one) => typeof one === "string") : [];
}
