// Cleaning up after jobs whose process died: every start of a job does it, and `jobs recover` on request.
import { asLifeboatError, LifeboatError } from "../core/errors.ts";
import type { Progress } from "../ports/progress.ts";
import { Journal } from "../repository/journal.ts";
import { type FoundLease, isAbandoned, listLeases, takeOverLease } from "../repository/leases.ts";
import { type Left, undo } from "./undo.ts";
import type { Workshop } from "./workshop.ts";

export interface Recovered {
  readonly job: string;
  readonly verb: string;
  readonly source: string;
  readonly startedAt: string;
  /** What of it could not be removed from here; it is tried again at the next start. */
  readonly left: readonly Left[];
}

/** Closes every job whose holder is dead: undoes what its journal lists, marks it failed, frees its lease, and says so. */
export async function recoverJobs(workshop: Workshop, progress: Progress): Promise<Recovered[]> {
  const { repository, clock } = workshop;
  const recovered: Recovered[] = [];
  for (const found of await listLeases(repository.storage)) {
    if (!isAbandoned(found.record, clock.now())) continue;
    try {
      const closed = await recoverOne(workshop, found, progress);
      if (closed) recovered.push(closed);
    } catch (error) {
      // One job that cannot be cleaned up must not keep every other from beginning. Its lease stays, and with it the memory of it.
      const { job, verb, source, acquiredAt } = found.record;
      const why = asLifeboatError(error).message;
      recovered.push({
        job,
        verb,
        source,
        startedAt: acquiredAt,
        left: [{ kind: "job", locator: { journal: found.record.journal }, why }],
      });
      progress.note(`could not clean up after job ${job} (${verb} of ${source}): ${why}; the next start tries again`);
    }
  }
  return recovered;
}

async function recoverOne(workshop: Workshop, found: FoundLease, progress: Progress): Promise<Recovered | undefined> {
  const { repository, clock } = workshop;
  const lease = await takeOverLease(repository.storage, found, clock);
  if (lease === undefined) return undefined; // another process is at it
  const { job, verb, source, acquiredAt, journal: name } = found.record;
  const journal = await Journal.reopen(repository.storage, clock, name);
  const left = journal === undefined ? [] : await undo(workshop, journal);
  if (journal?.record.state === "running") {
    await journal.end({ error: new LifeboatError("CANCELLED", "its process ended before it did; what it left was removed") });
  }
  if (left.length === 0) await lease.release();
  progress.note(`cleaned up after job ${job} (${verb} of ${source}, begun ${acquiredAt}), whose process had ended`);
  for (const { kind, locator, why } of left) progress.note(`  still there: ${kind} ${JSON.stringify(locator)}: ${why}`);
  return { job, verb, source, startedAt: acquiredAt, left };
}
