// Alerts from the findings of a status: opened once, repeated at growing intervals, and closed when the finding is gone.
import { formatDuration } from "./duration.ts";
import type { HealthReason } from "./health.ts";
import { type HealthCode, verdictOf } from "./monitors.ts";

export type Severity = "critical" | "warning";

export const severityOf = (code: HealthCode): Severity => (verdictOf(code) === "fail" ? "critical" : "warning");

/** An alert that is open. */
export interface Alert {
  /** Null: of the repository. */
  readonly source: string | null;
  readonly code: string;
  /** What of the source it is about, where one code can be several alerts. */
  readonly about?: string | undefined;
  readonly severity: Severity;
  /** What was found last, in one sentence. */
  readonly message: string;
  /** What to do, where the cause tells more than the code. */
  readonly next?: string | undefined;
  readonly openedAt: Date;
  /** When channels were last told of it. */
  readonly toldAt: Date;
  readonly reminders: number;
}

export interface AlertEvent {
  readonly type: "opened" | "reminder" | "closed";
  readonly alert: Alert;
  readonly at: Date;
  /** Closed because the source left the configuration, and not because it is well. */
  readonly unwatched?: boolean | undefined;
}

/** What was found at one look. A source that could not be judged at all is absent: nothing is known of it. */
export interface Look {
  readonly source: string | null;
  readonly reasons: readonly HealthReason[];
  /** Codes that this look cannot find: their alerts stay as they are. */
  readonly blindTo?: readonly HealthCode[] | undefined;
  /** The source left the configuration: its alerts close. */
  readonly unwatched?: boolean | undefined;
  /** It was never backed up, and its schedule makes the first backup. */
  readonly firstBackup?: "due" | "running" | undefined;
}

const HOUR_MS = 3_600_000;

/** After how long an open alert is repeated; the last interval repeats. */
const REMINDERS_MS: Readonly<Record<Severity, readonly number[]>> = {
  critical: [HOUR_MS, 4 * HOUR_MS, 24 * HOUR_MS],
  warning: [24 * HOUR_MS, 7 * 24 * HOUR_MS],
};

/**
 * Findings that hide others: while one of these is there, the others cannot be seen, and their absence says nothing. An alert is not
 * closed by not looking.
 */
const HIDES: Readonly<Partial<Record<HealthCode, readonly HealthCode[]>>> = {
  PROVIDER_NOT_ASKED: [
    ...(["PITR_OFF", "WINDOW_SHORT", "PROTECTION_OFF", "BACKUP_OFF", "RETENTION_LOWERED", "DRIFT", "LIMIT_NEAR", "STORAGE_NEAR"] as const),
    ...(["SNAPSHOT_OVERDUE", "ORPHANED_SCRATCH", "OBJECT_UNREADABLE", "POINT_UNSIGNED", "MARKS_ROLLED_BACK", "DATED_IN_FUTURE"] as const),
    ...(["NO_BACKUP", "BACKUP_OVERDUE", "EXPOSURE_ABOVE_RPO", "BACKUP_DAMAGED", "SIZE_SUSPICIOUS", "NEVER_VERIFIED"] as const),
  ],
  REPOSITORY_UNREACHABLE: ["KEY_MISSING", "REPOSITORY_FILLING", "AUDIT_INVALID", "AUDIT_BEHIND", "QUEUE_AWAY"],
  SOURCE_UNREACHABLE: [
    ...(["SLOT_INACTIVE", "SLOT_LOST", "CLOCK_OFF", "STORAGE_NEAR", "CONNECTIONS_NEAR", "COLLATION_CHANGED", "BASE_OUTDATED"] as const),
    "SOURCE_REPLACED",
  ],
  BACKUP_OFF: ["SNAPSHOT_OVERDUE", "DRIFT", "RETENTION_LOWERED"],
  PITR_OFF: ["WINDOW_SHORT", "RETENTION_LOWERED"],
  RETENTION_LOWERED: ["WINDOW_SHORT", "DRIFT"],
  NO_BACKUP: ["BACKUP_OVERDUE", "EXPOSURE_ABOVE_RPO", "BACKUP_DAMAGED", "SIZE_SUSPICIOUS", "NEVER_VERIFIED"],
  NO_BASE: ["LOG_BEHIND", "WINDOW_SHORT"],
  DRILL_MISSING: ["DRILL_FAILED", "DRILL_INCONCLUSIVE", "DRILL_OVERDUE"],
  AUDIT_INVALID: ["AUDIT_BEHIND"],
  MEMORY_LOST: ["POINT_MISSING", "POINT_CHANGED", "MARKS_ROLLED_BACK", "LOG_MISSING", "ERASURES_LOST"],
  MEMORY_AWAY: ["MEMORY_LOST", "POINT_MISSING", "POINT_CHANGED", "MARKS_ROLLED_BACK", "LOG_MISSING", "ERASURES_LOST"],
  EVIDENCE_UNSIGNED: ["DRILL_FAILED", "DRILL_INCONCLUSIVE"],
  MARKS_UNSIGNED: ["BACKUP_DAMAGED", "MARKS_ROLLED_BACK"],
  MARKS_ROLLED_BACK: ["BACKUP_DAMAGED"],
  POINT_UNSIGNED: ["TABLE_EMPTIED", "BACKUP_DAMAGED", "SIZE_SUSPICIOUS", "POINT_INCOMPLETE"],
  OBJECT_UNREADABLE: [
    ...(["TABLE_EMPTIED", "BACKUP_DAMAGED", "SIZE_SUSPICIOUS", "DATED_IN_FUTURE", "DRILL_FAILED", "DRILL_INCONCLUSIVE"] as const),
    ...(["POINT_MISSING", "POINT_CHANGED", "POINT_INCOMPLETE", "POINT_UNSIGNED", "MARKS_ROLLED_BACK", "MARKS_UNSIGNED"] as const),
    "ERASURES_LOST",
  ],
};

