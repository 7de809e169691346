// Schedules of snapshots: what may be asked for, and when the next one is due.

import type { Answer, ApiRequest, Emulator } from "./emulator.ts";
import { invalid, refused } from "./errors.ts";
import { catalogAt } from "./points.ts";
import { addSnapshot } from "./snapshots.ts";
import { type Branch, isRoot, type NeonProject, type ScheduleItem } from "./state.ts";

/** How long a scheduled snapshot is kept by default, and at most. */
const MAX_RETENTION_SECONDS = 35 * 24 * 3600;
const DAY_MS = 24 * 3600 * 1000;

export function getSchedule(emulator: Emulator, request: ApiRequest): Answer {
  const project = emulator.project(request);
  return { status: 200, body: { schedule: emulator.branch(project, request.params.branch).schedule } };
}

export function putSchedule(emulator: Emulator, request: ApiRequest): Answer {
  const project = emulator.project(request);
  const branch = emulator.branch(project, request.params.branch);
  if (!Array.isArray(request.body.schedule)) throw invalid("schedule is required");
  if (!isRoot(branch)) throw refused("backup schedules are only available on root branches");
  const schedule = request.body.schedule.map(itemOf);
  if (schedule.length > 0 && !emulator.store.limits.scheduledSnapshots) {
    throw refused(`backup schedules are not available on the ${emulator.store.plan} plan`);
  }
  Object.assign(branch, { schedule, scheduledUpTo: emulator.time.now() });
  return { status: 200, body: {} };
}

function itemOf(raw: unknown): ScheduleItem {
  const { frequency, hour, day, month, retention_seconds: retention } = raw as Record<string, unknown>;
  if (frequency !== "daily" && frequency !== "weekly" && frequency !== "monthly")
    throw invalid("frequency must be daily, weekly or monthly");
  if (hour === undefined) throw invalid(`${frequency} schedules must specify the hour of the day`);
  if (frequency === "weekly" && day === undefined) throw invalid("weekly schedules must specify the day of the week");
  if (frequency === "monthly" && day === undefined) throw invalid("monthly schedules must specify the day of the month");
  within(hour, 0, 23, "hour");
  within(day, 1, frequency === "weekly" ? 7 : 31, "day");
  within(month, 1, 12, "month");
  within(retention, 3600, MAX_RETENTION_SECONDS, "retention_seconds");
  return raw as ScheduleItem;
}

function within(value: unknown, least: number, most: number, key: string): void {
  if (value === undefined) return;
  if (!Number.isInteger(value) || Number(value) < least || Number(value) > most) throw invalid(`${key} must be from ${least} to ${most}`);
}

/** The first instant after `after` at which an item is due. */
export function nextDue(item: ScheduleItem, after: Date): Date {
  const start = Date.UTC(after.getUTCFullYear(), after.getUTCMonth(), after.getUTCDate(), item.hour);
  // A month without a 31st, and a year between two firings of a month, at most.
  for (let day = 0; day < 5 * 366; day++) {
    const at = new Date(start + day * DAY_MS);
    if (at > after && matches(item, at)) return at;
  }
  throw new Error(`a ${item.frequency} schedule is never due`);
}

function matches(item: ScheduleItem, at: Date): boolean {
  if (item.frequency === "weekly") return (at.getUTCDay() || 7) === item.day;
  if (item.frequency === "monthly")
    return at.getUTCDate() === item.day && (item.month === undefined || at.getUTCMonth() + 1 === item.month);
  return true;
}

/** The snapshot a schedule asks for, as of its instant, however late it comes. */
export async function takeScheduled(emulator: Emulator, project: NeonProject, branch: Branch, item: ScheduleItem, at: Date): Promise<void> {
  // Without a write since, the head is that state.
  const position = emulator.fleet.isRunning(branch.line)
    ? ({ kind: "time", at: emulator.time.toReal(at) } as const)
    : ({ kind: "head" } as const);
  const { line, forkLsn } = await emulator.fleet.fork(branch.line, position);
  await addSnapshot(emulator, project, branch, {
    line,
    lsn: forkLsn,
    at,
    catalog: catalogAt(branch.catalog, at),
    name: `${branch.name} ${item.frequency} ${at.toISOString()}`,
    expiresAt: new Date(at.getTime() + (item.retention_seconds ?? MAX_RETENTION_SECONDS) * 1000),
    createdAt: at,
    manual: false,
  });
}
