// A backup far smaller than the ones before it may be of an emptied, wrong or half-visible database.
import { formatBytes } from "./duration.ts";
import { byTime, type RestorePoint } from "./restore-point.ts";

/** How many earlier backups are looked at, and below which share of their median a size is suspicious. */
const LOOK_BACK = 7;
const SHARE = 0.5;

/**
 * Why the point is suspiciously small, in one sentence, or undefined. Small means: stored bytes AND source bytes are
 * both below half the median of the up to seven points of the same kind before it. One alone has harmless reasons:
 * better compression, or a vacuum at the source. Where data was removed on purpose the suspicion ends by itself, once
 * small backups are the majority of the seven. A snapshot's size is what its provider accounts for, a branch's nothing: it
 * says nothing of the data.
 */
export function suspicionOf(point: RestorePoint, points: readonly RestorePoint[]): string | undefined {
  if (point.kind === "snapshot") return undefined;
  const before = points.filter((other) => other.kind === point.kind && byTime(other, point) < 0);
  const recent = before.sort(byTime).slice(-LOOK_BACK);
  const storedBytes = median(recent.map((other) => other.sizeBytes));
  const sourceBytes = median(recent.map((other) => other.sourceBytes));
  if (!(point.sizeBytes < SHARE * storedBytes && point.sourceBytes < SHARE * sourceBytes)) return undefined;
  return (
    `backup ${point.id} is suspiciously small: ${formatBytes(point.sizeBytes)} stored of a ${formatBytes(point.sourceBytes)} source, ` +
    `where ${formatBytes(storedBytes)} of ${formatBytes(sourceBytes)} were usual`
  );
}

/** 0 for nothing, below which no size can be. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}
