// Plans a point-in-time recovery: the base backup, the log, and where replay stops. The engine finds the exact record by walking the
// bytes of one segment, so there are two steps: `locate`, and `planFrom` once the record is known.
import { LifeboatError } from "./errors.ts";
import type { CommitMark, LogFlaw, LogSegment } from "./log.ts";
import type { LogBase, LogWindow } from "./log-window.ts";
import { compareLsn, formatLsn, maxLsn, parseLsn } from "./lsn.ts";
import { type LogTarget, targetInWords } from "./recovery-target.ts";

/** Where to look for the record at which replay stops. */
export interface Located {
  readonly window: LogWindow;
  readonly target: LogTarget;
  /**
   * The segments to walk, in order, until one holds the record (`firstCommitAfter` with `from`, or `recordAt`). Each comes with its
   * predecessor in the chain, whose facts the walker requires. Empty, or no record in any: replay runs to the proven end.
   */
  readonly candidates: readonly { readonly segment: LogSegment; readonly before: LogSegment | undefined }[];
  /** The position from which the oldest base is consistent. Earlier records do not count. */
  readonly from: string;
}

export interface RecoveryPlan {
  readonly window: LogWindow;
  readonly base: LogBase;
  /** From the segment that holds the base's start to the last one required. Empty: the base contains all of its log. */
  readonly chain: readonly LogSegment[];
  readonly timeline: number;
  /** Replay stops before the record that begins here. Absent: there is nothing after `expectedEnd`. */
  readonly stopBefore?: string | undefined;
  /** The exact position that replay must reach. */
  readonly expectedEnd: string;
}

/**
 * Finds the window that contains the target; of several, the one with the latest end. Throws RECOVERY_TARGET_OUTSIDE_WINDOW with the
 * bounds of all windows, or NO_RESTORE_POINT when there is no base.
 */
export function locate(source: string, windows: readonly LogWindow[], target: LogTarget, flaws: readonly LogFlaw[] = []): Located {
  const [first] = locateAll(source, windows, target, flaws);
  return first;
}

/**
 * Finds the target on each timeline that contains it, the one with the latest end first. After a failover that lost commits, an instant
 * exists on two timelines, with different data. `latest` is on the newest timeline alone. Throws as `locate` does.
 */
export function locateAll(
  source: string,
  given: readonly LogWindow[],
  target: LogTarget,
  flaws: readonly LogFlaw[] = [],
): readonly [Located, ...Located[]] {
  const windows = onTimeline(source, given, target);
  const [newest] = windows;
  if (newest === undefined) {
    throw new LifeboatError("NO_RESTORE_POINT", `${source} has no backup that its log could be replayed onto`, {
      hint: `run \`lifeboat backup ${source} --kind base\` first (a MongoDB source: \`--kind full\`)`,
    });
  }
  const [window, ...others] = windows.filter((one) => holds(one, target));
  if (window === undefined) throw outside(source, windows, target, flaws);
  const located = (one: LogWindow): Located => ({
    window: one,
    target,
    candidates: candidatesOf(one, target),
    from: one.bases[0]?.facts.endLsn ?? one.endLsn,
  });
  if (target.kind === "latest") return [located(newestTimeline(window, others))];
  const timelines = new Set([window.timeline]);
  const more = others.filter((one) => {
    const isOther = isFollowed(one) && one.systemIdentifier === window.systemIdentifier && !timelines.has(one.timeline);
    if (isOther) timelines.add(one.timeline);
    return isOther;
  });
  return [located(window), ...(isFollowed(window) ? more.map(located) : [])];
}

/** Log follows its bases: it reaches more than single instants. */
const isFollowed = ({ chain }: LogWindow): boolean => chain.length > 0;

/** A failover begins a timeline: the newest one is where the source continued, also when another one reached a later instant. */
const newestTimeline = (window: LogWindow, others: readonly LogWindow[]): LogWindow =>
  others.reduce((newest, one) => {
    const same = isFollowed(one) && isFollowed(window) && one.systemIdentifier === window.systemIdentifier;
    return same && one.timeline > newest.timeline ? one : newest;
  }, window);

