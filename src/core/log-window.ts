// Computes the recovery windows: which instants can be reached from the bases (base backups of a cluster, dumps of a database) and the
// log that provably continues them, and why other instants cannot. Used by `status`, restores and retention.

import type { LogFlaw, LogSegment, LogSpan, Micros, RecoveryWindow } from "./log.ts";
import { type Break, type Chains, chainLog, type LogPicture, stemOf } from "./log-chain.ts";
import { compareLsn, parseLsn, segmentNameAt, type TimelineHistory, timelineAt } from "./lsn.ts";
import { maxMicros } from "./micros.ts";

/** A backup that log can be replayed onto and that is not known to be damaged. */
export interface LogBase {
  /** The id of the restore point. */
  readonly id: string;
  /** `segmentBytes` is present for a log whose segments all have one size. */
  readonly facts: LogSpan & { readonly segmentBytes?: number | undefined };
}

/** A recovery window without a gap, and the backups and segments that it consists of. */
export interface LogWindow extends RecoveryWindow {
  /** Usable bases, oldest first; at least one. */
  readonly bases: readonly LogBase[];
  /** From the segment that holds the first base's start, each linked to the one before; only the last may be partial.
   *  Empty for a base without archived log, which reaches exactly one instant: its own end. */
  readonly chain: readonly LogSegment[];
  /** The timeline at its end. */
  readonly timeline: number;
  /** The position up to which the log is proven. */
  readonly endLsn: string;
  readonly systemIdentifier: string;
}

export interface LogView {
  /** The window with the latest end first. */
  readonly windows: readonly LogWindow[];
  /** The window with the latest end that has log. A base without log counts only when there is no other. Undefined without a base. */
  readonly window: RecoveryWindow | undefined;
  /** In order of time. */
  readonly flaws: readonly LogFlaw[];
}

