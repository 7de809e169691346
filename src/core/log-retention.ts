// Decides which base backups and log segments the policy's window requires, with reasons. It deletes nothing.
//
// A base backup is required until the next one of its recovery window is old enough to reach every instant of the policy's window.
// Log is required from the oldest such base on. A base that is kept for another reason keeps the log that was written while it was
// made, because it cannot be restored without it.
import { formatDuration, formatInstant } from "./duration.ts";
import type { LogSegment } from "./log.ts";
import type { LogBase, LogWindow } from "./log-window.ts";
import { compareLsn } from "./lsn.ts";
import { dateOfMicros } from "./micros.ts";
import type { KeepReason } from "./retention.ts";

/**
 * Returns until when the policy's window requires each base, by restore point. Every given base has an entry. The newest base, and the
 * base that the newest log continues, are required forever.
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
 * Does the same for dumps, which tiers keep too. The policy's window adds only the dump that it requires: of each recovery window the
 * newest dump that reaches the beginning of the policy's window, or the oldest dump while the recovery window is still growing.
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
  /** Oldest first, so that a crash in between leaves no gap in the rest. */
  readonly remove: readonly LogSegment[];
  /** One sentence each. */
  readonly reasons: readonly string[];
}

export interface LogExpiryFacts {
  readonly segments: readonly LogSegment[];
  /** Every base that exists and is kept. */
  readonly bases: readonly LogBase[];
  /** Of these, the bases whose later log is kept: required by the window, or in use by a restore. */
  readonly leading: ReadonlySet<string>;
  /** Why nothing may be deleted at present. */
  readonly blocked: readonly string[];
}

export function expireLog({ segments, bases, leading, blocked }: LogExpiryFacts): LogExpiry {
  const all = (reason: string): LogExpiry => ({ keep: segments, remove: [], reasons: [reason] });
  if (segments.length === 0) return { keep: [], remove: [], reasons: [] };
  if (bases.length === 0) return all("all log is kept: there is no backup yet to decide what is required");
  if (blocked.length > 0) return all(`all log is kept while ${blocked.join(", and ")}`);
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
      `log from ${facts.startLsn} on is kept: ${calledOf(facts)} ${id} of ${formatInstant(dateOfMicros(facts.endedAt))} requires it`,
  );
  if (remove.length > 0) reasons.push(`${remove.length} log segments expire: no kept backup requires them`);
  return { keep, remove: remove.toSorted((a, b) => compareLsn(a.startLsn, b.startLsn) || a.timeline - b.timeline), reasons };
}

const calledOf = ({ segmentBytes }: LogBase["facts"]): string => (segmentBytes === undefined ? "backup" : "base backup");

function isNeeded(segment: LogSegment, bases: readonly LogBase[], cuts: ReadonlyMap<string, LogBase>): boolean {
  const own = bases.filter(({ facts }) => facts.systemIdentifier === segment.systemIdentifier);
  // The next base backup of a cluster without one may require this log.
  if (own.length === 0) return true;
  const cut = cuts.get(segment.systemIdentifier);
  if (cut !== undefined && compareLsn(segment.nextLsn, cut.facts.startLsn) > 0) return true;
  // A base backup cannot be restored without the log written while it was made; a dump can.
  return own.some(
    ({ facts }) =>
      facts.segmentBytes !== undefined && compareLsn(segment.nextLsn, facts.startLsn) > 0 && compareLsn(segment.startLsn, facts.endLsn) < 0,
  );
}
