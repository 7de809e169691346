// What an undo is asked for and answers, and how the record of an undo set is made and filed, of rows and of whole tables alike.
import type { MergedTable } from "../../core/merge-plan.ts";
import type { Repository } from "../../repository/repository.ts";
import type { UndoRecord } from "../../repository/undo-sets.ts";
import type { Context, Source } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { RESOURCE } from "../jobs/undo.ts";

export interface UndoRequest {
  /** The job's id or the beginning of it. */
  readonly job: string;
  /** The database, where the merge went to an address. */
  readonly into?: string | undefined;
  readonly overwriteChanged?: boolean | undefined;
  readonly planDigest?: string | undefined;
  /** The source's name: the operator is sure. */
  readonly yes?: string | undefined;
}

export interface UndoneJob {
  readonly job: string;
  readonly source: string;
  readonly target: string;
  /** The job whose changes were undone. */
  readonly undone: string;
  readonly tables: readonly MergedTable[];
  /** What undoes this again. Absent: nothing was changed. */
  readonly undo?: UndoRecord | undefined;
}

export interface FoundUndo {
  readonly record: UndoRecord;
  readonly source: Source;
  /** Where it is stored. */
  readonly place: Repository;
}

/** How long an undo set is kept: as long as what a restore replaced, once that was accepted. */
const KEEP_UNDO_MS = 7 * 86_400_000;

export function undoFacts(
  { clock }: Context,
  { id }: Job,
  source: string,
  { verb, target, into }: Pick<UndoRecord, "verb" | "target" | "into">,
): Pick<UndoRecord, "job" | "source" | "verb" | "target" | "into" | "madeAt" | "expiresAt"> {
  const now = clock.now();
  return {
    job: id,
    source,
    verb,
    madeAt: now.toISOString(),
    expiresAt: new Date(now.getTime() + KEEP_UNDO_MS).toISOString(),
    target,
    // An address may hold a password: it is given again when the job is undone.
    into: into?.includes("://") ? undefined : into,
  };
}

/** Stores the undo set where the records of the job are. */
export type FileUndo = (store: (place: Repository) => Promise<UndoRecord>) => Promise<UndoRecord>;

/**
 * Runs what stores an undo set and then changes a database. After a crash or a failure, the clean-up removes an undo set that is not
 * complete, and says how to undo what was changed by means of one that is.
 */
export async function withUndoSet<T>(job: Job, source: string, act: (file: FileUndo) => Promise<T>): Promise<T> {
  const resource = RESOURCE.undoSet(source, job.id);
  await job.declare(resource);
  const done = await act(async (store) => {
    const record = await job.file((place) => store(place));
    job.decide("the undo set is stored", `\`lifeboat undo ${job.id}\` brings the state before back`);
    return record;
  });
  await job.withdraw(resource);
  return done;
}
