// Snapshots: take on demand, list, keep longer, delete.
import { iso, oneOf, onlyKnown, optional, optionalWhole, required } from "./body.ts";
import { linkTo } from "./cluster-view.ts";
import { requireKeptLongEnough, requireNoDecrease, requireSnapshotDeletable } from "./compliance-rules.ts";
import { collectionsOf, databasesOf } from "./contents.ts";
import { type Answer, type ApiRequest, type Emulator, GONE, ok } from "./emulator.ts";
import { invalidAttribute, missing, missingAttribute, refused } from "./errors.ts";
import { page } from "./paging.ts";
import { expiryOf, type Unit } from "./schedule-rules.ts";
import { removeSnapshot, takeSnapshot } from "./snapshot-work.ts";
import type { Cluster, Snapshot } from "./state.ts";
import { targetPointOf } from "./target-point.ts";
import { baseFor } from "./window.ts";

/** The cluster of the request, when it has backups. */
export function backedUp(emulator: Emulator, request: ApiRequest): Cluster {
  const cluster = emulator.holder(request);
  if (!cluster.retired && cluster.schedule === undefined && cluster.stateName !== "DELETING")
    throw refused("BACKUP_JOB_NOT_FOUND", `Cloud backup is not enabled for cluster ${cluster.name}.`, cluster.name);
  return cluster;
}

export function snapshotOf(cluster: Cluster, id: string | undefined): Snapshot {
  const found = cluster.snapshots.get(id ?? "");
  if (found === undefined)
    throw missing("SNAPSHOT_NOT_FOUND", `No snapshot with ID ${id} exists for cluster ${cluster.name}.`, id, cluster.name);
  return found;
}

export function completed(cluster: Cluster, id: string): Snapshot & { readonly data: NonNullable<Snapshot["data"]> } {
  const snapshot = snapshotOf(cluster, id);
  if (snapshot.status !== "completed" || snapshot.data === undefined)
    throw refused("SNAPSHOT_NOT_COMPLETED", `Snapshot ${id} is ${snapshot.status}.`, id, snapshot.status);
  return snapshot as Snapshot & { readonly data: NonNullable<Snapshot["data"]> };
}

export function snapshotView(emulator: Emulator, snapshot: Snapshot): object {
  return {
    cloudProvider: snapshot.cloudProvider ?? null,
    copyRegions: [],
    createdAt: snapshot.createdAt === undefined ? null : iso(snapshot.createdAt),
    description: snapshot.description ?? null,
    expiresAt: iso(snapshot.expiresAt),
    frequencyType: snapshot.frequencyType,
    id: snapshot.id,
    links: [{ href: linkTo(emulator, `/clusters/${snapshot.clusterName}/backup/snapshots/${snapshot.id}`), rel: "self" }],
    masterKeyUUID: null,
    mongodVersion: snapshot.mongodVersion ?? null,
    policyItems: snapshot.policyItemIds,
    replicaSetName: snapshot.replicaSetName,
    snapshotType: snapshot.snapshotType,
    status: snapshot.status,
    storageSizeBytes: snapshot.storageSizeBytes,
    type: "replicaSet",
  };
}

/** Newest first. With an instant: the one that a restore to it would begin from. */
export function listSnapshots(emulator: Emulator, request: ApiRequest): Answer {
  const cluster = backedUp(emulator, request);
  const all = [...cluster.snapshots.values()].reverse();
  const query = request.url.searchParams;
  const number = (name: string): number | undefined => (query.has(name) ? Number(query.get(name)) : undefined);
  const asked = { pointInTimeUTCSeconds: number("pointInTimeUtcSeconds"), oplogTs: number("oplogTs"), oplogInc: number("oplogInc") };
  if (Object.values(asked).every((each) => each === undefined)) return ok(page(request.url, all, (each) => snapshotView(emulator, each)));
  const base = baseFor(cluster, targetPointOf(asked, "pointInTimeUTCSeconds").end);
  return ok(page(request.url, base === undefined ? [] : [base], (each) => snapshotView(emulator, each)));
}

export function getSnapshot(emulator: Emulator, request: ApiRequest): Answer {
  return ok(snapshotView(emulator, snapshotOf(backedUp(emulator, request), request.params.snapshotId)));
}

