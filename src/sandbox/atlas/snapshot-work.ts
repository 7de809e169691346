// A snapshot from the request to its end: queued, in progress, its data held at an instant, completed, expired.
import { sizeOf } from "./contents.ts";
import type { Realm } from "./realm.ts";
import { expiryOf, type PolicyItem, rankOf, retentionDays } from "./schedule-rules.ts";
import { type Cluster, regionOf, type Snapshot } from "./state.ts";

export interface SnapshotWishes {
  readonly kind: "scheduled" | "onDemand";
  /** What it serves. */
  readonly items: readonly PolicyItem[];
  readonly asked: Date;
  readonly description?: string;
  readonly retentionInDays?: number;
  /** Called when it is completed. */
  readonly whenCompleted?: (snapshot: Snapshot) => void;
}

export function takeSnapshot(realm: Realm, cluster: Cluster, wishes: SnapshotWishes): Snapshot {
  const { durations } = realm;
  const [rarest] = [...wishes.items].sort((a, b) => rankOf(b) - rankOf(a));
  const [longest] = [...wishes.items].sort((a, b) => retentionDays(b) - retentionDays(a));
  const retention: Snapshot["retention"] = longest ?? { retentionUnit: "days", retentionValue: wishes.retentionInDays ?? 7 };
  const snapshot: Snapshot = {
    id: realm.mint(),
    status: "queued",
    snapshotType: wishes.kind,
    frequencyType: wishes.kind === "onDemand" ? "ondemand" : (rarest?.frequencyType ?? "daily"),
    policyItemIds: wishes.items.map((item) => item.id),
    description: wishes.description,
    expiresAt: expiryOf(retention, wishes.asked),
    retention,
    storageSizeBytes: 0,
    encryption: cluster.settings.encryptionAtRestProvider,
    clusterName: cluster.name,
    replicaSetName: cluster.replicaSetName,
  };
  cluster.snapshots.set(snapshot.id, snapshot);
  const outcome = realm.faults.outcome("snapshot", cluster.name);
  const going = (): boolean => cluster.snapshots.get(snapshot.id) === snapshot && cluster.data !== undefined;
  realm.later(durations.snapshotQueueMs, () => {
    if (!going() || snapshot.status !== "queued") return;
    snapshot.status = "inProgress";
    snapshot.mongodVersion = cluster.settings.mongoDBVersion;
    realm.tell("CPS_SNAPSHOT_STARTED", cluster.name);
    if (outcome === "hang") return;
    realm.later(durations.snapshotFreezeMs, () => {
      if (!going()) return;
      if (outcome === "fail") return fail(realm, cluster, snapshot);
      freeze(realm, cluster, snapshot);
      realm.later(durations.snapshotUploadMs, () => {
        if (!going()) return;
        complete(realm, cluster, snapshot);
        wishes.whenCompleted?.(snapshot);
      });
    });
  });
  return snapshot;
}

/** From here on, its data stands. */
function freeze(realm: Realm, cluster: Cluster, snapshot: Snapshot): void {
  const region = regionOf(cluster);
  snapshot.cloudProvider = region.backing ?? region.cloud;
  snapshot.createdAt = realm.now();
  snapshot.data = cluster.data?.stateAt(snapshot.createdAt);
}

function complete(realm: Realm, cluster: Cluster, snapshot: Snapshot): void {
  snapshot.status = "completed";
  snapshot.storageSizeBytes = (snapshot.data === undefined ? 0 : sizeOf(snapshot.data)) + cluster.extraBytes;
  snapshot.expiresAt = expiryOf(snapshot.retention, realm.now());
  realm.tell("CPS_SNAPSHOT_SUCCESSFUL", cluster.name, { snapshotId: snapshot.id });
}

function fail(realm: Realm, cluster: Cluster, snapshot: Snapshot): void {
  snapshot.status = "failed";
  realm.tell("CPS_SNAPSHOT_FAILED", cluster.name, { snapshotId: snapshot.id });
}

/** Completed at once, as of now: for a world that begins with a past. */
export function completeNow(realm: Realm, cluster: Cluster, snapshot: Snapshot): void {
  snapshot.mongodVersion = cluster.settings.mongoDBVersion;
  freeze(realm, cluster, snapshot);
  complete(realm, cluster, snapshot);
}

/** Its time has come, or somebody deleted it. What is being restored from it goes on. */
export function removeSnapshot(realm: Realm, cluster: Cluster, snapshot: Snapshot): void {
  cluster.snapshots.delete(snapshot.id);
  if (cluster.retired && cluster.snapshots.size === 0) realm.world.retired.delete(cluster.name);
}
