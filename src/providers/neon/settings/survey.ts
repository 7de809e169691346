// What settings are judged by, read anew.

import type { Limit } from "../../../core/limits.ts";
import type { Work } from "../../../ports/connection.ts";
import { type Account, isProduction, isRoot } from "../account.ts";
import type { NeonBranch, NeonProject, NeonScheduleItem, NeonSnapshot } from "../api/types.ts";
import { type Plan, planOf } from "../plans.ts";
import { limitsOf } from "./limits.ts";

export interface Survey {
  readonly project: NeonProject;
  /** As Neon names it, also when it is not in our table. */
  readonly planName: string | undefined;
  readonly plan: Plan | undefined;
  readonly branches: readonly NeonBranch[];
  /** Undefined: the project has no branch of the configured name. */
  readonly production: NeonBranch | undefined;
  readonly snapshots: readonly NeonSnapshot[];
  readonly schedule: readonly NeonScheduleItem[];
  readonly limits: readonly Limit[];
}

export async function survey(account: Account, work?: Work): Promise<Survey> {
  const { api, options } = account;
  const [project, branches, snapshots] = await Promise.all([api.project(work), api.branches(work), api.snapshots(work)]);
  const planName = options.plan ?? project.subscription ?? (await api.ownPlan(work));
  const plan = planOf(planName);
  const production = branches.find((branch) => isProduction(account, branch));
  // Only root branches have a schedule, and only on plans that have schedules at all.
  const hasSchedule = production !== undefined && isRoot(production) && plan?.scheduledSnapshots !== false;
  const schedule = hasSchedule ? await api.schedule(production.id, work) : [];
  const limits = limitsOf({ project, plan, branches, snapshots, production });
  return { project, planName, plan, branches, production, snapshots, schedule, limits };
}
