// Which base backups and which log the policy's window needs. Pure, and with its reasons; nothing here removes anything.
//
// A base is needed until the next one of its window is old enough to be the way to every instant of the window. Log is
// needed from the oldest such base on; a base that stays for another reason keeps the log of its own making, which is what
// it takes to bring it back.
import { formatDuration, formatInstant } from "./duration.ts";
import type { LogSegment } from "./log.ts";
import type { LogBase, LogWindow } from "./log-window.ts";
import { compareLsn } from "./lsn.ts";
import { dateOfMicros } from "./micros.ts";
import type { KeepReason } from "./retention.ts";

/**
 * Until when the window needs each base, by restore point. Every base that is given has an entry; the newest one, and the
 * one that the newest log hangs on, are needed for ever.
 */
export function windowKeepReasons(windows: readonly LogWindow[], bases: readonly LogBase[], windowMs: number): Map<string, KeepReason> {
  const says = `the window of ${formatDuration(windowMs)}`;
  const untilMs = new Map<string, number>();
  const need = (base: LogBase, ms: number): void => void untilMs.set(base.id, Math.max(ms, untilMs.get(base.id) ?? 0));
  const newest = bases.toSorted((a, b) => (a.facts.endedAt < b.facts.endedAt ? -1 : 1)).at(-1);
  const current = windows.find(({ chain }) => chain.length > 0);
  for (const base of bases) need(base, after(base.facts.endedAt, windowMs));
  for (const window of windows) {
    for (const [index, base] of window.bases.entries()) {
      const next = window.bases[index + 1];
      if (next !== undefined) need(base, Math.min(after(next.facts.endedAt, windowMs), after(window.latest, windowMs)));
      else need(base, window === current ? Number.POSITIVE_INFINITY : after(window.latest, windowMs));
    }
  }
  if (newest !== undefined) need(newest, Number.POSITIVE_INFINITY);
  return new Map(
    [...untilMs].map(([id, ms]) => [id, { until: ms === Number.POSITIVE_INFINITY ? ("forever" as const) : new Date(ms), says }]),
  );
}

/**
 * The same for dumps, which tiers keep for reasons of their own: the window adds only what it cannot do without, the newest dump of
 * each window that is the way to the window's beginning, or the oldest while the window is still growing.
 */
export function dumpKeepReasons(windows: readonly LogWindow[], windowMs: number, now: Date): Map<string, KeepReason> {
  const says = `the window of ${formatDuration(windowMs)}`;
  const keepReasons = new Map<string, KeepReason>();
  const chained = windows.filter(({ chain }) => chain.length > 0);
  for (const window of chained) {
    const { bases, latest } = window;
    const way = Math.max(
      0,
      bases.findLastIndex(({ facts }) => after(facts.endedAt, windowMs) <= now.getTime()),
    );
    const [base, next] = [bases[way], bases[way + 1]];
    if (base === undefined) continue;
    const ends = window === chained[0] ? Number.POSITIVE_INFINITY : after(latest, windowMs);
    const ms = next === undefined ? ends : Math.min(ends, after(next.facts.endedAt, windowMs));
    keepReasons.set(base.id, { until: ms === Number.POSITIVE_INFINITY ? "forever" : new Date(ms), says });
  }
  return keepReasons;
}

const after = (at: string, ms: number): number => dateOfMicros(at).getTime() + ms;

export interface LogExpiry {
  readonly keep: readonly LogSegment[];
  /** Oldest first, so that a crash in between leaves no gap in what stays. */
  readonly remove: readonly LogSegment[];
  /** One sentence each. */
  readonly reasons: readonly string[];
}

export interface LogExpiryFacts {
  readonly segments: readonly LogSegment[];
  /** Every base that is there and stays. */
  readonly bases: readonly LogBase[];
  /** Of these, the ones that all later log belongs to: needed by the window, or in use by a restore. */
  readonly leading: ReadonlySet<string>;
  /** Why nothing at all may be removed at present. */
  readonly blocked: readonly string[];
}

export function expireLog({ segments, bases, leading, blocked }: LogExpiryFacts): LogExpiry {
  const all = (reason: string): LogExpiry => ({ keep: segments, remove: [], reasons: [reason] });
  if (segments.length === 0) return { keep: [], remove: [], reasons: [] };
  if (bases.length === 0) return all("all log stays: there is no backup yet that could tell what is needed");
  if (blocked.length > 0) return all(`all log stays while ${blocked.join(", and ")}`);
  const cuts = new Map<string, LogBase>();
  for (const base of bases) {
    const { systemIdentifier: system, startLsn } = base.facts;
    const known = cuts.get(system);
    if (leading.has(base.id) && (known === undefined || compareLsn(startLsn, known.facts.startLsn) < 0)) cuts.set(system, base);
  }
  const keep: LogSegment[] = [];
  const remove: LogSegment[] = [];
  for (const segment of segments) (isNeeded(segment, bases, cuts) ? keep : remove).push(segment);
  const reasons = [...cuts.values()].map(
    ({ id, facts }) =>
      `log from ${facts.startLsn} on stays: ${calledOf(facts)} ${id} of ${formatInstant(dateOfMicros(facts.endedAt))} needs it`,
  );
  if (remove.length > 0) reasons.push(`${remove.length} log segments go: no backup that stays needs them`);
  return { keep, remove: remove.toSorted((a, b) => compareLsn(a.startLsn, b.startLsn) || a.timeline - b.timeline), reasons };
}

const calledOf = ({ segmentBytes }: LogBase["facts"]): string => (segmentBytes === undefined ? "backup" : "base backup");

function isNeeded(segment: LogSegment, bases: readonly LogBase[], cuts: ReadonlyMap<string, LogBase>): boolean {
  const own = bases.filter(({ facts }) => facts.systemIdentifier === segment.systemIdentifier);
  // Log of a cluster that has no base yet may be what the next one needs.
  if (own.length === 0) return true;
  const cut = cuts.get(segment.systemIdentifier);
  if (cut !== undefined && compareLsn(segment.nextLsn, cut.facts.startLsn) > 0) return true;
  // Log of its own making is what a base backup cannot be brought back without; a dump has what it takes in itself.
  return own.some(
    ({ facts }) =>
      facts.segmentBytes !== undefined && compareLsn(segment.nextLsn, facts.startLsn) > 0 && compareLsn(segment.startLsn, facts.endLsn) < 0,
  );
}
