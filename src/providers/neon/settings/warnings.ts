// True things that a user should know and that are no drift.
import { slotsBetween } from "../../../core/cron.ts";
import { formatDuration } from "../../../core/duration.ts";
import type { Desired, PointRule } from "../../../ports/descriptor.ts";
import { childrenOf, isFromSnapshot, isRoot } from "../account.ts";
import type { NeonBranch } from "../api/types.ts";
import { EXTRA_BRANCH_MONTH_USD, titleOf } from "../plans.ts";
import { nearLimits } from "./limits.ts";
import { describeSchedule } from "./schedule.ts";
import type { Survey } from "./survey.ts";

const YEAR_MS = 365 * 86_400_000;

export function warningsOf(survey: Survey, desired: Desired, now: Date): string[] {
  const { production, branches } = survey;
  return [
    ...planWarnings(survey),
    ...shortWish(survey, desired),
    ...nearLimits(survey.limits),
    ...(production === undefined ? [] : branchWarnings(production, branches)),
    ...appetite(survey, desired.rules, now),
    ...foreignSchedule(survey, desired),
  ];
}

function planWarnings({ plan, planName, branches }: Survey): string[] {
  if (plan === undefined) {
    const what = planName === undefined ? "Neon does not tell the plan of this project" : `the plan ${planName} is not known here`;
    return [`${what}, so its limits are not all known`];
  }
  const extra = branches.length - plan.branchesIncluded;
  if (extra <= 0 || plan.branches <= plan.branchesIncluded) return [];
  const price = `$${EXTRA_BRANCH_MONTH_USD.toFixed(2)}`;
  return [
    `${branches.length} branches are ${extra} more than the ${titleOf(plan)} plan includes: each further one costs ${price} a month for as long as it exists`,
  ];
}

/** R1: a policy that asks for less than what the plan allows says so. */
function shortWish({ plan }: Survey, { windowMs }: Desired): string[] {
  if (plan === undefined || windowMs === undefined || windowMs >= plan.historyMaxSeconds * 1000) return [];
  const most = formatDuration(plan.historyMaxSeconds * 1000);
  return [`the policy asks for a history window of ${formatDuration(windowMs)}, and the ${titleOf(plan)} plan would keep ${most}`];
}

function branchWarnings(production: NeonBranch, branches: readonly NeonBranch[]): string[] {
  const { name } = production;
  const warnings: string[] = [];
  if (isFromSnapshot(production)) {
    warnings.push(
      `${name} was restored from a snapshot, and Neon keeps no point-in-time history for such a branch: rely on snapshots and backups`,
    );
  }
  if (!isRoot(production)) {
    warnings.push(`${name} is not a root branch: Neon takes no snapshots of it, and restores it in place only to its parent's state`);
  }
  const children = childrenOf(production, branches).length;
  if (children > 0) {
    const hang = children === 1 ? "1 branch hangs" : `${children} branches hang`;
    warnings.push(`${hang} on ${name}: a restore in place moves what hangs on it to the state that is kept`);
  }
  return warnings;
}

/** How many points a rule holds at most, once it has run for as long as it keeps. */
function pointsHeld({ cron, keepMs }: PointRule, now: Date): number {
  if (keepMs === "forever") return Number.POSITIVE_INFINITY;
  const slots = slotsBetween(cron, new Date(now.getTime() - YEAR_MS), now).length;
  return Math.max(1, Math.ceil((slots * keepMs) / YEAR_MS - 1e-9));
}

/** Whether what the policy keeps can ever fit. */
function appetite({ limits, plan }: Survey, rules: readonly PointRule[], now: Date): string[] {
  const warnings: string[] = [];
  for (const [by, limitName, advice] of [
    ["branch", "branches", "use `by: snapshot`"],
    ["snapshot", "snapshots", "keep fewer, or use `by: provider`"],
  ] as const) {
    const held = rules.filter((rule) => rule.by === by).reduce((sum, rule) => sum + pointsHeld(rule, now), 0);
    const max = limits.find(({ name }) => name === limitName)?.max;
    if (max === undefined || held < max) continue;
    const needs = Number.isFinite(held) ? `needs ${held} ${limitName}` : `needs ever more ${limitName}, because it keeps some for ever`;
    const where = plan === undefined ? "the project" : `the ${titleOf(plan)} plan`;
    warnings.push(`the policy ${needs}, and ${where} has ${max}: ${advice}`);
  }
  return warnings;
}

function foreignSchedule({ schedule }: Survey, desired: Desired): string[] {
  if (schedule.length === 0 || desired.rules.some(({ by }) => by === "provider")) return [];
  return [`Neon takes snapshots by a schedule that the policy does not name: ${describeSchedule(schedule)}`];
}
