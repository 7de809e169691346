// A branch that must not be left behind: how it is written down, and how what a crash left of it is found and removed.
import { LifeboatError } from "../../core/errors.ts";
import type { Work } from "../../ports/connection.ts";
import { type Maker, markOf, type Resource, type Undone } from "../../ports/resource.ts";
import { type Account, isFromSnapshot, isProduction } from "./account.ts";
import type { NeonBranch } from "./api/types.ts";

export const BRANCH_KIND = "neon-branch";

const SCRATCH_PREFIX = "lifeboat-scratch-";

/** The job's id, and its proof: the name is all that a branch which is made of a snapshot can carry. */
export const scratchName = ({ options }: Account, maker: Maker): string =>
  `${SCRATCH_PREFIX}${maker.jobId}-${maker.prove(BRANCH_KIND, options.projectId)}`;

/** What a branch of that name carries as its annotation. */
export const branchMark = ({ options }: Account, maker: Maker, name: string): string => markOf(maker, BRANCH_KIND, options.projectId, name);

/** Clocks differ: a branch that is this much older than the note about it may still be ours. */
const SKEW_MS = 300_000;

/** To be declared when it is known that no branch has the name. */
export function branchResource({ options, clock }: Account, name: string): Resource {
  return { kind: BRANCH_KIND, locator: { projectId: options.projectId, name, notBefore: clock.now().toISOString() } };
}

/** PROVIDER_REFUSED for a branch that is not proven to be the one that the job made and did not finish. Elsewhere: another project's. */
export async function undoBranch(
  account: Account,
  { projectId, name = "", notBefore = "" }: Resource["locator"],
  maker: Maker,
  work?: Work,
): Promise<Undone> {
  const { api, options } = account;
  if (projectId !== options.projectId) return "elsewhere";
  const branch = (await api.branches(work)).find((candidate) => candidate.name === name);
  if (branch === undefined) return "absent";
  const why = whyNotOurs(account, branch, maker, new Date(notBefore));
  if (why !== undefined) {
    throw new LifeboatError("PROVIDER_REFUSED", `the branch ${name} is left as it is: ${why}`, {
      hint: `look at it; when it can go, run \`neon branches delete ${branch.id} --project-id ${projectId}\``,
    });
  }
  await api.deleteBranch(branch.id, work);
  return "removed";
}

function whyNotOurs(account: Account, branch: NeonBranch, maker: Maker, notBefore: Date): string | undefined {
  if (isProduction(account, branch)) return "it is production";
  if (branch.isDefault) return "it is the project's default branch";
  if (branch.isProtected) return "it is protected";
  // Nothing but scratch has such a name, and it never stays.
  if (branch.name === scratchName(account, maker)) return undefined;
  if (branch.name.startsWith(SCRATCH_PREFIX)) return "its name does not carry the proof of the job that is cleaned up";
  // Every other is there to stay once its job has ended: only this machine's memory tells that it has not.
  if (!maker.unended) return `whether job ${maker.jobId} finished it is not known here`;
  if (!(branch.createdAt.getTime() >= notBefore.getTime() - SKEW_MS)) return "it is older than the job that is cleaned up";
  // One that was made of a snapshot could not be given an annotation.
  const carries = branch.mark === branchMark(account, maker, branch.name) || (branch.mark === undefined && isFromSnapshot(branch));
  return carries ? undefined : "it does not carry the mark of the job that is cleaned up";
}
