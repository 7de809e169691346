// What every part of the provider works with, and which branch is production. Ids change with every restore, so it is found anew
// for every piece of work, by its name or by being the default.
import { LifeboatError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Work } from "../../ports/connection.ts";
import type { NeonApi } from "./api/api.ts";
import type { NeonBranch } from "./api/types.ts";
import type { NeonOptions, Timeouts } from "./options.ts";

export interface Account {
  readonly options: NeonOptions;
  readonly api: NeonApi;
  readonly clock: Clock;
  readonly timeouts: Timeouts;
}

export interface ProjectBranches {
  readonly branches: readonly NeonBranch[];
  readonly production: NeonBranch;
}

export const isProduction = ({ options }: Account, branch: NeonBranch): boolean =>
  options.branch === undefined ? branch.isDefault : branch.name === options.branch;

/** Every branch, and which one is production: PROVIDER_NOT_FOUND when there is none of that name. */
export async function projectBranches(account: Account, work?: Work): Promise<ProjectBranches> {
  const branches = await account.api.branches(work);
  const production = branches.find((branch) => isProduction(account, branch));
  if (production === undefined) throw noProduction(account, branches);
  return { branches, production };
}

export function noProduction({ options }: Account, branches: readonly NeonBranch[]): LifeboatError {
  const fallback = branches.find((branch) => branch.isDefault);
  const there = fallback === undefined ? "" : `; its default branch is ${fallback.name}`;
  const what = options.branch === undefined ? "no default branch" : `no branch ${options.branch}`;
  return new LifeboatError("PROVIDER_NOT_FOUND", `the Neon project ${options.projectId} has ${what}${there}`, {
    ...(fallback === undefined ? {} : { hint: `set \`branch: ${fallback.name}\` for this source, or leave it out to follow the default` }),
    details: { branches: branches.map(({ name }) => name).slice(0, 50) },
  });
}

export const childrenOf = (branch: NeonBranch, branches: readonly NeonBranch[]): NeonBranch[] =>
  branches.filter(({ parentId }) => parentId === branch.id);

export const isRoot = (branch: NeonBranch): boolean => branch.parentId === undefined;

/** Made by restoring one of Neon's snapshots: such a branch has no point-in-time history of its own. */
export const isFromSnapshot = (branch: NeonBranch): boolean => branch.restoredFrom !== undefined || branch.restoreStatus !== undefined;
