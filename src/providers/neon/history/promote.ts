// A restored branch becomes production; the present one is kept under another name.
import { LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import { connectionTo } from "../access.ts";
import { type Account, childrenOf, isFromSnapshot, isProduction, isRoot, noProduction } from "../account.ts";
import type { NeonBranch } from "../api/types.ts";
import { changed, type Replaced } from "./in-place.ts";

export interface Promotion {
  /** Name or id. */
  readonly branch: string;
  readonly name: string;
  readonly keepAs: string;
}

const NEW_ADDRESS = "the connection string is another one: point the application at it";

interface Cast {
  readonly branches: readonly NeonBranch[];
  readonly chosen: NeonBranch;
  readonly old: NeonBranch;
}

/**
 * Each step is the same when it is taken twice, and what was done is recognised: after a crash the same command continues where it
 * stopped. The project is never without a default branch; production is for a moment without its name.
 */
export async function promote(account: Account, spec: Promotion, work: Work): Promise<Replaced> {
  const { api, options } = account;
  const { branches, chosen, old } = await castOf(account, spec, work);
  for (const name of [spec.name, spec.keepAs]) {
    const holder = branches.find((branch) => branch.name === name);
    if (holder !== undefined && holder.id !== chosen.id && holder.id !== old.id) {
      throw new LifeboatError("PROVIDER_REFUSED", `there is a branch ${name} already`, { hint: "choose another name" });
    }
  }
  // A branch that expires can be neither default nor protected, and must not vanish as production.
  if (chosen.expiresAt !== undefined) await api.updateBranch(chosen.id, { expiresAt: null }, work);
  if (chosen.restoreStatus === "restored" && chosen.restoredFor === old.id)
    return await finalize(account, spec, { branches, chosen, old }, work);
  const connection = await connectionTo(account, chosen, { mayAddCompute: true }, work);
  const schedule = isRoot(old) ? await api.schedule(old.id, work) : [];
  if (old.name !== spec.keepAs) await api.updateBranch(old.id, { name: spec.keepAs }, work);
  if (chosen.name !== spec.name) await api.updateBranch(chosen.id, { name: spec.name }, work);
  // Last: clients that follow the default change over in one step.
  if (!chosen.isDefault) await api.setDefault(chosen.id, work);

  const wasProtected = old.isProtected || chosen.isProtected || options.desired.protect;
  const problems: string[] = [];
  // First the old one: small plans have few places for protected branches.
  if (old.isProtected) await api.updateBranch(old.id, { protected: false }, work);
  if (wasProtected && !chosen.isProtected) {
    try {
      await api.updateBranch(chosen.id, { protected: true }, work);
    } catch (error) {
      if (!(error instanceof LifeboatError) || !/^PROVIDER_(LIMIT|REFUSED)$/.test(error.code)) throw error;
      problems.push(`${spec.name} is not protected: ${error.message}`);
    }
  }
  if (schedule.length > 0 && isRoot(chosen)) await api.setSchedule(chosen.id, schedule, work);
  else if (schedule.length > 0)
    problems.push(`the snapshot schedule stayed with ${spec.keepAs}, because ${spec.name} is not a root branch`);
  return {
    connection,
    kept: { id: old.id, name: spec.keepAs },
    warnings: [...warningsFor(account, spec, chosen, old), ...problems, NEW_ADDRESS],
  };
}

/** A restored snapshot takes production's place by Neon's own act: computes, and with them the connection string, move to it. */
async function finalize(account: Account, { name, keepAs }: Promotion, { chosen, old }: Cast, work: Work): Promise<Replaced> {
  const { api } = account;
  const before = await connectionTo(account, old, { mayAddCompute: false }, work);
  // A branch has one compute that writes: production's is the one to stay.
  for (const { id, writable } of await api.computes(chosen.id, work)) if (writable) await api.deleteCompute(id, work);
  await api.finalizeRestore(chosen.id, { keepAs }, work);
  const now = await api.branch(chosen.id, work);
  if (now === undefined) throw new LifeboatError("PROVIDER_FAILED", `Neon reported the restore as done, but ${chosen.id} is gone`);
  if (now.name !== name) await api.updateBranch(now.id, { name }, work);
  const connection = await connectionTo(account, now, { mayAddCompute: true }, work);
  const warnings = warningsFor(account, { branch: name, name, keepAs }, now, old);
  return { connection, kept: { id: old.id, name: keepAs }, warnings: [...warnings, ...changed(before, connection)] };
}

/** Who is to be promoted, and whom it replaces: production, or what an interrupted promotion made of it already. */
async function castOf(account: Account, { branch, name, keepAs }: Promotion, work: Work): Promise<Cast> {
  const branches = await account.api.branches(work);
  const kept = branches.find((one) => one.name === keepAs);
  const chosen =
    branches.find((one) => one.id === branch) ??
    branches.find((one) => one.name === branch) ??
    (kept === undefined ? undefined : branches.find((one) => hasBegun(one, kept, name)));
  if (chosen === undefined) {
    throw new LifeboatError("BRANCH_UNKNOWN", `there is no branch ${branch} in the project ${account.options.projectId}`);
  }
  const production = branches.find((one) => isProduction(account, one) && one.id !== chosen.id);
  const begun = kept !== undefined && (kept.isDefault || chosen.isDefault) ? kept : undefined;
  const old = production ?? begun;
  if (old === undefined) {
    if (isProduction(account, chosen)) throw new LifeboatError("PROVIDER_REFUSED", `${chosen.name} is production already`);
    throw noProduction(account, branches);
  }
  if (childrenOf(chosen, branches).some(({ id }) => id === old.id)) {
    throw new LifeboatError("PROVIDER_REFUSED", `production comes from ${chosen.name}, which cannot take its place`);
  }
  return { branches, chosen, old };
}

/** Whether an interrupted promotion has given this branch its new name already. */
const hasBegun = (one: NeonBranch, kept: NeonBranch, name: string): boolean =>
  one.name === name ? one.isDefault || kept.isDefault : one.isDefault && one.restoredFor === kept.id;

function warningsFor({ options }: Account, { name, keepAs }: Promotion, chosen: NeonBranch, old: NeonBranch): string[] {
  const warnings: string[] = [];
  if (options.branch !== undefined && options.branch !== name) {
    warnings.push(`the configuration names the branch ${options.branch}: set \`branch: ${name}\` for this source`);
  }
  if (isFromSnapshot(chosen)) {
    warnings.push(`${name} comes from a snapshot: Neon keeps no point-in-time history for it; take a snapshot or a backup soon`);
  }
  if (!isRoot(chosen)) {
    warnings.push(`${name} is not a root branch: Neon takes no snapshots of it, and does not restore it in place`);
    if (chosen.parentId === old.id) warnings.push(`${keepAs} cannot be deleted as long as ${name} comes from it`);
  }
  return warnings;
}
