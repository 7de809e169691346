// The frame of every job: lease first, then journal, then steps; whatever happens, what was declared is undone.
import { asLifeboatError, LifeboatError } from "../core/errors.ts";
import { ID_RANDOM_BYTES, makeId } from "../core/ids.ts";
import type { Resource } from "../ports/resource.ts";
import { type JobRecord, Journal } from "../repository/journal.ts";
import { acquireLease, type Lease } from "../repository/leases.ts";
import { recoverJobs } from "./recover.ts";
import { undo } from "./undo.ts";
import type { Watch, Workshop } from "./workshop.ts";

export interface JobOrder {
  readonly verb: string;
  readonly source: string;
  /** Only one job of this verb at a time on this source. */
  readonly exclusive?: boolean;
  /** Restore point in use: expire leaves it alone as long as the job lasts. */
  readonly point?: string | undefined;
}

export interface Job {
  readonly id: string;
  readonly record: Readonly<JobRecord>;
  /** Aborts when the user asks, or when the lease is lost. */
  readonly signal: AbortSignal;
  /** One named, timed step. `totalBytes` lets the progress show time left. */
  step<T>(name: string, run: () => Promise<T>, options?: { readonly totalBytes?: number }): Promise<T>;
  /** The step that removes what was made for the job: it runs even when the job was told to stop. */
  cleanUp(run: () => Promise<void>): Promise<void>;
  /** Before a thing that must not be left behind is made. */
  declare(resource: Resource): Promise<void>;
  /** After it is gone, or is meant to stay. */
  strike(resource: Resource): Promise<void>;
  /**
   * Says that this job is about to remove the restore point, for a hold to see. What is read after this resolves, and says nothing
   * against it, cannot be overtaken: a hold writes its mark first and looks for this afterwards. Undefined: it is done with it.
   */
  claim(point: string | undefined): Promise<void>;
  /** The last thing before a commit: throws LEASE_LOST if anybody took this job for dead. */
  assertAlive(): Promise<void>;
}

/**
 * Runs a job. Jobs that died are cleaned up first. When `run` throws, everything declared and not struck out is undone,
 * then its error is thrown on. What cannot be undone here keeps its lease, so that a later start finds it.
 */
export async function runJob<T>(
  workshop: Workshop,
  order: JobOrder,
  watch: Watch,
  run: (job: Job) => Promise<T>,
  resultOf: (value: T) => Readonly<Record<string, unknown>>,
): Promise<T> {
  await recoverJobs(workshop, watch.progress);
  const { repository, clock } = workshop;
  const { verb, source, point } = order;
  const id = makeId(clock.now(), clock.randomBytes(ID_RANDOM_BYTES));
  const journal = Journal.prepare(repository, clock, { id, verb, source, lifeboat: workshop.lifeboat });
  const leaseName = order.exclusive ? `${verb}-${source}` : `${verb}-${source}-${id}`;
  const lease = await acquireLease(repository, leaseName, { job: id, journal: journal.name, verb, source, point }, clock);
  const signal = AbortSignal.any([watch.signal, lease.lost]);
  const job: Job = {
    id,
    record: journal.record,
    signal,
    step(name, act, options) {
      signal.throwIfAborted();
      watch.progress.step(name, options);
      return journal.step(name, act);
    },
    cleanUp: (run) => journal.step("clean up", run),
    declare: (resource) => journal.declare(resource),
    strike: (resource) => journal.strike(resource),
    claim: (wanted) => lease.use(wanted),
    assertAlive: () => lease.assertHeld(),
  };
  const { memory } = repository;
  try {
    memory.jobBegan(id);
    await journal.write();
    const value = await run(job);
    await journal.end({ result: resultOf(value) });
    memory.jobEnded(id);
    await lease.release();
    return value;
  } catch (error) {
    const first = lease.lost.aborted ? lease.lost.reason : signal.aborted ? asLifeboatError(signal.reason) : error;
    if (lease.lost.aborted) throw first; // whoever took the lease cleans up: two must not
    await closeFailed(workshop, journal, first, lease).catch(async (later) => {
      await lease.forsake();
      // The storage itself may be what failed. The lease then runs out, and the next start cleans up.
      watch.progress.note(`could not clean up now (${asLifeboatError(later).message}); the next start will`);
    });
    throw first;
  }
}

async function closeFailed(workshop: Workshop, journal: Journal, error: unknown, lease: Lease): Promise<void> {
  const left = await undo(workshop, journal);
  await journal.end({ error });
  if (left.length === 0) workshop.repository.memory.jobEnded(journal.record.id);
  if (left.length === 0) return lease.release();
  const names = left.map(({ kind, locator, why }) => `${kind} ${JSON.stringify(locator)} (${why})`);
  throw new LifeboatError("STORAGE_FAILED", `still there: ${names.join(", ")}`);
}
