// Frozen plans that show rows are sealed in the repository. They are for the approver and for the one who carries them out: when the
// approval ends, the rows are removed. Digest, signatures and end stay for the audit.
import { asLifeboatError, isLifeboatError } from "../../core/errors.ts";
import { type FrozenPlan, readEnd, readFrozen, removeSealed, sealedIds } from "../../repository/approvals.ts";
import type { Context, Watch } from "../context.ts";

/** Removes the sealed plan of an approval that has ended. Never throws: what cannot be removed now is tried again with each beat. */
export async function removeEnded({ repository }: Pick<Context, "repository">, id: string, { progress }: Pick<Watch, "progress">) {
  await removeSealed(repository, id).catch((error: unknown) => {
    progress.note(`the sealed plan of approval ${id}, which has ended, could not be removed: ${asLifeboatError(error).message}`);
  });
}

/** One that was planted in the storage must not keep the others from their end. */
function ignoreDamaged(error: unknown): undefined {
  if (!isLifeboatError(error, "INTEGRITY") && !isLifeboatError(error, "FORMAT_UNKNOWN")) throw error;
}

/** Removes the sealed plans of all approvals that have ended or expired, and returns those that are open. */
export async function sweepSealed(context: Context, watch: Watch): Promise<FrozenPlan[]> {
  const { repository, clock } = context;
  const open: FrozenPlan[] = [];
  for (const id of await sealedIds(repository, watch.signal)) {
    const frozen = await readFrozen(repository, id, watch.signal).catch(ignoreDamaged);
    // Without a signature nothing says whether it has ended.
    if (frozen?.signedBy === undefined) continue;
    const isOver = Date.parse(frozen.value.expiresAt) <= clock.now().getTime();
    if (isOver || (await readEnd(repository, id, watch.signal)) !== undefined) await removeEnded(context, id, watch);
    else open.push(frozen.value);
  }
  return open;
}
