// The state of the alerts: what is open, and what channels were not told yet. One signed object, so that a restart or a second machine
// repeats nothing and forgets nothing.
import * as z from "zod/mini";
import type { Alert, AlertEvent } from "../core/alerts.ts";
import { count, format, instant, list, maybe, prose, type Schema, segment, word } from "./fields.ts";
import { ALERTS_FILE } from "./layout.ts";
import type { Repository } from "./repository.ts";
import { changeSigned, getSigned } from "./signed.ts";

interface AlertRecord {
  readonly source?: string | undefined;
  readonly code: string;
  readonly severity: Alert["severity"];
  readonly message: string;
  readonly openedAt: string;
  readonly toldAt: string;
  readonly reminders: number;
}

interface PendingRecord {
  readonly type: AlertEvent["type"];
  readonly at: string;
  readonly alert: AlertRecord;
  readonly left: readonly string[];
  readonly claimedAt: string;
}

interface AlertsRecord {
  readonly format: 1;
  readonly open: readonly AlertRecord[];
  readonly pending: readonly PendingRecord[];
}

/** An event that some channels were not told of yet. */
export interface Pending {
  readonly event: AlertEvent;
  /** Names of these channels. */
  readonly left: readonly string[];
  /** When a process last began to tell them. */
  readonly claimedAt: Date;
}

export interface AlertState {
  readonly open: readonly Alert[];
  readonly pending: readonly Pending[];
}

const alert = z.looseObject({
  source: maybe(segment),
  code: word,
  severity: z.enum(["critical", "warning"]),
  message: prose,
  openedAt: instant,
  toldAt: instant,
  reminders: count,
});

const schema: Schema<AlertsRecord> = z.looseObject({
  format,
  open: list(alert),
  pending: list(
    z.looseObject({ type: z.enum(["opened", "reminder", "closed"]), at: instant, alert, left: list(word), claimedAt: instant }),
  ),
});

const NOTHING: AlertState = { open: [], pending: [] };

/** Reads the state. What no trusted key signed does not count: its alerts open again. */
export async function readAlerts(repository: Repository, signal?: AbortSignal): Promise<AlertState> {
  const found = await getSigned(repository, "alerts", ALERTS_FILE, schema, signal);
  return found?.signedBy === undefined ? NOTHING : stateOf(found.value);
}

/** Changes the state, against other machines that do the same. `change` returns undefined to leave it. KEY_MISSING, STORAGE_*. */
export async function changeAlerts(repository: Repository, change: (state: AlertState) => AlertState | undefined): Promise<void> {
  await changeSigned(repository, "alerts", ALERTS_FILE, schema, (found) => {
    const next = change(found === undefined ? NOTHING : stateOf(found));
    return next && recordOf(next);
  });
}

const stateOf = ({ open, pending }: AlertsRecord): AlertState => ({
  open: open.map(alertOf),
  pending: pending.map(({ type, at, alert: of, left, claimedAt }) => ({
    event: { type, at: new Date(at), alert: alertOf(of) },
    left,
    claimedAt: new Date(claimedAt),
  })),
});

const alertOf = ({ source, code, severity, message, openedAt, toldAt, reminders }: AlertRecord): Alert => ({
  source: source ?? null,
  code,
  severity,
  message,
  openedAt: new Date(openedAt),
  toldAt: new Date(toldAt),
  reminders,
});

const recordOf = ({ open, pending }: AlertState): AlertsRecord => ({
  format: 1,
  open: open.map(alertRecord),
  pending: pending.map(({ event: { type, at, alert: of }, left, claimedAt }) => ({
    type,
    at: at.toISOString(),
    alert: alertRecord(of),
    left,
    claimedAt: claimedAt.toISOString(),
  })),
});

const alertRecord = ({ source, code, severity, message, openedAt, toldAt, reminders }: Alert): AlertRecord => ({
  ...(source === null ? {} : { source }),
  code,
  severity,
  message,
  openedAt: openedAt.toISOString(),
  toldAt: toldAt.toISOString(),
  reminders,
});
