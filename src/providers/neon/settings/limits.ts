// Use against limits: what the API says of this project first, the table of plans after it.
import type { Limit } from "../../../core/limits.ts";
import { isRoot } from "../account.ts";
import type { NeonBranch, NeonProject, NeonSnapshot } from "../api/types.ts";
import type { Plan } from "../plans.ts";

export interface LimitFacts {
  readonly project: NeonProject;
  readonly plan: Plan | undefined;
  readonly branches: readonly NeonBranch[];
  readonly snapshots: readonly NeonSnapshot[];
  readonly production?: NeonBranch | undefined;
}

export function limitsOf({ project, plan, branches, snapshots, production }: LimitFacts): Limit[] {
  const count = (name: string, used: number, max: number | undefined): Limit => ({ name, used, max, unit: "count" });
  const storageMax = smallest(project.branchSizeLimitBytes, plan?.storageBytes);
  return [
    count("branches", branches.length, maxBranches(project, plan)),
    count("root branches", branches.filter(isRoot).length, plan?.rootBranches),
    count("snapshots", snapshots.filter(({ manual }) => manual).length, plan?.manualSnapshots),
    count("protected branches", branches.filter(({ isProtected }) => isProtected).length, plan?.protectedBranches),
    { name: "storage", used: production?.sizeBytes ?? 0, max: storageMax, unit: "bytes" },
  ];
}

function maxBranches(project: NeonProject, plan: Plan | undefined): number | undefined {
  return project.branchesLimit !== undefined && project.branchesLimit > 0 ? project.branchesLimit : plan?.branches;
}

function smallest(...values: (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** How many more fit; undefined where there is no limit, or none is known. */
export function roomFor(limits: readonly Limit[], name: string): number | undefined {
  const limit = limits.find((candidate) => candidate.name === name);
  return limit?.max === undefined ? undefined : Math.max(0, limit.max - limit.used);
}

const WARN_SHARE = 0.8;

/** A sentence for each limit of which four fifths are used (R3). */
export function nearLimits(limits: readonly Limit[]): string[] {
  return limits
    .filter(({ used, max }) => max !== undefined && max > 0 && used >= max * WARN_SHARE)
    .map(({ name, used, max, unit }) => {
      const share = Math.floor((used / (max ?? used)) * 100);
      return unit === "bytes"
        ? `${share} % of the ${name} that the plan allows is used`
        : `${used} of ${max} ${name} are used (${share} %)`;
    });
}
