// A branch that must not be left behind: how it is written down, and how what a crash left of it is found and removed.
import { LifeboatError } from "../../core/errors.ts";
import type { Work } from "../../ports/connection.ts";
import type { Resource } from "../../ports/resource.ts";
import type { NeonBranch } from "./api/types.ts";
import { type Ground, isProduction } from "./ground.ts";

export const BRANCH_KIND = "neon-branch";

/** Names of scratch carry the job's id: nobody else gives one, whatever the clocks say. */
const SCRATCH_PREFIX = "lifeboat-scratch-";

export const scratchName = (jobId: string): string => `${SCRATCH_PREFIX}${jobId}`;

/** Clocks differ: a branch that is this much older than the note about it may still be ours. */
const SKEW_MS = 300_000;

/** To be declared when it is known that no branch has the name: whatever has it later is ours. */
export function branchResource({ options, clock }: Ground, name: string): Resource {
  return { kind: BRANCH_KIND, locator: { projectId: options.projectId, name, notBefore: clock.now().toISOString() } };
}

/**
 * True when it is gone, or was never made. False for another project's. PROVIDER_REFUSED for a branch that cannot be the one that
 * was declared: production, the default, a protected one, or one that is older than the note.
 */
export async function undoBranch(
  ground: Ground,
  { projectId, name = "", notBefore = "" }: Resource["locator"],
  work?: Work,
): Promise<boolean> {
  const { api, options } = ground;
  if (projectId !== options.projectId) return false;
  const branch = (await api.branches(work)).find((candidate) => candidate.name === name);
  if (branch === undefined) return true;
  const why = whyNotOurs(ground, branch, new Date(notBefore));
  if (why !== undefined) throw new LifeboatError("PROVIDER_REFUSED", `the branch ${name} is left as it is: ${why}`);
  await api.deleteBranch(branch.id, work);
  return true;
}

function whyNotOurs(ground: Ground, branch: NeonBranch, notBefore: Date): string | undefined {
  if (isProduction(ground, branch)) return "it is production";
  if (branch.isDefault) return "it is the project's default branch";
  if (branch.isProtected) return "it is protected";
  if (branch.name.startsWith(SCRATCH_PREFIX)) return undefined;
  if (!(branch.createdAt.getTime() >= notBefore.getTime() - SKEW_MS)) return "it is older than the job that is cleaned up";
  return undefined;
}
