// Snapshots that the schedule brings about.

import type { Emulator } from "./emulator.ts";
import { exportScheduled } from "./export-work.ts";
import type { PolicyItem } from "./schedule-rules.ts";
import { nextOf } from "./schedule-times.ts";
import { takeSnapshot } from "./snapshot-work.ts";
import type { Cluster } from "./state.ts";

export interface Scheduled {
  readonly at: Date;
  readonly items: readonly PolicyItem[];
}

export function nextScheduled(cluster: Cluster): Scheduled | undefined {
  const { schedule } = cluster;
  if (schedule === undefined || cluster.retired || cluster.stateName === "DELETING") return undefined;
  return nextOf(schedule.items, { hour: schedule.referenceHour, minute: schedule.referenceMinute }, schedule.upTo);
}

/** One snapshot serves every item that is due then. None is taken of a cluster that is paused or being restored. */
export function takeScheduled(emulator: Emulator, cluster: Cluster, { at, items }: Scheduled): void {
  if (cluster.schedule === undefined) return;
  cluster.schedule.upTo = at;
  if (cluster.settings.paused || cluster.data === undefined || cluster.restoring !== undefined) return;
  const { autoExport, exportTo } = cluster.schedule;
  const frequencies = items.map((item) => item.frequencyType);
  takeSnapshot(emulator, cluster, {
    kind: "scheduled",
    items,
    asked: at,
    whenCompleted: (snapshot) => {
      if (autoExport && exportTo !== undefined && frequencies.some((each) => each === exportTo.frequencyType))
        exportScheduled(emulator, cluster, snapshot, exportTo.exportBucketId);
    },
  });
}
