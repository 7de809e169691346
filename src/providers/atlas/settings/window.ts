// The recovery window: which seconds Atlas can bring back. Its API tells no edge, so they follow from what it does tell.
//
// Sources: Atlas's documentation of continuous backup (2026-11): any second within restoreWindowDays, from the first snapshot on;
// restoring over a cluster leaves a gap until its next snapshot has completed; turning continuous backup off ends the history.
import type { AtlasCluster, AtlasRestoreJob, AtlasSchedule, AtlasSnapshot } from "../api/types.ts";

export interface Gap {
  readonly from: Date;
  /** Undefined: until the next snapshot completes. */
  readonly to?: Date | undefined;
}

export interface Window {
  readonly earliest: Date;
  readonly latest: Date;
  /** Instants within, or after, that cannot be reached. */
  readonly gaps: readonly Gap[];
}

export interface WindowFacts {
  /** The project: another one may have a cluster of the same name. */
  readonly groupId: string;
  readonly cluster: AtlasCluster;
  readonly schedule: AtlasSchedule | undefined;
  readonly snapshots: readonly AtlasSnapshot[];
  readonly restores: readonly AtlasRestoreJob[];
}

const DAY_MS = 86_400_000;
const SECOND_MS = 1000;

/** Undefined: no past second can be reached. Both edges are whole seconds. */
export function windowOf({ groupId, cluster, schedule, snapshots, restores }: WindowFacts, now: Date, lagMs: number): Window | undefined {
  const { pitEnabled, kind, paused } = cluster;
  if (kind !== "dedicated" || !pitEnabled || paused || schedule === undefined || schedule.windowDays <= 0) return undefined;
  const taken = completed(snapshots).map(({ createdAt }) => createdAt.getTime());
  if (taken.length === 0) return undefined;
  const reachMs = now.getTime() - schedule.windowDays * DAY_MS;
  const earliestMs = Math.ceil(Math.max(reachMs, Math.min(...taken)) / SECOND_MS) * SECOND_MS;
  const here = restores.filter(({ target, targetGroupId = groupId }) => target === cluster.name && targetGroupId === groupId);
  const gaps = gapsOf(here, taken);
  const open = gaps.find(({ to }) => to === undefined);
  const edgeMs = Math.min(now.getTime() - lagMs, open?.from.getTime() ?? Number.POSITIVE_INFINITY);
  const latestMs = Math.floor(edgeMs / SECOND_MS) * SECOND_MS;
  if (latestMs < earliestMs) return undefined;
  return { earliest: new Date(earliestMs), latest: new Date(latestMs), gaps };
}

export const completed = (snapshots: readonly AtlasSnapshot[]): (AtlasSnapshot & { readonly createdAt: Date })[] =>
  snapshots.filter((one): one is AtlasSnapshot & { readonly createdAt: Date } => one.status === "completed" && one.createdAt !== undefined);

/** After each restore over the cluster itself, until the next snapshot. */
function gapsOf(restores: readonly AtlasRestoreJob[], taken: readonly number[]): Gap[] {
  return restores
    .filter(({ failed, cancelled }) => !failed && !cancelled)
    .map(({ requestedAt, finishedAt }) => {
      const endMs = finishedAt?.getTime() ?? Number.POSITIVE_INFINITY;
      const next = Math.min(...taken.filter((ms) => ms > endMs));
      return { from: requestedAt, to: Number.isFinite(next) ? new Date(next) : undefined };
    });
}

/** The gap that contains an instant. */
export const gapAt = ({ gaps }: Window, at: Date): Gap | undefined =>
  gaps.find(({ from, to }) => at > from && (to === undefined || at < to));
