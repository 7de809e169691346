// The frame of every job: lease first, then journal, then steps; after any failure, what was declared is undone.
import { asLifeboatError, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { ID_RANDOM_BYTES, isId, makeId, timeOfId } from "../../core/ids.ts";
import type { Maker, Resource } from "../../ports/resource.ts";
import type { JobRecord } from "../../repository/journal.ts";
import { ID_AHEAD_MS, journalNames } from "../../repository/journals.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Context, Watch } from "../context.ts";
import { placesOf } from "./holders.ts";
import { type FiledAside, type JobOrder, JobRecords } from "./records.ts";
import { tidy } from "./recover.ts";
import { resourceInWords, undo } from "./undo.ts";

export interface Job {
  readonly id: string;
  readonly record: Readonly<JobRecord>;
  /** What its resources are marked with. */
  readonly maker: Maker;
  /** Aborts when the user asks, or when the lease is lost. */
  readonly signal: AbortSignal;
  /** One named, timed step. `totalBytes` lets the progress show time left; `sizeBytes` is recorded, for estimates. Default: `totalBytes`. */
  step<T>(name: string, run: () => Promise<T>, options?: { readonly totalBytes?: number; readonly sizeBytes?: number }): Promise<T>;
  /** Records what was decided, and why, for the chronology of the job. It is stored before the next step has effects. */
  decide(what: string, why?: string): void;
  /** The step that removes what was made for the job: it runs even when the job was told to stop. */
  cleanUp(run: () => Promise<void>): Promise<void>;
  /** Before a thing that must not be left behind is made. */
  declare(resource: Resource): Promise<void>;
  /** After it is gone, or is meant to stay. */
  withdraw(resource: Resource): Promise<void>;
  /**
   * Says that this job is about to remove the restore point, for a hold to see. What is read after this resolves, and says nothing
   * against it, cannot be overtaken: a hold writes its mark first and looks for this afterwards. Undefined: it is done with it.
   */
  claim(point: string | undefined): Promise<void>;
  /**
   * Files something of the job's (evidence, a mark): in the repository, or, where that cannot be written, on this machine. `write` is
   * told where, and why there.
   */
  file<T>(write: (place: Repository, aside: FiledAside | undefined) => Promise<T>): Promise<T>;
  /** Set when the records of this job are on this machine. */
  readonly aside: FiledAside | undefined;
  /** The last thing before a commit: throws LEASE_LOST if another process took this job for dead. */
  assertAlive(): Promise<void>;
}

/** How long an urgent job waits for the clean-up after others, which then continues beside it. */
const URGENT_MS = 10_000;

/**
 * Runs a job. An id that the caller gives is refused when a job has it: JOB_EXISTS. Jobs that died are cleaned up first. When `run` throws, everything declared and not withdrawn is undone,
 * then its error is thrown on. What cannot be undone here keeps its lease, so that a later start finds it.
 */
export async function runJob<T>(
  context: Context,
  order: JobOrder,
  watch: Watch,
  run: (job: Job) => Promise<T>,
  resultOf: (value: T) => Readonly<Record<string, unknown>>,
): Promise<T> {
  const given = watch.jobId?.();
  if (given !== undefined) await refuseGivenId(context, given);
  await tidy(context, watch, order.aside ? URGENT_MS : undefined);
  const { clock } = context;
  const id = given ?? makeId(clock.now(), clock.randomBytes(ID_RANDOM_BYTES));
  const records = await JobRecords.open(context, order, id, watch).catch((error: unknown) => {
    // The lease is held by the job of the same id, which another caller began.
    if (given !== undefined && isLifeboatError(error, "LEASE_HELD") && error.details.job === given) throw jobExists(given);
    throw error;
  });
  try {
    await order.confirm?.();
  } catch (error) {
    await records.release();
    throw error;
  }
  const { journal } = records;
  const signal = AbortSignal.any([watch.signal, records.lost]);
  const job: Job = {
    id,
    record: journal.record,
    maker: records.maker,
    signal,
    step(name, act, options) {
      signal.throwIfAborted();
      watch.progress.step(name, options);
      return journal.step(name, act, options?.sizeBytes ?? options?.totalBytes);
    },
    decide: (what, why) => journal.decide(what, why),
    cleanUp: (run) => journal.step("clean up", run),
    declare: (resource) => journal.declare(resource),
    withdraw: (resource) => journal.withdraw(resource),
    claim: (wanted) => records.claim(wanted),
    assertAlive: () => records.assertHeld(),
    file: (write) => records.file(write),
    get aside() {
      return records.aside;
    },
  };
  const { memory } = context.repository;
  let isBegun = false;
  try {
    watch.progress.begin?.({ id, verb: order.verb, source: order.source });
    memory.jobBegan(id);
    await journal.write();
    isBegun = true;
    await beginAudit(context, order, id, watch);
    const value = await run(job);
    await journal.end({ result: resultOf(value) });
    await endAudit(context, order, id, watch, "done");
    // What is still listed could not be written down where it belongs: the next start does that.
    if (journal.open().length > 0) {
      await records.abandon();
    } else {
      memory.jobEnded(id);
      // What the job made is there, and its journal says so: a lease that cannot be deleted runs out.
      await records
        .release()
        .catch((later) => watch.progress.note(`the lease of job ${id} stays until it expires: ${asLifeboatError(later).message}`));
    }
    watch.progress.end?.();
    return value;
  } catch (error) {
    // Two callers gave the same id at the same time: the journal is the other job's, and so is all that it lists.
    const isOthers = given !== undefined && !isBegun && isLifeboatError(error, "STORAGE_CONFLICT");
    if (isOthers) await records.release();
    const cause = isOthers ? jobExists(id) : error;
    const first = asLifeboatError(records.lost.aborted ? records.lost.reason : signal.aborted ? signal.reason : cause);
    // Of a lost lease, the job that took it cleans up: two must not.
    if (!isOthers && !records.lost.aborted) {
      await closeFailed(context, records, first, watch).catch(async (later) => {
        await records.abandon();
        // The storage itself may be what failed. The lease then runs out, and the next start cleans up.
        watch.progress.note(`could not clean up now (${asLifeboatError(later).message}); the next start will`);
      });
    }
    if (isBegun) await endAudit(context, order, id, watch, first.code);
    watch.progress.end?.(first.code);
    throw first;
  }
}

const actOf = ({ verb, source, plan, reason }: JobOrder, job: string, { actor, permit }: Watch) =>
  ({
    operation: verb,
    source,
    job,
    actor,
    plan: plan ?? permit?.approval?.digest,
    approval: permit?.approval?.id,
    approvers: permit?.approval?.approvers,
    reason: permit?.glass ?? reason,
  }) as const;

/** Records the job before it changes anything. AUDIT_UNWRITABLE where a change to production must be in the log and cannot be. */
async function beginAudit({ audit }: Context, order: JobOrder, id: string, watch: Watch): Promise<void> {
  const { permit, progress } = watch;
  await permit?.use(id);
  const why = await audit?.record({ event: "begin", ...actOf(order, id, watch) });
  if (why === undefined) return;
  if (permit?.mustLog === true)
    throw new LifeboatError("AUDIT_UNWRITABLE", `production was not changed, because the audit log cannot be written: ${why}`);
  progress.note(`the audit log cannot be written (${why}); the entry waits on this machine`);
}

/** Never throws: what the job did is done, and how it ended must be told. */
async function endAudit({ audit }: Context, order: JobOrder, id: string, watch: Watch, outcome: string): Promise<void> {
  await audit?.record({ event: "end", ...actOf(order, id, watch), outcome }).catch((error: unknown) => {
    watch.progress.note(`the end of job ${id} is not in the audit log: ${asLifeboatError(error).message}`);
  });
}

async function closeFailed(context: Context, records: JobRecords, error: unknown, watch: Watch): Promise<void> {
  const { journal } = records;
  const { left, says } = await undo(context, journal, records.maker);
  for (const sentence of says) watch.progress.note(sentence);
  await journal.end({ error });
  if (left.length === 0) context.repository.memory.jobEnded(journal.record.id);
  if (left.length === 0) return records.release();
  const names = left.map((one) => `${resourceInWords(one)} (${one.why})`);
  throw new LifeboatError("STORAGE_FAILED", `still there: ${names.join(", ")}`);
}

const DAY_MS = 86_400_000;

export const jobExists = (id: string): LifeboatError =>
  new LifeboatError("JOB_EXISTS", `a job with the id ${id} exists already`, { details: { job: id } });

/**
 * Refuses an id that no new job may have. USAGE: it is not an id of the last 24 hours, by which its journal is found later.
 * JOB_EXISTS: a job has it.
 */
async function refuseGivenId(context: Context, id: string): Promise<void> {
  const now = context.clock.now().getTime();
  if (!isId(id)) throw new LifeboatError("USAGE", `"${id}" is not the id of a job`, { hint: HINT });
  const madeAt = timeOfId(id).getTime();
  if (madeAt < now - DAY_MS || madeAt > now + ID_AHEAD_MS)
    throw new LifeboatError("USAGE", `the id ${id} was made at ${new Date(madeAt).toISOString()}, not in the last 24 hours`, {
      hint: HINT,
    });
  for (const { storage } of await placesOf(context)) {
    for (const name of journalNames(id)) if ((await storage.head(name)) !== undefined) throw jobExists(id);
  }
}

const HINT = "give an id that `makeId` of the library has just made, or none";
