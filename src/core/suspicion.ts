// A backup far smaller than the ones before it may be of an emptied, wrong or partly visible database.
import { formatBytes } from "./duration.ts";
import { byTime, type RestorePoint } from "./restore-point.ts";

/** How many earlier backups are compared, and the share of their median below which a size is suspicious. */
const LOOK_BACK = 7;
const SHARE = 0.5;

/**
 * Returns why the point is suspiciously small, in one sentence, or undefined. Small means that stored bytes AND source bytes are below
 * half of the median of up to seven earlier points of the same kind. One alone has harmless causes: better compression, or a vacuum of
 * the source. After a deliberate deletion the suspicion ends once small backups are the majority of the seven. The size of a provider's
 * snapshot says nothing about its data.
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

/** 0 for an empty list; no size is below it. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}