/** The windows on the timeline that was chosen, or all. */
function onTimeline(source: string, windows: readonly LogWindow[], { timeline }: LogTarget): readonly LogWindow[] {
  if (timeline === undefined || windows.length === 0) return windows;
  const found = windows.filter((one) => one.timeline === timeline);
  if (found.length > 0) return found;
  const there = [...new Set(windows.map((one) => one.timeline))].sort((a, b) => a - b).join(", ");
  throw new LifeboatError("RECOVERY_TARGET_OUTSIDE_WINDOW", `${source} cannot be restored on timeline ${timeline}, only on ${there}`);
}

/**
 * Completes the plan for the record to stop before. Undefined: replay to the proven end. `foundIn` is the segment in which the record
 * ends. It is required too, because a server reads a whole record before it decides to stop.
 */
export function planFrom(
  { window, from }: Located,
  stop: Pick<CommitMark, "lsn" | "previousEnd"> | undefined,
  foundIn?: LogSegment,
): RecoveryPlan {
  const limit = stop?.lsn ?? window.endLsn;
  const base = window.bases.findLast(({ facts }) => compareLsn(facts.endLsn, limit) <= 0);
  if (base === undefined) throw new LifeboatError("BUG", `replay would stop at ${limit}, before the base backup is consistent at ${from}`);
  const { timeline, chain } = window;
  if (chain.length === 0) {
    const { endLsn } = base.facts;
    return { window, base, chain, timeline, stopBefore: endLsn, expectedEnd: endLsn };
  }
  const until = stop && maxLsn(stop.lsn, foundIn?.startLsn ?? stop.lsn);
  const needed = chain.filter(
    ({ startLsn, nextLsn }) => compareLsn(nextLsn, base.facts.startLsn) > 0 && (until === undefined || compareLsn(startLsn, until) <= 0),
  );
  return { window, base, chain: needed, timeline, stopBefore: stop?.lsn, expectedEnd: stop?.previousEnd ?? window.endLsn };
}

function holds(window: LogWindow, target: LogTarget): boolean {
  if (target.kind === "latest") return true;
  if (target.kind === "time") return window.earliest <= target.at && target.at <= window.latest;
  const first = window.bases[0]?.facts.endLsn ?? window.endLsn;
  return compareLsn(first, target.lsn) <= 0 && compareLsn(target.lsn, window.endLsn) <= 0;
}

function candidatesOf({ chain }: LogWindow, target: LogTarget): Located["candidates"] {
  if (target.kind === "latest") return [];
  const found: { segment: LogSegment; before: LogSegment | undefined }[] = [];
  for (const [index, segment] of chain.entries()) {
    const wanted =
      target.kind === "time"
        ? segment.maxCommitAt !== undefined && segment.maxCommitAt > target.at
        : compareLsn(segment.nextLsn, target.lsn) > 0;
    if (wanted) found.push({ segment, before: chain[index - 1] });
  }
  return found;
}

function outside(source: string, windows: readonly LogWindow[], target: LogTarget, flaws: readonly LogFlaw[]): LifeboatError {
  // A dump without log is not a window; it is named only when there is no window.
  const replayable = windows.filter(({ chain, bases }) => chain.length > 0 || bases.some(({ facts }) => facts.segmentBytes !== undefined));
  const edges = (replayable.length > 0 ? replayable : windows)
    .toSorted((a, b) => (a.earliest < b.earliest ? -1 : 1))
    .map((window) => {
      const [from, to] =
        target.kind === "time"
          ? [window.earliest, window.latest]
          : [window.bases[0]?.facts.endLsn ?? window.endLsn, window.endLsn].map((lsn) => formatLsn(parseLsn(lsn)));
      return from === to ? `to exactly ${from}` : `from ${from} to ${to}`;
    });
  const wanted = targetInWords(target);
  const inside =
    target.kind === "time" ? flaws.find(({ from, to }) => (from ?? "") <= wanted && (to === undefined || wanted <= to)) : undefined;
  const why = inside === undefined ? "" : `: ${inside.message}`;
  const [newest] = windows;
  return new LifeboatError(
    "RECOVERY_TARGET_OUTSIDE_WINDOW",
    `${source} can be restored ${[...new Set(edges)].join(", and ")}, not to ${wanted}${why}`,
    {
      details: {
        wanted,
        earliest: newest?.earliest,
        latest: newest?.latest,
        windows: windows.map(({ earliest, latest }) => ({ earliest, latest })),
      },
    },
  );
}
