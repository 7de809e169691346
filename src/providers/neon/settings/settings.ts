// Settings at Neon against the policy: read, and apply one difference at a time.

import { slotsBetween } from "../../../core/cron.ts";
import { formatDuration, parseDuration } from "../../../core/duration.ts";
import { LifeboatError } from "../../../core/errors.ts";
import type { Protection } from "../../../core/protection.ts";
import type { Work } from "../../../ports/connection.ts";
import type { Drift, ProviderState, SettingsControl } from "../../../ports/control.ts";
import type { Desired, PointRule } from "../../../ports/descriptor.ts";
import { type Account, childrenOf, isFromSnapshot, isRoot, projectBranches } from "../account.ts";
import type { NeonBranch } from "../api/types.ts";
import { EXTRA_BRANCH_MONTH_USD, titleOf } from "../plans.ts";
import { driftOf, SETTINGS, wantedSchedule } from "./drift.ts";
import { nearLimits } from "./limits.ts";
import { describeSchedule, LONGEST_SECONDS } from "./schedule.ts";
import { type Survey, survey } from "./survey.ts";
import { type Window, windowOf } from "./window.ts";

export function settingsControl(account: Account): SettingsControl {
  const { options, clock } = account;
  return {
    async read(work) {
      const seen = await survey(account, work);
      const now = clock.now();
      const window = seen.production === undefined ? undefined : windowOf(seen.project, seen.production, now);
      return {
        settings: settingsOf(seen, window),
        window,
        limits: seen.limits,
        drift: driftOf(seen, options),
        protections: protectionsOf(seen),
        warnings: warningsOf(seen, options.desired, now),
      };
    },
    async apply(drift, work) {
      if (drift.blocked !== undefined) throw new LifeboatError("PROVIDER_LIMIT", `${drift.message}: ${drift.blocked}`);
      const applyIt = MEND[drift.setting];
      if (applyIt === undefined) throw new LifeboatError("BUG", `there is no code for the setting ${drift.setting}`);
      await applyIt(account, drift, work);
    },
  };
}

type Mend = (account: Account, drift: Drift, work: Work | undefined) => Promise<void>;

/** Each looks first and does nothing where nothing is left to do. */
const MEND: Readonly<Record<string, Mend>> = {
  async [SETTINGS.history]({ api, options }, { wanted }, work) {
    // The words are rounded; the value itself is not.
    const desiredMs = options.desired.windowMs ?? 0;
    const seconds = Math.ceil((wanted === formatDuration(desiredMs) ? desiredMs : parseDuration(wanted)) / 1000);
    if ((await api.project(work)).historySeconds < seconds) await api.setHistory(seconds, work);
  },
  async [SETTINGS.isDefault](account, _, work) {
    const { production } = await projectBranches(account, work);
    if (!production.isDefault) await account.api.setDefault(production.id, work);
  },
  async [SETTINGS.protection](account, _, work) {
    const { production } = await projectBranches(account, work);
    if (!production.isProtected) await account.api.updateBranch(production.id, { protected: true }, work);
  },
  async [SETTINGS.schedule](account, { wanted }, work) {
    const { production } = await projectBranches(account, work);
    const items = wantedSchedule(account.options);
    if (describeSchedule(items) !== wanted) {
      throw new LifeboatError("PROVIDER_REFUSED", "the policy's snapshot schedule has changed since it was compared", {
        hint: "run `lifeboat plan SOURCE` again",
      });
    }
    await account.api.setSchedule(production.id, items, work);
  },
};

/** Names that scripts rely on (R1). */
function settingsOf({ project, planName, production, schedule, snapshots }: Survey, window: Window | undefined): ProviderState["settings"] {
  return {
    pitr_enabled: window !== undefined,
    pitr_retention_days: Math.round((project.historySeconds / 86_400) * 1000) / 1000,
    earliest_restore_time: window?.earliest.toISOString() ?? null,
    latest_restore_time: window?.latest.toISOString() ?? null,
    plan: planName ?? null,
    region: project.region || null,
    branch: production?.name ?? null,
    branch_id: production?.id ?? null,
    branch_default: production?.isDefault ?? null,
    branch_protected: production?.isProtected ?? null,
    branch_root: production === undefined ? null : isRoot(production),
    snapshot_schedule: describeSchedule(schedule),
    snapshots: snapshots.length,
  };
}

function protectionsOf({ project, production, schedule }: Survey): Protection[] {
  const kept = Math.max(0, ...schedule.map(({ retentionSeconds = LONGEST_SECONDS }) => retentionSeconds));
  return [
    { kind: "history", level: project.historySeconds },
    { kind: "retention", level: kept },
    ...(production === undefined ? [] : [{ kind: "deletion", level: production.isProtected ? 1 : 0 } as const]),
  ];
}

const YEAR_MS = 365 * 86_400_000;

export function warningsOf(survey: Survey, desired: Desired, now: Date): string[] {
  const { production, branches } = survey;
  return [
    ...planWarnings(survey),
    ...shortWindowWarnings(survey, desired),
    ...nearLimits(survey.limits),
    ...(production === undefined ? [] : branchWarnings(production, branches)),
    ...pointCountWarnings(survey, desired.rules, now),
    ...foreignScheduleWarnings(survey, desired),
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
function shortWindowWarnings({ plan }: Survey, { windowMs }: Desired): string[] {
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
function pointCountWarnings({ limits, plan }: Survey, rules: readonly PointRule[], now: Date): string[] {
  const warnings: string[] = [];
  for (const [by, limitName, advice] of [
    ["branch", "branches", "use `by: snapshot`"],
    ["snapshot", "snapshots", "keep fewer, or use `by: provider`"],
  ] as const) {
    const held = rules.filter((rule) => rule.by === by).reduce((sum, rule) => sum + pointsHeld(rule, now), 0);
    const max = limits.find(({ name }) => name === limitName)?.max;
    if (max === undefined || held < max) continue;
    const needs = Number.isFinite(held) ? `needs ${held} ${limitName}` : `needs ever more ${limitName}, because it keeps some forever`;
    const where = plan === undefined ? "the project" : `the ${titleOf(plan)} plan`;
    warnings.push(`the policy ${needs}, and ${where} has ${max}: ${advice}`);
  }
  return warnings;
}

function foreignScheduleWarnings({ schedule }: Survey, desired: Desired): string[] {
  if (schedule.length === 0 || desired.rules.some(({ by }) => by === "provider")) return [];
  return [`Neon takes snapshots by a schedule that the policy does not name: ${describeSchedule(schedule)}`];
}
