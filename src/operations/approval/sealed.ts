// Frozen plans that show rows are sealed in the repository. They are for the approver and for the one who carries them out: when the
// approval ends, the rows are removed. Digest, signatures and end stay for the audit.
import * as z from "zod/mini";
import { asLifeboatError, isLifeboatError } from "../../core/errors.ts";
import { contentOf, type FrozenPlan, readEnd, readFrozen, removeSealed, sealedIds } from "../../repository/approvals.ts";
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
  const open: FrozenPlan[] = [];
  for await (const { frozen, isOver } of sealedPlans(context, watch)) {
    if (isOver) await removeEnded(context, frozen.id, watch);
    else open.push(frozen);
  }
  return open;
}

async function* sealedPlans({ repository, clock }: Context, { signal }: Watch) {
  for (const id of await sealedIds(repository, signal)) {
    const frozen = await readFrozen(repository, id, signal).catch(ignoreDamaged);
    // Without a signature nothing says whether it has ended.
    if (frozen?.signedBy === undefined) continue;
    const isExpired = Date.parse(frozen.value.expiresAt) <= clock.now().getTime();
    yield { frozen: frozen.value, isOver: isExpired || (await readEnd(repository, id, signal)) !== undefined };
  }
}

/** Open sealed plans of the source that show rows of these tables, or may do so: one that cannot be opened here. Removes nothing. */
export async function plansShowing(context: Context, source: string, tables: readonly string[], watch: Watch): Promise<FrozenPlan[]> {
  const showing: FrozenPlan[] = [];
  for await (const { frozen, isOver } of sealedPlans(context, watch)) {
    if (isOver || frozen.source !== source) continue;
    const shown = await tablesShown(context, frozen, watch);
    if (shown === undefined || tables.some((table) => shown.has(table))) showing.push(frozen);
  }
  return showing;
}

const shownSchema = z.looseObject({ merge: z.looseObject({ tables: z.array(z.looseObject({ table: z.string() })) }) });

/** Undefined: not known. A condition of the request may name a row of any table. */
async function tablesShown({ repository, openKey }: Context, frozen: FrozenPlan, { signal }: Watch): Promise<Set<string> | undefined> {
  try {
    const { request, plan } = await contentOf(repository, frozen, openKey, signal);
    const shown = shownSchema.safeParse(plan);
    return request.where === undefined && shown.success ? new Set(shown.data.merge.tables.map(({ table }) => table)) : undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!isLifeboatError(error) || error.code === "BUG") throw error;
    return undefined;
  }
}
