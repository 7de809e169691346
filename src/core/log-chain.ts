// The log archive as chains: which stored segment continues which, across timelines, and where a chain breaks.
//
// A link counts only when records were followed across the boundary from exactly the bytes that are stored now (`previous`
// with its digest), and neither segment is known to be damaged. Names alone prove nothing.
import type { LogSegment, Micros } from "./log.ts";
import { historyName, parseLsn, type TimelineHistory, timelineAt } from "./lsn.ts";
import { maxMicros } from "./micros.ts";

/** Known damage of a stored segment: its bytes are missing, or have changed. */
export interface SegmentDamage {
  readonly kind: "missing" | "damaged";
  /** The end of a sentence about the segment: `was found damaged on …`. */
  readonly says: string;
}

export interface LogPicture {
  readonly segments: readonly LogSegment[];
  /** The contents of history files, by timeline. */
  readonly histories: ReadonlyMap<number, TimelineHistory>;
  /** Keyed by `stemOf` the segment. */
  readonly damage: ReadonlyMap<string, SegmentDamage>;
}

/** A place where the log does not continue. Either side is absent where nothing of that database cluster is stored. */
export interface Break {
  readonly system: string;
  readonly timeline: number;
  readonly before?: LogSegment | undefined;
  readonly after?: LogSegment | undefined;
  /** Stored segments inside the break, which do not count. */
  readonly damaged: readonly LogSegment[];
  /** The missing history file that is required to follow the timelines here. */
  readonly history?: string | undefined;
}

export interface Chains {
  /** Every chain, from its first segment to its last. Two chains share a beginning where a timeline forked. */
  readonly paths: readonly (readonly LogSegment[])[];
  readonly breaks: readonly Break[];
  /** Returns the latest commit time from the beginning of the segment's chain up to the segment. */
  reach(segment: LogSegment): Micros | undefined;
}

/** Returns the file name stem of a segment. That of a partial one includes how far it is filled. */
export function stemOf(segment: Pick<LogSegment, "name" | "partial" | "startLsn" | "endLsn">): string {
  if (!segment.partial) return segment.name;
  const filled = parseLsn(segment.endLsn) - parseLsn(segment.startLsn);
  return `${segment.name}.partial-${filled.toString(16).padStart(8, "0")}`;
}

export function chainLog(picture: LogPicture): Chains {
  const { histories, damage } = picture;
  const best = new Map<string, LogSegment>();
  const unsound: LogSegment[] = [];
  for (const segment of picture.segments) {
    if (damage.size > 0 && damage.has(stemOf(segment))) unsound.push(segment);
    else if (isBetter(segment, best.get(segment.name))) best.set(segment.name, segment);
  }
  const order = [...best.keys()].sort().map((name) => best.get(name) as LogSegment);
  const previous = new Map<LogSegment, LogSegment>();
  const reached = new Map<LogSegment, Micros | undefined>();
  for (const segment of order) {
    const before = segment.previous && best.get(segment.previous.name);
    if (before !== undefined && runsOn(before, segment, histories)) previous.set(segment, before);
  }
  // Names sort by timeline first, and a link never leads to a later timeline, so a segment's predecessor is done before it.
  for (const segment of order) {
    const before = previous.get(segment);
    reached.set(segment, maxMicros(before && reached.get(before), segment.maxCommitAt));
  }
  return {
    paths: pathsOf(order, previous),
    breaks: breaksOf(order, previous, unsound, histories),
    reach: (segment) => reached.get(segment),
  };
}

/** Prefers a whole segment to a partial one, and of two partial ones the fuller. */
function isBetter(segment: LogSegment, known: LogSegment | undefined): boolean {
  if (known === undefined) return true;
  if (segment.partial !== known.partial) return known.partial;
  return parseLsn(segment.endLsn) > parseLsn(known.endLsn);
}

