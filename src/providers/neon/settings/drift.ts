// Where the project differs from the policy, and why apply cannot change it where it cannot.
import { formatDuration } from "../../../core/duration.ts";
import type { Drift } from "../../../ports/control.ts";
import { isRoot } from "../account.ts";
import type { NeonBranch, NeonScheduleItem } from "../api/types.ts";
import type { NeonOptions } from "../options.ts";
import { costOfHistory, titleOf } from "../plans.ts";
import { roomFor } from "./limits.ts";
import { describeSchedule, LONGEST_SECONDS, translateRule } from "./schedule.ts";
import type { Survey } from "./survey.ts";

export const SETTINGS = {
  history: "history window",
  branch: "production branch",
  isDefault: "default branch",
  protection: "protection",
  schedule: "snapshot schedule",
} as const;

export function driftOf(survey: Survey, options: NeonOptions): Drift[] {
  const { production } = survey;
  const ofProject = historyDrift(survey, options);
  if (production === undefined) return [missingBranch(survey, options), ...ofProject];
  return [
    ...ofProject,
    ...defaultDrift(survey, production),
    ...protectionDrift(survey, production, options),
    ...scheduleDrift(survey, production, options),
  ];
}

function missingBranch({ branches, project }: Survey, { branch = "" }: NeonOptions): Drift {
  const fallback = branches.find(({ isDefault }) => isDefault)?.name;
  return {
    setting: SETTINGS.branch,
    wanted: branch,
    actual: "none of that name",
    message: `the project ${project.id} has no branch ${branch}`,
    blocked:
      fallback === undefined
        ? "a branch of that name must be made first"
        : `set \`branch: ${fallback}\`, its default branch, or rename that one: \`neon branches rename ${fallback} ${branch}\` leaves its connection string as it is`,
  };
}

/** A value beyond the plan becomes two: the part that apply can do, and the rest with its price. */
function historyDrift({ project, plan }: Survey, { desired }: NeonOptions): Drift[] {
  const actualMs = project.historySeconds * 1000;
  const wantedMs = desired.windowMs;
  if (wantedMs === undefined || actualMs >= wantedMs) return [];
  const setting = SETTINGS.history;
  const actual = actualMs === 0 ? "off" : formatDuration(actualMs);
  const is = `it is ${actual}`;
  const wanted = formatDuration(wantedMs);
  const capMs = plan === undefined ? Number.POSITIVE_INFINITY : plan.historyMaxSeconds * 1000;
  if (plan === undefined || wantedMs <= capMs) {
    return [{ setting, wanted, actual, message: `set the history window to ${wanted} (${is})` }];
  }
  const cap = formatDuration(capMs);
  const possible: Drift = {
    setting,
    wanted: cap,
    actual,
    message: `set the history window to ${cap}, the most that the ${titleOf(plan)} plan keeps (${is})`,
  };
  const rest: Drift = {
    setting,
    wanted,
    actual: actualMs < capMs ? cap : actual,
    message: `the policy asks for a history window of ${wanted}, and the ${titleOf(plan)} plan keeps ${cap}`,
    blocked: `the ${titleOf(plan)} plan keeps at most ${cap}; ${costOfHistory(Math.ceil(wantedMs / 1000), plan)}`,
  };
  return actualMs < capMs ? [possible, rest] : [rest];
}

function defaultDrift({ branches }: Survey, production: NeonBranch): Drift[] {
  if (production.isDefault) return [];
  const actual = branches.find(({ isDefault }) => isDefault)?.name ?? "none";
  return [
    {
      setting: SETTINGS.isDefault,
      wanted: production.name,
      actual,
      message: `make ${production.name} the project's default branch (it is ${actual})`,
    },
  ];
}

function protectionDrift({ plan, limits }: Survey, production: NeonBranch, { desired }: NeonOptions): Drift[] {
  if (!desired.protect || production.isProtected) return [];
  const drift: Drift = {
    setting: SETTINGS.protection,
    wanted: "protected",
    actual: "not protected",
    message: `protect the branch ${production.name} (it is not protected)`,
  };
  if (plan?.protectedBranches === 0) {
    return [{ ...drift, blocked: `the ${titleOf(plan)} plan has no protected branches; the Launch plan has 2, the Scale plan 5` }];
  }
  if (roomFor(limits, "protected branches") === 0) {
    return [{ ...drift, blocked: `all ${plan?.protectedBranches} protected branches of the plan are in use: end the protection of one` }];
  }
  return [drift];
}

/** One drift for what Neon's schedule can say, and one for each rule that it cannot. */
function scheduleDrift({ schedule, plan }: Survey, production: NeonBranch, { desired }: NeonOptions): Drift[] {
  const rules = desired.rules.filter(({ by }) => by === "provider");
  if (rules.length === 0) return [];
  const setting = SETTINGS.schedule;
  const actual = describeSchedule(schedule);
  const items: NeonScheduleItem[] = [];
  const drifts: Drift[] = [];
  for (const rule of rules) {
    const translated = translateRule(rule);
    if ("item" in translated) items.push(translated.item);
    else {
      const message = `Neon's schedule cannot make ${rule.name}`;
      drifts.push({ setting, wanted: `${rule.name} at ${rule.cron}`, actual, message, blocked: translated.why });
    }
  }
  const wanted = describeSchedule(items);
  if (items.length > 0 && !sameSchedule(items, schedule)) {
    const instead = schedule.length === 0 ? "there is none" : `it is: ${actual}`;
    const message = `set the snapshot schedule of ${production.name} to: ${wanted} (${instead})`;
    // Setting it replaces it: other items would no longer be taken.
    const lowers = schedule.some((item) => !items.some((spec) => keyOf(spec) === keyOf(item)));
    const drift: Drift = { setting, wanted, actual, message, ...(lowers ? { lowers } : {}) };
    const blocked = whyNoSchedule(production, plan);
    drifts.unshift(blocked === undefined ? drift : { ...drift, blocked });
  }
  return drifts;
}

function whyNoSchedule(production: NeonBranch, plan: Survey["plan"]): string | undefined {
  if (plan?.scheduledSnapshots === false) {
    return `the ${titleOf(plan)} plan has no snapshot schedule; use \`by: branch\`, or take the Launch plan`;
  }
  return isRoot(production)
    ? undefined
    : `${production.name} is not a root branch, and Neon takes snapshots of root branches only; use \`by: branch\``;
}

/** The items that the policy asks Neon to carry out. */
export function wantedSchedule({ desired }: NeonOptions): NeonScheduleItem[] {
  return desired.rules
    .filter(({ by }) => by === "provider")
    .map(translateRule)
    .flatMap((translated) => ("item" in translated ? [translated.item] : []));
}

const keyOf = ({ frequency, hour, day, retentionSeconds }: NeonScheduleItem): string =>
  [frequency, hour ?? "", frequency === "daily" ? "" : (day ?? ""), retentionSeconds ?? LONGEST_SECONDS].join(" ");

const sameSchedule = (a: readonly NeonScheduleItem[], b: readonly NeonScheduleItem[]): boolean =>
  a.map(keyOf).toSorted().join("|") === b.map(keyOf).toSorted().join("|");
