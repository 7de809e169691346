// A snapshot from the request to its end: queued, in progress, its data held at an instant, completed, expired.
import { sizeOf } from "./contents.ts";
import type { Emulator } from "./emulator.ts";
import { expiryOf, type PolicyItem, rankOf, retentionDays } from "./schedule-rules.ts";
import { type Cluster, regionOf, type Snapshot } from "./state.ts";

export interface SnapshotRequest {
  readonly kind: "scheduled" | "onDemand";
  /** What it serves. */
  readonly items: readonly PolicyItem[];
  readonly asked: Date;
  readonly description?: string;
  readonly retentionInDays?: number;
  /** Called when it is completed. */
  readonly whenCompleted?: (snapshot: Snapshot) => void;
}

export function takeSnapshot(emulator: Emulator, cluster: Cluster, requested: SnapshotRequest): Snapshot {
  const { durations } = emulator;
  const [rarest] = [...requested.items].sort((a, b) => rankOf(b) - rankOf(a));
  const [longest] = [...requested.items].sort((a, b) => retentionDays(b) - retentionDays(a));
  const retention: Snapshot["retention"] = longest ?? { retentionUnit: "days", retentionValue: requested.retentionInDays ?? 7 };
  const snapshot: Snapshot = {
    id: emulator.mint(),
    status: "queued",
    snapshotType: requested.kind,
    frequencyType: requested.kind === "onDemand" ? "ondemand" : (rarest?.frequencyType ?? "daily"),
    policyItemIds: requested.items.map((item) => item.id),
    description: requested.description,
    expiresAt: expiryOf(retention, requested.asked),
    retention,
    storageSizeBytes: 0,
    encryption: cluster.settings.encryptionAtRestProvider,
    clusterName: cluster.name,
    replicaSetName: cluster.replicaSetName,
  };
  cluster.snapshots.set(snapshot.id, snapshot);
  const outcome = emulator.faults.outcome("snapshot", cluster.name);
  const going = (): boolean => cluster.snapshots.get(snapshot.id) === snapshot && cluster.data !== undefined;
  emulator.later(durations.snapshotQueueMs, () => {
    if (!going() || snapshot.status !== "queued") return;
    snapshot.status = "inProgress";
    snapshot.mongodVersion = cluster.settings.mongoDBVersion;
    emulator.tell("CPS_SNAPSHOT_STARTED", cluster.name);
    if (outcome === "hang") return;
    emulator.later(durations.snapshotFreezeMs, () => {
      if (!going()) return;
      if (outcome === "fail") return fail(emulator, cluster, snapshot);
      freeze(emulator, cluster, snapshot);
      emulator.later(durations.snapshotUploadMs, () => {
        if (!going()) return;
        complete(emulator, cluster, snapshot);
        requested.whenCompleted?.(snapshot);
      });
    });
  });
  return snapshot;
}

/** From here on, its data is fixed. */
function freeze(emulator: Emulator, cluster: Cluster, snapshot: Snapshot): void {
  const region = regionOf(cluster);
  snapshot.cloudProvider = region.backing ?? region.cloud;
  snapshot.createdAt = emulator.now();
  snapshot.data = cluster.data?.stateAt(snapshot.createdAt);
}

function complete(emulator: Emulator, cluster: Cluster, snapshot: Snapshot): void {
  snapshot.status = "completed";
  snapshot.storageSizeBytes = (snapshot.data === undefined ? 0 : sizeOf(snapshot.data)) + cluster.extraBytes;
  snapshot.expiresAt = expiryOf(snapshot.retention, emulator.now());
  emulator.tell("CPS_SNAPSHOT_SUCCESSFUL", cluster.name, { snapshotId: snapshot.id });
}

function fail(emulator: Emulator, cluster: Cluster, snapshot: Snapshot): void {
  snapshot.status = "failed";
  emulator.tell("CPS_SNAPSHOT_FAILED", cluster.name, { snapshotId: snapshot.id });
}

/** Completes it at once, as of now: for clusters that begin with a snapshot. */
export function completeNow(emulator: Emulator, cluster: Cluster, snapshot: Snapshot): void {
  snapshot.mongodVersion = cluster.settings.mongoDBVersion;
  freeze(emulator, cluster, snapshot);
  complete(emulator, cluster, snapshot);
}

/** It expired or was deleted. A restore from it that is running continues. */
export function removeSnapshot(emulator: Emulator, cluster: Cluster, snapshot: Snapshot): void {
  cluster.snapshots.delete(snapshot.id);
  if (cluster.retired && cluster.snapshots.size === 0) emulator.store.retired.delete(cluster.name);
}