function runsOn(before: LogSegment, segment: LogSegment, histories: LogPicture["histories"]): boolean {
  if (before.partial || before.plain.sha256 !== segment.previous?.sha256) return false;
  if (before.nextLsn !== segment.startLsn || before.systemIdentifier !== segment.systemIdentifier) return false;
  if (before.timeline === segment.timeline) return true;
  const history = histories.get(segment.timeline);
  if (history === undefined || before.timeline > segment.timeline) return false;
  const start = parseLsn(segment.startLsn);
  const lineOf = (position: bigint): number => timelineAt(history, segment.timeline, position);
  return lineOf(start - 1n) === before.timeline && lineOf(parseLsn(segment.nextLsn) - 1n) === segment.timeline;
}

function pathsOf(order: readonly LogSegment[], previous: ReadonlyMap<LogSegment, LogSegment>): LogSegment[][] {
  const followed = new Set(previous.values());
  const paths: LogSegment[][] = [];
  for (const leaf of order) {
    if (followed.has(leaf)) continue;
    const path: LogSegment[] = [];
    for (let segment: LogSegment | undefined = leaf; segment !== undefined; segment = previous.get(segment)) path.push(segment);
    paths.push(path.reverse());
  }
  return paths;
}

/** The segments of one cluster on one timeline, in order. */
function lanesOf(segments: readonly LogSegment[]): Map<string, LogSegment[]> {
  const lanes = new Map<string, LogSegment[]>();
  for (const segment of segments) {
    const key = laneKey(segment);
    const lane = lanes.get(key);
    if (lane === undefined) lanes.set(key, [segment]);
    else lane.push(segment);
  }
  return lanes;
}

const laneKey = ({ systemIdentifier, timeline }: Pick<LogSegment, "systemIdentifier" | "timeline">): string =>
  `${systemIdentifier} ${timeline}`;

function breaksOf(
  order: readonly LogSegment[],
  previous: ReadonlyMap<LogSegment, LogSegment>,
  unsound: readonly LogSegment[],
  histories: LogPicture["histories"],
): Break[] {
  const breaks: Break[] = [];
  const lanes = lanesOf(order);
  const bad = lanesOf(unsound);
  for (const key of bad.keys()) if (!lanes.has(key)) lanes.set(key, []);
  for (const [key, lane] of lanes) {
    const damaged = bad.get(key) ?? [];
    const [sample] = lane.length > 0 ? lane : damaged;
    if (sample === undefined) continue;
    const { systemIdentifier: system, timeline } = sample;
    const between = (low: LogSegment | undefined, high: LogSegment | undefined): LogSegment[] =>
      damaged.filter(
        ({ name, partial }) =>
          (low === undefined || name > low.name || (low.partial && !partial && name === low.name)) &&
          (high === undefined || name < high.name),
      );
    let before: LogSegment | undefined;
    for (const segment of lane) {
      if (previous.get(segment) === undefined) {
        const parent = before ?? parentOf(segment, order, histories);
        const inside = between(before, segment);
        // The very first segment continues nothing, and nothing is missing before it.
        if (before !== undefined || parent !== undefined || inside.length > 0) {
          const history = before === undefined && parent !== undefined && !histories.has(timeline) ? historyName(timeline) : undefined;
          breaks.push({ system, timeline, before: parent, after: segment, damaged: inside, history });
        }
      }
      before = segment;
    }
    const trailing = between(before, undefined);
    if (trailing.length > 0) breaks.push({ system, timeline, before, after: undefined, damaged: trailing });
  }
  return breaks;
}

/** Returns what the first segment of a timeline should continue: the last segment before it on the ancestor timeline. */
function parentOf(first: LogSegment, order: readonly LogSegment[], histories: LogPicture["histories"]): LogSegment | undefined {
  const end = parseLsn(first.startLsn);
  const history = histories.get(first.timeline);
  let parent: LogSegment | undefined;
  for (const segment of order) {
    if (segment.systemIdentifier !== first.systemIdentifier || segment.timeline >= first.timeline) continue;
    const start = parseLsn(segment.startLsn);
    const onTheWay = history === undefined || timelineAt(history, first.timeline, start) === segment.timeline;
    if (start < end && onTheWay && (parent === undefined || start >= parseLsn(parent.startLsn))) parent = segment;
  }
  return parent;
}
