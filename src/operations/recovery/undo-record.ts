// How the record of an undo set is made and filed, of rows and of whole tables alike.
import type { Repository } from "../../repository/repository.ts";
import type { UndoRecord } from "../../repository/undo-sets.ts";
import type { Context } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { RESOURCE } from "../jobs/undo.ts";

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

/** Files an undo set. A job that dies meanwhile leaves none of its bytes behind. */
export async function fileUndo(job: Job, source: string, store: (place: Repository) => Promise<UndoRecord>): Promise<UndoRecord> {
  const resource = RESOURCE.undoSet(source, job.id);
  await job.declare(resource);
  const record = await job.file((place) => store(place));
  await job.withdraw(resource);
  job.decide("the undo set is stored", `\`lifeboat undo ${job.id}\` brings the state before back`);
  return record;
}
