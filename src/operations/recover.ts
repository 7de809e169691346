// Cleaning up after jobs whose process died: every start of a job does it, and `jobs recover` on request.
import { LifeboatError } from "../core/errors.ts";
import type { Progress } from "../ports/progress.ts";
import { Journal } from "../repository/journal.ts";
import { isAbandoned, listLeases, takeOverLease } from "../repository/leases.ts";
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
    const lease = await takeOverLease(repository.storage, found, clock);
    if (lease === undefined) continue; // another process is at it
    const { job, verb, source, acquiredAt, journal: name } = found.record;
    const journal = await Journal.reopen(repository.storage, clock, name);
    const left = journal === undefined ? [] : await undo(workshop, journal);
    if (journal?.record.state === "running") {
      await journal.end({ error: new LifeboatError("CANCELLED", "its process ended before it did; what it left was removed") });
    }
    if (left.length === 0) await lease.release();
    recovered.push({ job, verb, source, startedAt: acquiredAt, left });
    progress.note(`cleaned up after job ${job} (${verb} of ${source}, begun ${acquiredAt}), whose process had ended`);
    for (const { kind, locator, why } of left) progress.note(`  still there: ${kind} ${JSON.stringify(locator)}: ${why}`);
  }
  return recovered;
}
