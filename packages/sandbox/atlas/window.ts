// Which points in time can be reached. Pure.
//
// A point needs a range of the oplog without a gap, from a completed snapshot before it to the point itself.
import { missing, refused } from "./errors.ts";
import type { Cluster, LogRange, Snapshot } from "./state.ts";
import type { TargetPoint } from "./target-point.ts";

const DAY_MS = 86_400_000;

const contains = (range: LogRange, at: Date): boolean => floor(range.from) <= at && (range.to === undefined || at <= range.to);

/** The snapshot that a restore to an instant begins from: the newest before it in the same range of the oplog. */
export function baseFor(cluster: Pick<Cluster, "log" | "snapshots">, at: Date): Snapshot | undefined {
  const range = cluster.log.find((each) => contains(each, at));
  if (range === undefined) return undefined;
  return [...cluster.snapshots.values()]
    .filter((each) => each.status === "completed" && each.createdAt !== undefined && each.createdAt >= floor(range.from))
    .filter((each) => (each.createdAt as Date) <= endOfSecond(at))
    .sort((a, b) => (b.createdAt as Date).getTime() - (a.createdAt as Date).getTime())[0];
}

const floor = (at: Date): Date => new Date(Math.floor(at.getTime() / 1000) * 1000);
const endOfSecond = (at: Date): Date => new Date(floor(at).getTime() + 999);

/** 4xx where the point cannot be reached. `latest`: how far the stored log goes. */
export function requireReachable(cluster: Cluster, wanted: TargetPoint, now: Date, latest: Date): void {
  const { end } = wanted;
  const windowDays = cluster.schedule?.restoreWindowDays ?? 0;
  if (!cluster.settings.pitEnabled || cluster.log.length === 0)
    throw refused("INVALID_PIT_RESTORE_TIME", `Continuous backup is not enabled for cluster ${cluster.name}.`, cluster.name);
  if (end > latest) throw refused("INVALID_PIT_RESTORE_TIME", `The time is later than what is stored, ${latest.toISOString()}.`, end);
  if (end.getTime() < now.getTime() - windowDays * DAY_MS)
    throw refused("INVALID_PIT_RESTORE_TIME", `The time is before the restore window of ${windowDays} days.`, end);
  if (baseFor(cluster, end) === undefined) {
    throw missing(
      "UNABLE_T0_FIND_SNAPSHOT_PRIOR_TO_PIT_RESTORE_OPTIME",
      `There is no snapshot of ${cluster.name} before the time from which the oplog is complete.`,
      end,
    );
  }
}

/** A restore begins to replace the data: what follows is not the same log. */
export function endLog(cluster: Cluster, at: Date): void {
  const last = cluster.log.at(-1);
  if (last !== undefined) last.to ??= at;
}

/** The restore is over. No point of the new range can be reached before it holds a snapshot. */
export function beginLog(cluster: Cluster, at: Date): void {
  if (cluster.settings.pitEnabled) cluster.log.push({ from: at });
}
