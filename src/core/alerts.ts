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
  readonly severity: Severity;
  /** What was found last, in one sentence. */
  readonly message: string;
  readonly openedAt: Date;
  /** When channels were last told of it. */
  readonly toldAt: Date;
  readonly reminders: number;
}

export interface AlertEvent {
  readonly type: "opened" | "reminder" | "closed";
  readonly alert: Alert;
  readonly at: Date;
}

/** What was found at one look. A source that could not be judged at all is absent: nothing is known of it. */
export interface Look {
  readonly source: string | null;
  readonly reasons: readonly HealthReason[];
  /** Codes that this look cannot find: their alerts stay as they are. */
  readonly blindTo?: readonly HealthCode[] | undefined;
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
    "PITR_OFF",
    "WINDOW_SHORT",
    "PROTECTION_OFF",
    "SNAPSHOT_OVERDUE",
    "ORPHANED_SCRATCH",
    "DRIFT",
    "LIMIT_NEAR",
    "NO_BACKUP",
    "BACKUP_OVERDUE",
    "EXPOSURE_ABOVE_RPO",
    "SIZE_SUSPICIOUS",
  ],
  SOURCE_UNREACHABLE: ["SLOT_INACTIVE", "SLOT_LOST", "CLOCK_OFF"],
  SOURCE_NOT_ASKED: ["SOURCE_UNREACHABLE", "SLOT_INACTIVE", "SLOT_LOST", "CLOCK_OFF"],
  OBJECT_UNREADABLE: ["BACKUP_DAMAGED", "POINT_MISSING", "POINT_CHANGED", "POINT_INCOMPLETE", "DRILL_FAILED"],
};

const identityOf = ({ source, code }: Pick<Alert, "source" | "code">): string => `${source ?? ""}/${code}`;

/** The alerts after a look, and what channels are told. Pure: the same look twice tells nothing the second time. */
export function advanceAlerts(
  open: readonly Alert[],
  looks: readonly Look[],
  now: Date,
): { readonly open: Alert[]; readonly events: AlertEvent[] } {
  const before = new Map(open.map((alert) => [identityOf(alert), alert]));
  const after: Alert[] = [];
  const events: AlertEvent[] = [];
  for (const { source, reasons } of looks) {
    for (const [code, message] of messagesByCode(reasons)) {
      const identity = identityOf({ source, code });
      const known = before.get(identity);
      before.delete(identity);
      const alert = known === undefined ? opened(source, code, message, now) : reminded({ ...known, message }, now);
      after.push(alert);
      if (alert.toldAt === now) events.push({ type: known === undefined ? "opened" : "reminder", alert, at: now });
    }
  }
  const bySource = new Map(looks.map((look) => [look.source, look]));
  for (const alert of before.values()) {
    const look = bySource.get(alert.source);
    if (look === undefined || isHidden(alert.code, look)) after.push(alert);
    else events.push({ type: "closed", alert, at: now });
  }
  return { open: after.sort((a, b) => (identityOf(a) < identityOf(b) ? -1 : 1)), events };
}

/** One alert per code: several findings of one code are told together. */
function messagesByCode(reasons: readonly HealthReason[]): Map<HealthCode, string> {
  const messages = new Map<HealthCode, string[]>();
  for (const { code, message } of reasons) messages.set(code, [...(messages.get(code) ?? []), message]);
  return new Map([...messages].map(([code, all]) => [code, all.length === 1 ? (all[0] ?? "") : `${all[0]} (and ${all.length - 1} more)`]));
}

const opened = (source: string | null, code: HealthCode, message: string, now: Date): Alert => ({
  source,
  code,
  severity: severityOf(code),
  message,
  openedAt: now,
  toldAt: now,
  reminders: 0,
});

function reminded(alert: Alert, now: Date): Alert {
  const intervals = REMINDERS_MS[alert.severity];
  const interval = intervals[Math.min(alert.reminders, intervals.length - 1)] ?? 0;
  return now.getTime() - alert.toldAt.getTime() < interval ? alert : { ...alert, toldAt: now, reminders: alert.reminders + 1 };
}

const isHidden = (code: string, { reasons, blindTo = [] }: Look): boolean =>
  [...blindTo, ...reasons.flatMap((reason) => HIDES[reason.code] ?? [])].some((hidden) => hidden === code);

/** One sentence for a channel. */
export function alertInWords({ type, alert, at }: AlertEvent): string {
  const of = alert.source === null ? "the repository" : alert.source;
  const since = formatDuration(at.getTime() - alert.openedAt.getTime());
  if (type === "closed") return `${of}: ${alert.code} is over after ${since}`;
  return `${of}: ${alert.message}${type === "reminder" ? ` (open for ${since})` : ""}`;
}
