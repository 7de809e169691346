// What becomes of clusters with time: made, changed, paused, ended.
import type { Realm } from "./realm.ts";
import { DEFAULT_WINDOW_DAYS, defaultItems } from "./schedule-rules.ts";
import { takeSnapshot } from "./snapshot-work.ts";
import type { Cluster, ClusterKind, ClusterSettings, Schedule } from "./state.ts";

export function makeCluster(realm: Realm, name: string, kind: ClusterKind, settings: ClusterSettings): Cluster {
  const id = realm.mint();
  const cluster: Cluster = {
    id,
    name,
    kind,
    createDate: realm.now(),
    replicaSetName: `atlas-${id.slice(-6)}-shard-0`,
    stateName: "CREATING",
    settings,
    schedule: undefined,
    snapshots: new Map(),
    restoreJobs: new Map(),
    collectionRestores: new Map(),
    exports: new Map(),
    log: [],
    processArgs: {},
    extraBytes: 0,
    retired: false,
  };
  realm.world.clusters.set(name, cluster);
  realm.tell("CLUSTER_CREATED", name);
  return cluster;
}

/** From CREATING to IDLE; or it vanishes, or stays as it is, when that fault was asked for. */
export function beginCreation(realm: Realm, cluster: Cluster): void {
  const outcome = realm.faults.outcome("createCluster", cluster.name);
  if (outcome === "hang") return;
  realm.later(cluster.kind === "dedicated" ? realm.durations.createMs : realm.durations.createSharedMs, async () => {
    if (cluster.stateName !== "CREATING" || !isThere(realm, cluster)) return;
    if (outcome === "fail") {
      realm.world.clusters.delete(cluster.name);
      realm.tell("CLUSTER_DELETED", cluster.name);
      return;
    }
    await finishCreation(realm, cluster);
  });
}

/** `port`: one of the caller's choice. */
export async function finishCreation(realm: Realm, cluster: Cluster, port?: number): Promise<void> {
  const { replicaSetName: replicaSet, settings, seed: state } = cluster;
  cluster.data = await realm.data.start({ replicaSet, version: settings.mongoDBVersion, state }, port);
  cluster.seed = undefined;
  cluster.stateName = "IDLE";
  realm.tell("CLUSTER_READY", cluster.name);
  if (cluster.kind === "flex") cluster.schedule = flexSchedule(realm);
  if (settings.backupEnabled) beginBackup(realm, cluster);
}

export const isThere = (realm: Realm, cluster: Cluster): boolean => realm.world.clusters.get(cluster.name) === cluster;

/** Backup was turned on: the default policy, its reference time being now, and a first snapshot at once. */
export function beginBackup(realm: Realm, cluster: Cluster): void {
  const now = realm.now();
  const items = defaultItems(() => realm.mint());
  cluster.schedule ??= newSchedule(realm, items, now);
  if (cluster.settings.pitEnabled) cluster.log.push({ from: now });
  const [first] = cluster.schedule.items;
  if (first !== undefined) takeSnapshot(realm, cluster, { kind: "scheduled", items: [first], asked: now });
}

function newSchedule(realm: Realm, items: Schedule["items"], now: Date): Schedule {
  return {
    policyId: realm.mint(),
    items,
    referenceHour: now.getUTCHours(),
    referenceMinute: now.getUTCMinutes(),
    restoreWindowDays: DEFAULT_WINDOW_DAYS,
    upTo: now,
    autoExport: false,
    more: {},
  };
}

/** One daily snapshot, eight kept, the first a day after creation. Not to be changed. */
function flexSchedule(realm: Realm): Schedule {
  const daily = { id: realm.mint(), frequencyType: "daily", frequencyInterval: 1, retentionUnit: "days", retentionValue: 8 } as const;
  return newSchedule(realm, [daily], realm.now());
}

/** Backup was turned off: all snapshots are gone at once. */
export function endBackup(cluster: Cluster): void {
  cluster.snapshots.clear();
  cluster.schedule = undefined;
  cluster.log = [];
}

/** Continuous backup was turned on (a snapshot to begin from is taken at once) or off (its history is gone). */
export function changeContinuous(realm: Realm, cluster: Cluster, on: boolean): void {
  if (!on) {
    cluster.log = [];
    return;
  }
  const now = realm.now();
  cluster.log.push({ from: now });
  const [first] = cluster.schedule?.items ?? [];
  if (first !== undefined) takeSnapshot(realm, cluster, { kind: "scheduled", items: [first], asked: now });
}

/** UPDATING for a while, then IDLE again. */
export function beginUpdate(realm: Realm, cluster: Cluster, lastsMs: number, act?: () => Promise<void>): void {
  cluster.stateName = "UPDATING";
  realm.later(lastsMs, async () => {
    if (!isThere(realm, cluster) || cluster.stateName !== "UPDATING") return;
    await act?.();
    cluster.stateName = "IDLE";
    realm.tell("CLUSTER_UPDATE_COMPLETED", cluster.name);
  });
}

export function beginDeletion(realm: Realm, cluster: Cluster, retainBackups: boolean): void {
  cluster.stateName = "DELETING";
  const kept = retainBackups && cluster.settings.backupEnabled;
  cluster.settings = { ...cluster.settings, backupEnabled: false, pitEnabled: false };
  realm.tell("CLUSTER_DELETE_SUBMITTED", cluster.name);
  if (kept) cluster.schedule = undefined;
  else endBackup(cluster);
  if (realm.faults.outcome("deleteCluster", cluster.name) === "hang") return;
  realm.later(realm.durations.deleteMs, async () => {
    await cluster.data?.close();
    cluster.data = undefined;
    realm.world.clusters.delete(cluster.name);
    if (kept && cluster.snapshots.size > 0) {
      cluster.retired = true;
      realm.world.retired.set(cluster.name, cluster);
    }
    realm.tell("CLUSTER_DELETED", cluster.name);
  });
}