export function viewLog(bases: readonly LogBase[], picture: LogPicture): LogView {
  const sorted = bases.toSorted((a, b) => compareText(a.facts.endedAt, b.facts.endedAt) || compareText(a.id, b.id));
  const chains = chainLog(picture);
  const windows: LogWindow[] = [];
  const used = new Set<LogBase>();
  for (const path of chains.paths) {
    const window = windowOf(path, sorted, picture.histories);
    if (window === undefined) continue;
    windows.push(window);
    for (const base of window.bases) used.add(base);
  }
  const alone = sorted.filter((base) => !used.has(base));
  for (const base of alone) windows.push(standingAlone(base));
  windows.sort((a, b) => compareText(b.latest, a.latest) || b.timeline - a.timeline || compareLsn(b.endLsn, a.endLsn));
  // A base that the archive has not caught up with yet is later, but reaches only one instant, which is not a window.
  const newest = windows.find(({ chain }) => chain.length > 0) ?? windows[0];
  return {
    windows,
    window: newest && { earliest: newest.earliest, latest: newest.latest },
    flaws: flawsOf(chains, sorted, alone, picture),
  };
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const standingAlone = (base: LogBase): LogWindow => {
  const { endedAt, timeline, endLsn, systemIdentifier } = base.facts;
  return { bases: [base], chain: [], timeline, endLsn, systemIdentifier, earliest: endedAt, latest: endedAt };
};

function windowOf(path: readonly LogSegment[], bases: readonly LogBase[], histories: LogPicture["histories"]): LogWindow | undefined {
  const [first] = path;
  const last = path.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const usable = bases.filter(({ facts }) => covers(first, last, facts, histories.get(last.timeline) ?? []));
  const [oldest] = usable;
  if (oldest === undefined) return undefined;
  const lowest = usable.map(({ facts }) => facts.startLsn).reduce((a, b) => (compareLsn(a, b) <= 0 ? a : b));
  const chain = path.slice(indexHolding(path, lowest));
  let latest = usable.at(-1)?.facts.endedAt ?? oldest.facts.endedAt;
  for (const { maxCommitAt } of chain) if (maxCommitAt !== undefined && maxCommitAt > latest) latest = maxCommitAt;
  const { timeline, endLsn, systemIdentifier } = last;
  return { bases: usable, chain, timeline, endLsn, systemIdentifier, earliest: oldest.facts.endedAt, latest };
}

/** Returns the index of the segment that holds the position. The end of the chain belongs to the last segment. */
function indexHolding(path: readonly LogSegment[], position: string): number {
  const wanted = parseLsn(position);
  let [low, high] = [0, path.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const segment = path[middle];
    if (segment !== undefined && parseLsn(segment.startLsn) <= wanted) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Tells whether the chain holds all log of the base, on the timeline of the base. */
function covers(first: LogSegment, last: LogSegment, base: LogSpan, history: TimelineHistory): boolean {
  if (first.systemIdentifier !== base.systemIdentifier) return false;
  const [start, end] = [parseLsn(base.startLsn), parseLsn(base.endLsn)];
  if (start < parseLsn(first.startLsn) || end > parseLsn(last.endLsn)) return false;
  return timelineAt(history, last.timeline, start) === base.timeline && timelineAt(history, last.timeline, end - 1n) === base.timeline;
}

function flawsOf(chains: Chains, bases: readonly LogBase[], alone: readonly LogBase[], picture: LogPicture): LogFlaw[] {
  const flaws: LogFlaw[] = [];
  for (const gap of chains.breaks) flaws.push(...flawsOfBreak(gap, chains, bases, picture));
  for (const base of alone) {
    const flaw = flawOfBase(base, chains, bases);
    if (flaw !== undefined) flaws.push(flaw);
  }
  const systems = new Set(bases.map(({ facts }) => facts.systemIdentifier));
  for (const path of chains.paths) {
    const [first] = path;
    if (first === undefined || systems.has(first.systemIdentifier) || bases.length === 0) continue;
    systems.add(first.systemIdentifier);
    const from = path.find(({ firstCommit }) => firstCommit !== undefined)?.firstCommit?.at;
    flaws.push({
      kind: "other-system",
      segment: first.name,
      from,
      message: `the log from ${first.name} on belongs to another server (system ${first.systemIdentifier}) than every backup`,
    });
  }
  return flaws.sort((a, b) => compareText(a.from ?? "", b.from ?? "") || compareText(a.segment, b.segment));
}

/** Returns the first instant after a position that can be reached again. */
function reachableAgain(bases: readonly LogBase[], system: string, position: string): Micros | undefined {
  const after = bases.filter(({ facts }) => facts.systemIdentifier === system && compareLsn(facts.startLsn, position) >= 0);
  return after[0]?.facts.endedAt;
}

function flawsOfBreak(gap: Break, chains: Chains, bases: readonly LogBase[], { damage, histories }: LogPicture): LogFlaw[] {
  const { before, after, damaged, history, system } = gap;
  const lastDamaged = damaged.at(-1);
  const from = before && maxMicros(chains.reach(before), newestBaseUpTo(bases, system, before.endLsn));
  const to = reachableAgain(bases, system, after?.startLsn ?? lastDamaged?.nextLsn ?? before?.endLsn ?? "0/0");
  const flaws: LogFlaw[] = [];
  const add = (kind: LogFlaw["kind"], segment: string, says: string): void => {
    flaws.push({ kind, segment, from, to, message: `${says}${affected(from, to)}` });
  };
  for (const segment of damaged) {
    const found = damage.get(stemOf(segment));
    if (found !== undefined) add(found.kind, segment.name, `log segment ${segment.name} ${found.says}`);
  }
  if (history !== undefined) add("missing", history, `the history of timeline ${gap.timeline} (${history}) is missing`);
  if (after === undefined) return flaws;
  if (after.free) {
    const lost = before && lostPositions([before, ...damaged, after]);
    if (lost !== undefined) add("missing", `${lost.from} to ${lost.to}`, `the log from position ${lost.from} to ${lost.to} is missing`);
    else if (flaws.length === 0) add("unlinked", after.name, notRunningOn(before, after));
    return flaws;
  }
  const lost = lostBetween(before, after, damaged, histories.get(after.timeline) ?? []);
  const [firstLost, lastLost] = [lost?.first, lost?.last];
  if (lost !== undefined && firstLost !== undefined && lastLost !== undefined) {
    const filled =
      before?.partial && lost.first === before.name ? ` (of ${before.name} only the part before ${before.endLsn} is stored)` : "";
    if (lost.count === 1) add("missing", firstLost, `log segment ${firstLost} is missing${filled}`);
    else add("missing", `${firstLost} to ${lastLost}`, `${lost.count} log segments, ${firstLost} to ${lastLost}, are missing${filled}`);
  } else if (flaws.length === 0) {
    add("unlinked", after.name, notRunningOn(before, after));
  }
  return flaws;
}

const notRunningOn = (before: LogSegment | undefined, after: LogSegment): string =>
  `log segment ${after.name} does not continue ${before?.name ?? "the one before it"}`;

/** Returns the range that is not stored between segments of any length. Undefined: they are adjacent. */
function lostPositions(segments: readonly LogSegment[]): { readonly from: string; readonly to: string } | undefined {
  const gaps: { from: string; to: string }[] = [];
  for (const [index, { nextLsn }] of segments.entries()) {
    const next = segments[index + 1];
    if (next !== undefined && compareLsn(nextLsn, next.startLsn) < 0) gaps.push({ from: nextLsn, to: next.startLsn });
  }
  const [first, last] = [gaps[0], gaps.at(-1)];
  return first && last && { from: first.from, to: last.to };
}

function newestBaseUpTo(bases: readonly LogBase[], system: string, end: string): Micros | undefined {
  const before = bases.filter(({ facts }) => facts.systemIdentifier === system && compareLsn(facts.endLsn, end) <= 0);
  return before.at(-1)?.facts.endedAt;
}

/** Returns the segments that are not stored between two stored ones. Undefined: the two are adjacent, or only damaged ones are between. */
function lostBetween(
  before: LogSegment | undefined,
  after: LogSegment,
  damaged: readonly LogSegment[],
  history: TimelineHistory,
): { readonly first: string; readonly last: string; readonly count: number } | undefined {
  if (before === undefined) return undefined;
  const start = parseLsn(after.startLsn);
  const segmentBytes = parseLsn(after.nextLsn) - start;
  const known = new Set(damaged.map(({ startLsn }) => parseLsn(startLsn)));
  const names: bigint[] = [];
  for (let at = parseLsn(before.partial ? before.startLsn : before.nextLsn); at < start; at += segmentBytes) {
    if (!known.has(at)) names.push(at);
  }
  const [first, last] = [names[0], names.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const lineOf = (at: bigint): number => timelineAt(history, after.timeline, at + segmentBytes - 1n);
  const nameOf = (at: bigint): string => segmentNameAt(lineOf(at), at, Number(segmentBytes));
  return { first: nameOf(first), last: nameOf(last), count: names.length };
}

/** Returns the flaw of a base whose own log is incomplete in the archive although later log is there. */
function flawOfBase(base: LogBase, chains: Chains, bases: readonly LogBase[]): LogFlaw | undefined {
  const { systemIdentifier: system, timeline, startLsn, endLsn, endedAt, segmentBytes } = base.facts;
  const later = new Set<LogSegment>();
  for (const segment of chains.paths.flat()) {
    if (segment.systemIdentifier === system && segment.timeline >= timeline && compareLsn(segment.nextLsn, startLsn) > 0)
      later.add(segment);
  }
  if (later.size === 0) return undefined; // the archive has not caught up yet
  // A dump is complete without log, so one that was made before log was archived has no flaw.
  if (segmentBytes === undefined && !chains.paths.flat().some((segment) => isOfBefore(segment, base))) return undefined;
  const catchingUp = chains.paths.some((path) => {
    const own = path.filter((segment) => later.has(segment)).length;
    return own === later.size && path[0] !== undefined && compareLsn(path[0].startLsn, startLsn) <= 0;
  });
  if (catchingUp) return undefined; // not caught up either: the archive ends within the base's own log
  const named = chains.breaks.some(
    ({ before, after }) =>
      before?.systemIdentifier === system &&
      compareLsn(before.endLsn, endLsn) <= 0 &&
      (after === undefined || compareLsn(after.startLsn, startLsn) >= 0),
  );
  if (named) return undefined;
  const to = reachableAgain(bases, system, endLsn);
  if (segmentBytes === undefined) {
    const from = `the log from position ${startLsn} on, which backup ${base.id} requires`;
    const message = `${from}, is incomplete: the backup reaches one instant${affected(endedAt, to)}`;
    return { kind: "missing", segment: startLsn, from: endedAt, to, message };
  }
  const first = segmentNameAt(timeline, parseLsn(startLsn), segmentBytes);
  const last = segmentNameAt(timeline, parseLsn(endLsn) - 1n, segmentBytes);
  const which = first === last ? `log segment ${first}` : `the log from ${first} to ${last}`;
  return {
    kind: "missing",
    segment: first === last ? first : `${first} to ${last}`,
    from: endedAt,
    to,
    message: `${which}, which base backup ${base.id} requires, is incomplete: the backup reaches one instant${affected(endedAt, to)}`,
  };
}

const isOfBefore = (segment: LogSegment, { facts }: LogBase): boolean =>
  segment.systemIdentifier === facts.systemIdentifier && compareLsn(segment.startLsn, facts.startLsn) <= 0;

const affected = (from: Micros | undefined, to: Micros | undefined): string => {
  if (from === undefined && to === undefined) return "";
  if (to === undefined) return `: nothing after ${from} can be reached`;
  return from === undefined ? `: nothing before ${to} can be reached through it` : `: nothing between ${from} and ${to} can be reached`;
};
