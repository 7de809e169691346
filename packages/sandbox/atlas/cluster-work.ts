// State changes of clusters: creation, change, pause, deletion.
import type { Emulator } from "./emulator.ts";
import { DEFAULT_WINDOW_DAYS, defaultItems } from "./schedule-rules.ts";
import { takeSnapshot } from "./snapshot-work.ts";
import type { Cluster, ClusterKind, ClusterSettings, Schedule } from "./state.ts";

export function makeCluster(emulator: Emulator, name: string, kind: ClusterKind, settings: ClusterSettings): Cluster {
  const id = emulator.mint();
  const cluster: Cluster = {
    id,
    name,
    kind,
    createDate: emulator.now(),
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
  emulator.store.clusters.set(name, cluster);
  emulator.tell("CLUSTER_CREATED", name);
  return cluster;
}

/** From CREATING to IDLE; with a fault it is deleted, or stays as it is. */
export function beginCreation(emulator: Emulator, cluster: Cluster): void {
  const outcome = emulator.faults.outcome("createCluster", cluster.name);
  if (outcome === "hang") return;
  emulator.later(cluster.kind === "dedicated" ? emulator.durations.createMs : emulator.durations.createSharedMs, async () => {
    if (cluster.stateName !== "CREATING" || !isThere(emulator, cluster)) return;
    if (outcome === "fail") {
      emulator.store.clusters.delete(cluster.name);
      emulator.tell("CLUSTER_DELETED", cluster.name);
      return;
    }
    await finishCreation(emulator, cluster);
  });
}

/** `port`: chosen by the caller. */
export async function finishCreation(emulator: Emulator, cluster: Cluster, port?: number): Promise<void> {
  const { replicaSetName: replicaSet, settings, seed: state } = cluster;
  cluster.data = await emulator.data.start({ replicaSet, version: settings.mongoDBVersion, state }, port);
  cluster.seed = undefined;
  cluster.stateName = "IDLE";
  emulator.tell("CLUSTER_READY", cluster.name);
  if (cluster.kind === "flex") cluster.schedule = flexSchedule(emulator);
  if (settings.backupEnabled) beginBackup(emulator, cluster);
}

export const isThere = (emulator: Emulator, cluster: Cluster): boolean => emulator.store.clusters.get(cluster.name) === cluster;

/** Backup was turned on: the default policy, its reference time being now, and a first snapshot at once. */
export function beginBackup(emulator: Emulator, cluster: Cluster): void {
  const now = emulator.now();
  const items = defaultItems(() => emulator.mint());
  cluster.schedule ??= newSchedule(emulator, items, now);
  if (cluster.settings.pitEnabled) cluster.log.push({ from: now });
  const [first] = cluster.schedule.items;
  if (first !== undefined) takeSnapshot(emulator, cluster, { kind: "scheduled", items: [first], asked: now });
}

function newSchedule(emulator: Emulator, items: Schedule["items"], now: Date): Schedule {
  return {
    policyId: emulator.mint(),
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
function flexSchedule(emulator: Emulator): Schedule {
  const daily = { id: emulator.mint(), frequencyType: "daily", frequencyInterval: 1, retentionUnit: "days", retentionValue: 8 } as const;
  return newSchedule(emulator, [daily], emulator.now());
}

/** Backup was turned off: deletes all snapshots at once. */
export function endBackup(cluster: Cluster): void {
  cluster.snapshots.clear();
  cluster.schedule = undefined;
  cluster.log = [];
}

/** Continuous backup was turned on (a snapshot to begin from is taken at once) or off (its history is gone). */
export function changeContinuous(emulator: Emulator, cluster: Cluster, on: boolean): void {
  if (!on) {
    cluster.log = [];
    return;
  }
  const now = emulator.now();
  cluster.log.push({ from: now });
  const [first] = cluster.schedule?.items ?? [];
  if (first !== undefined) takeSnapshot(emulator, cluster, { kind: "scheduled", items: [first], asked: now });
}

/** UPDATING for a while, then IDLE again. */
export function beginUpdate(emulator: Emulator, cluster: Cluster, lastsMs: number, act?: () => Promise<void>): void {
  cluster.stateName = "UPDATING";
  emulator.later(lastsMs, async () => {
    if (!isThere(emulator, cluster) || cluster.stateName !== "UPDATING") return;
    await act?.();
    cluster.stateName = "IDLE";
    emulator.tell("CLUSTER_UPDATE_COMPLETED", cluster.name);
  });
}

export function beginDeletion(emulator: Emulator, cluster: Cluster, retainBackups: boolean): void {
  cluster.stateName = "DELETING";
  const kept = retainBackups && cluster.settings.backupEnabled;
  cluster.settings = { ...cluster.settings, backupEnabled: false, pitEnabled: false };
  emulator.tell("CLUSTER_DELETE_SUBMITTED", cluster.name);
  if (kept) cluster.schedule = undefined;
  else endBackup(cluster);
  if (emulator.faults.outcome("deleteCluster", cluster.name) === "hang") return;
  emulator.later(emulator.durations.deleteMs, async () => {
    await cluster.data?.close();
    cluster.data = undefined;
    emulator.store.clusters.delete(cluster.name);
    if (kept && cluster.snapshots.size > 0) {
      cluster.retired = true;
      emulator.store.retired.set(cluster.name, cluster);
    }
    emulator.tell("CLUSTER_DELETED", cluster.name);
  });
}
