// The recovery window of a branch: which instants Neon can bring back.

import { isFromSnapshot } from "../account.ts";
import type { NeonBranch, NeonProject } from "../api/types.ts";

export interface Window {
  readonly earliest: Date;
  readonly latest: Date;
}

/**
 * Both edges at `now`; undefined when there is no history: it is off, or the branch was made from a snapshot (Neon keeps none for
 * such a branch). Never before the branch itself began, or was reset: what lies before belongs to another branch.
 */
export function windowOf(project: NeonProject, branch: NeonBranch, now: Date): Window | undefined {
  if (project.historySeconds <= 0 || isFromSnapshot(branch)) return undefined;
  const reach = now.getTime() - project.historySeconds * 1000;
  const began = Math.max(branch.createdAt.getTime(), branch.lastResetAt?.getTime() ?? 0);
  const earliest = Math.max(reach, began);
  return { earliest: new Date(Math.min(earliest, now.getTime())), latest: now };
}