export function createSnapshot(emulator: Emulator, request: ApiRequest): Answer {
  const cluster = backedUp(emulator, request);
  onlyKnown(request.body, ["description", "retentionInDays"]);
  const retentionInDays = optionalWhole(request.body, "retentionInDays", 1);
  if (retentionInDays === undefined) throw missingAttribute("retentionInDays");
  requireKeptLongEnough(emulator.store, retentionInDays);
  const description = optional(request.body, "description", "string");
  if (cluster.settings.paused) throw refused("CLUSTER_PAUSED_CANNOT_SNAPSHOT", `Cluster ${cluster.name} is paused.`, cluster.name);
  const open = [...cluster.snapshots.values()].some(
    (each) => each.snapshotType === "onDemand" && (each.status === "queued" || each.status === "inProgress"),
  );
  if (open) throw refused("UNFINISHED_ON_DEMAND_SNAPSHOT", `An on-demand snapshot of ${cluster.name} is not finished yet.`, cluster.name);
  if (cluster.data === undefined || cluster.stateName === "DELETING")
    throw refused("BACKUP_JOB_NOT_FOUND", `Cluster ${cluster.name} has no data to take a snapshot of.`, cluster.name);
  const asked = emulator.now();
  const requested = { kind: "onDemand", items: [], asked, retentionInDays, ...(description === undefined ? {} : { description }) } as const;
  const snapshot = takeSnapshot(emulator, cluster, requested);
  emulator.tell("CPS_ON_DEMAND_SNAPSHOT_REQUESTED", cluster.name, { snapshotId: snapshot.id });
  return ok(snapshotView(emulator, snapshot));
}

const UNITS: Readonly<Record<string, Unit>> = { DAYS: "days", WEEKS: "weeks", MONTHS: "months", YEARS: "years" };

export function updateSnapshot(emulator: Emulator, request: ApiRequest): Answer {
  const snapshot = snapshotOf(backedUp(emulator, request), request.params.snapshotId);
  onlyKnown(request.body, ["retentionUnit", "retentionValue"]);
  const unit = UNITS[oneOf(request.body, "retentionUnit", Object.keys(UNITS)) ?? ""];
  if (unit === undefined) throw missingAttribute("retentionUnit");
  const value = required(request.body, "retentionValue", "number");
  if (!Number.isInteger(value) || value < 1) throw invalidAttribute("retentionValue");
  if (snapshot.createdAt === undefined)
    throw refused("SNAPSHOT_NOT_COMPLETED", `Snapshot ${snapshot.id} is ${snapshot.status}.`, snapshot.id);
  const expiresAt = expiryOf({ retentionUnit: unit, retentionValue: value }, snapshot.createdAt);
  requireNoDecrease(emulator.store, snapshot, expiresAt);
  snapshot.expiresAt = expiresAt;
  emulator.tell("CPS_SNAPSHOT_RETENTION_MODIFIED_AUDIT", snapshot.clusterName, { snapshotId: snapshot.id });
  return ok(snapshotView(emulator, snapshot));
}

export function deleteSnapshot(emulator: Emulator, request: ApiRequest): Answer {
  const cluster = backedUp(emulator, request);
  const snapshot = snapshotOf(cluster, request.params.snapshotId);
  requireSnapshotDeletable(emulator.store, snapshot);
  if (snapshot.status === "queued" || snapshot.status === "inProgress")
    throw refused("CANNOT_DELETE_IN_PROGRESS_SNAPSHOT", `Snapshot ${snapshot.id} is in progress and cannot be deleted.`, snapshot.id);
  removeSnapshot(emulator, cluster, snapshot);
  emulator.tell("CPS_SNAPSHOT_DELETED_AUDIT", cluster.name, { snapshotId: snapshot.id });
  return GONE;
}

/** The sandbox has replica sets only. */
export function listSharded(emulator: Emulator, request: ApiRequest): Answer {
  backedUp(emulator, request);
  return ok(page(request.url, [], (each) => each));
}

export function noSharded(emulator: Emulator, request: ApiRequest): Answer {
  const { snapshotId } = request.params;
  throw missing(
    "SNAPSHOT_NOT_FOUND",
    `No snapshot of a sharded cluster with ID ${snapshotId} exists.`,
    snapshotId,
    backedUp(emulator, request).name,
  );
}

function dataOf(emulator: Emulator, request: ApiRequest): NonNullable<Snapshot["data"]> {
  return completed(backedUp(emulator, request), request.params.snapshotId ?? "").data;
}

const named = (name: string): object => ({ name });

export function listDatabases(emulator: Emulator, request: ApiRequest): Answer {
  return ok(page(request.url, databasesOf(dataOf(emulator, request)), named));
}

export function getDatabase(emulator: Emulator, request: ApiRequest): Answer {
  return ok(named(oneNamed(databasesOf(dataOf(emulator, request)), request.params.databaseName, "DATABASE_NOT_FOUND")));
}

export function listCollections(emulator: Emulator, request: ApiRequest): Answer {
  const data = dataOf(emulator, request);
  const database = oneNamed(databasesOf(data), request.params.databaseName, "DATABASE_NOT_FOUND");
  const names = collectionsOf(data, database).filter((each) => each.kind !== "view");
  return ok(page(request.url, names, (each) => named(each.name)));
}

export function getCollection(emulator: Emulator, request: ApiRequest): Answer {
  const names = collectionsOf(dataOf(emulator, request), request.params.databaseName ?? "").map((each) => each.name);
  return ok(named(oneNamed(names, request.params.collectionName, "COLLECTION_NOT_FOUND")));
}

function oneNamed(names: readonly string[], name: string | undefined, code: string): string {
  if (name === undefined || !names.includes(name)) throw missing(code, `${name} is not in the snapshot.`, name);
  return name;
}
