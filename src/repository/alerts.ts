// The state of the alerts: what is open, and what channels were not told yet. One signed object, so that a restart or a second machine
// repeats nothing and forgets nothing.
import * as z from "zod/mini";
import type { Alert, AlertEvent } from "../core/alerts.ts";
import type { Awaited } from "../core/first-backup.ts";
import { type Observed, PROTECTIONS } from "../core/protection.ts";
import { count, format, instant, list, maybe, prose, type Schema, segment, word } from "./fields.ts";
import { ALERTS_FILE } from "./layout.ts";
import type { Repository } from "./repository.ts";
import { changeSigned, getSigned } from "./signed.ts";

interface AlertRecord {
  readonly source?: string | undefined;
  readonly code: string;
  readonly about?: string | undefined;
  readonly severity: Alert["severity"];
  readonly message: string;
  readonly next?: string | undefined;
  readonly openedAt: string;
  readonly toldAt: string;
  readonly reminders: number;
}

interface PendingRecord {
  readonly type: AlertEvent["type"];
  readonly at: string;
  readonly alert: AlertRecord;
  readonly left: readonly string[];
  readonly claimedAt?: string | undefined;
  readonly unwatched?: boolean | undefined;
}

interface TroubledRecord {
  readonly channel: string;
  readonly since: string;
  readonly message: string;
}

interface AlertsRecord {
  readonly format: 1;
  readonly open: readonly AlertRecord[];
  readonly pending: readonly PendingRecord[];
  readonly troubled?: readonly TroubledRecord[] | undefined;
  readonly observed?: readonly Observed[] | undefined;
  readonly awaited?: readonly { readonly source: string; readonly since: string }[] | undefined;
}

/** An event that some channels were not told of yet. */
export interface Pending {
  readonly event: AlertEvent;
  /** Names of these channels. */
  readonly left: readonly string[];
  /** When a process last began to tell them. Absent: none of them was tried yet. */
  readonly claimedAt?: Date | undefined;
}

/** A channel whose last delivery failed. */
export interface Troubled {
  readonly channel: string;
  readonly since: Date;
  /** What it said, in one sentence. */
  readonly message: string;
}

export interface AlertState {
  readonly open: readonly Alert[];
  readonly pending: readonly Pending[];
  readonly troubled: readonly Troubled[];
  /** What protected each source at most, at its provider. */
  readonly observed: readonly Observed[];
  /** Sources that wait for their first backup. */
  readonly awaited: readonly Awaited[];
}

const alert = z.looseObject({
  source: maybe(segment),
  code: word,
  about: maybe(prose),
  severity: z.enum(["critical", "warning"]),
  message: prose,
  next: maybe(prose),
  openedAt: instant,
  toldAt: instant,
  reminders: count,
});

const schema: Schema<AlertsRecord> = z.looseObject({
  format,
  open: list(alert),
  pending: list(
    z.looseObject({
      type: z.enum(["opened", "reminder", "closed"]),
      ...{ at: instant, alert, left: list(word), claimedAt: maybe(instant) },
      unwatched: maybe(z.boolean()),
    }),
  ),
  troubled: maybe(list(z.looseObject({ channel: word, since: instant, message: prose }))),
  observed: maybe(list(z.looseObject({ source: segment, kind: z.enum(PROTECTIONS), level: z.number() }))),
  awaited: maybe(list(z.looseObject({ source: segment, since: instant }))),
});

const NOTHING: AlertState = { open: [], pending: [], troubled: [], observed: [], awaited: [] };

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

const stateOf = ({ open, pending, troubled = [], observed = [], awaited = [] }: AlertsRecord): AlertState => ({
  observed: observed.map(({ source, kind, level }) => ({ source, kind, level })),
  troubled: troubled.map(({ channel, since, message }) => ({ channel, since: new Date(since), message })),
  awaited: awaited.map(({ source, since }) => ({ source, since: new Date(since) })),
  open: open.map(alertOf),
  pending: pending.map(({ type, at, alert: of, left, claimedAt, unwatched }) => ({
    event: { type, at: new Date(at), alert: alertOf(of), ...(unwatched === true && { unwatched }) },
    left,
    ...(claimedAt === undefined ? {} : { claimedAt: new Date(claimedAt) }),
  })),
});

const alertOf = ({ source, code, about, severity, message, next, openedAt, toldAt, reminders }: AlertRecord): Alert => ({
  source: source ?? null,
  code,
  ...(about === undefined ? {} : { about }),
  severity,
  message,
  ...(next === undefined ? {} : { next }),
  openedAt: new Date(openedAt),
  toldAt: new Date(toldAt),
  reminders,
});

const recordOf = ({ open, pending, troubled, observed, awaited }: AlertState): AlertsRecord => ({
  format: 1,
  observed: observed.map(({ source, kind, level }) => ({ source, kind, level })),
  troubled: troubled.map(({ channel, since, message }) => ({ channel, since: since.toISOString(), message })),
  ...(awaited.length > 0 && { awaited: awaited.map(({ source, since }) => ({ source, since: since.toISOString() })) }),
  open: open.map(alertRecord),
  pending: pending.map(({ event: { type, at, alert: of, unwatched }, left, claimedAt }) => ({
    type,
    ...(unwatched === true && { unwatched }),
    at: at.toISOString(),
    alert: alertRecord(of),
    left,
    ...(claimedAt === undefined ? {} : { claimedAt: claimedAt.toISOString() }),
  })),
});

const alertRecord = ({ source, code, about, severity, message, next, openedAt, toldAt, reminders }: Alert): AlertRecord => ({
  ...(source === null ? {} : { source }),
  code,
  ...(about === undefined ? {} : { about }),
  severity,
  message,
  ...(next === undefined ? {} : { next }),
  openedAt: openedAt.toISOString(),
  toldAt: toldAt.toISOString(),
  reminders,
});