/** Equal for every event of one alert. */
export const alertIdentity = ({ source, code, about }: Pick<Alert, "source" | "code" | "about">): string =>
  [source ?? "", code, ...(about === undefined ? [] : [about])].join("/");

/** Figures change with every look; the cause of an alert does not. */
const FIGURES = /(?:\d[\d.,:]*(?: ?(?:%|[a-zA-Z]{1,2}\b))? ?)+/g;

/** Whether the same alerts are open for the same causes; figures may differ. */
export const haveSameCauses = (some: readonly Alert[], others: readonly Alert[]): boolean => causesOf(some) === causesOf(others);

const causesOf = (open: readonly Alert[]): string =>
  JSON.stringify(open.map((alert) => [alertIdentity(alert), alert.message.replace(FIGURES, "#")]).sort());

/** The alerts after a look, and what channels are told. Pure: the same look twice tells nothing the second time. */
export function advanceAlerts(
  open: readonly Alert[],
  looks: readonly Look[],
  now: Date,
): { readonly open: Alert[]; readonly events: AlertEvent[] } {
  const before = new Map(open.map((alert) => [alertIdentity(alert), alert]));
  const after: Alert[] = [];
  const events: AlertEvent[] = [];
  for (const { source, reasons } of looks) {
    for (const reason of together(reasons)) {
      const identity = alertIdentity({ source, ...reason });
      const known = before.get(identity);
      before.delete(identity);
      const alert = known === undefined ? opened(source, reason, now) : reminded(updated(known, reason), now);
      after.push(alert);
      if (alert.toldAt === now) events.push({ type: known === undefined ? "opened" : "reminder", alert, at: now });
    }
  }
  const bySource = new Map(looks.map((look) => [look.source, look]));
  for (const alert of before.values()) {
    const look = bySource.get(alert.source);
    if (look === undefined || isHidden(alert.code, look)) after.push(alert);
    else events.push({ type: "closed", alert, at: now, ...(look.unwatched === true && { unwatched: true }) });
  }
  return { open: after.sort((a, b) => (alertIdentity(a) < alertIdentity(b) ? -1 : 1)), events };
}

/** One alert per code and subject: several findings of the same are told together. */
function together(reasons: readonly HealthReason[]): HealthReason[] {
  const groups = Map.groupBy(reasons, ({ code, about }) => JSON.stringify([code, about]));
  return [...groups.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    return [others.length === 0 ? first : { ...first, message: `${first.message} (and ${others.length} more)` }];
  });
}

const opened = (source: string | null, { code, about, message, next }: HealthReason, now: Date): Alert => ({
  source,
  code,
  ...(about === undefined ? {} : { about }),
  severity: severityOf(code),
  message,
  ...(next === undefined ? {} : { next }),
  openedAt: now,
  toldAt: now,
  reminders: 0,
});

/** What was found now, in place of what was found before. */
function updated({ next: _before, ...known }: Alert, { message, next }: HealthReason): Alert {
  return { ...known, message, ...(next === undefined ? {} : { next }) };
}

function reminded(alert: Alert, now: Date): Alert {
  const intervals = REMINDERS_MS[alert.severity];
  const interval = intervals[Math.min(alert.reminders, intervals.length - 1)] ?? 0;
  return now.getTime() - alert.toldAt.getTime() < interval ? alert : { ...alert, toldAt: now, reminders: alert.reminders + 1 };
}

const isHidden = (code: string, look: Look): boolean => hiddenFrom(look).some((hidden) => hidden === code);

/** Codes of which the look says nothing by not finding them. */
export const hiddenFrom = ({ reasons, blindTo = [] }: Look): HealthCode[] => [
  ...blindTo,
  ...reasons.flatMap((reason) => HIDES[reason.code] ?? []),
];

/** One sentence for a channel. */
export function alertInWords({ type, alert, at, unwatched }: AlertEvent): string {
  const of = alert.source === null ? "the repository" : alert.source;
  const since = formatDuration(at.getTime() - alert.openedAt.getTime());
  const code = alert.about === undefined ? alert.code : `${alert.code} (${alert.about})`;
  if (unwatched === true) return `${of} left the configuration: ${code} is no longer looked for (open for ${since})`;
  if (type === "closed") return `${of}: ${code} is over after ${since}`;
  return `${of}: ${alert.message}${type === "reminder" ? ` (open for ${since})` : ""}`;
}
