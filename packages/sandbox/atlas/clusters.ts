// Clusters: create, show, change, delete. https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/
import { onlyKnown, required } from "./body.ts";
import { isFree, KNOWN, readSettings } from "./cluster-settings.ts";
import { clusterView } from "./cluster-view.ts";
import { beginBackup, beginCreation, beginDeletion, beginUpdate, changeContinuous, endBackup, makeCluster } from "./cluster-work.ts";
import { type Answer, type ApiRequest, type Emulator, ok } from "./emulator.ts";
import { conflict, invalidAttribute, refused } from "./errors.ts";
import { flag, page } from "./paging.ts";
import { abandonRestores } from "./restore-work.ts";
import type { Cluster, ClusterSettings, Json, Store } from "./state.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9-]*$/;
const LONGEST_NAME = 64;
/** How much of a cluster's name is in its host name. */
const UNIQUE_LENGTH = 23;

function viewOf(emulator: Emulator, { version }: ApiRequest, cluster: Cluster): object {
  const view = clusterView(emulator, cluster);
  return isOlder(version) ? toOlder({ ...view }) : view;
}

const ofToday = (request: ApiRequest): ApiRequest => (isOlder(request.version) ? { ...request, body: fromOlder(request.body) } : request);

export function listClusters(emulator: Emulator, request: ApiRequest): Answer {
  const withRetired = flag(request.url.searchParams, "includeDeletedWithRetainedBackups", false);
  const dedicated = [...emulator.store.clusters.values()].filter((cluster) => cluster.kind !== "flex");
  const all = withRetired ? [...dedicated, ...emulator.store.retired.values()] : dedicated;
  return ok(page(request.url, all, (cluster) => viewOf(emulator, request, cluster)));
}

export function getCluster(emulator: Emulator, request: ApiRequest): Answer {
  return ok(viewOf(emulator, request, emulator.cluster(request)));
}

export function createCluster(emulator: Emulator, asked: ApiRequest): Answer {
  const request = ofToday(asked);
  onlyKnown(request.body, KNOWN);
  const name = readName(emulator.store, request.body);
  const settings = readSettings(request.body, emulator.store, () => emulator.mint());
  if (settings.paused) throw invalidAttribute("paused");
  const cluster = makeCluster(emulator, name, isFree(settings) ? "free" : "dedicated", settings);
  beginCreation(emulator, cluster);
  return { status: 201, body: viewOf(emulator, request, cluster) };
}

/** The first 23 characters are what tells clusters of a project apart, and must not end with a hyphen. */
export function readName(store: Store, body: ApiRequest["body"]): string {
  const name = required(body, "name", "string");
  if (!NAME.test(name) || name.length > LONGEST_NAME) throw invalidAttribute("name");
  const prefix = name.slice(0, UNIQUE_LENGTH).toLowerCase();
  if (prefix.endsWith("-"))
    throw refused("CLUSTER_NAME_PREFIX_INVALID", `The first ${UNIQUE_LENGTH} characters of ${name} must not end with a hyphen.`, name);
  for (const other of store.clusters.keys()) {
    if (other.slice(0, UNIQUE_LENGTH).toLowerCase() === prefix)
      throw refused(
        "DUPLICATE_CLUSTER_NAME",
        `A cluster named ${other} is already present in group ${store.groupId}.`,
        other,
        store.groupId,
      );
  }
  return name;
}

export function updateCluster(emulator: Emulator, asked: ApiRequest): Answer {
  const request = ofToday(asked);
  const cluster = emulator.cluster(request);
  onlyKnown(request.body, KNOWN);
  if (request.body.name !== undefined && request.body.name !== cluster.name) throw invalidAttribute("name");
  requireChangeable(cluster, request.body);
  const before = cluster.settings;
  const after = readSettings(request.body, emulator.store, () => emulator.mint(), before);
  if (isFree(after) !== isFree(before))
    throw refused("TENANT_CLUSTER_UPDATE_UNSUPPORTED", "A free cluster is upgraded by a request of its own.");
  if (cluster.kind === "free" && after.paused) throw refused("TENANT_CLUSTER_UPDATE_UNSUPPORTED", "Free clusters cannot be paused.");
  cluster.settings = after;
  const changed = JSON.stringify(before) !== JSON.stringify(after);
  if (!changed) return ok(viewOf(emulator, request, cluster));
  emulator.tell("CLUSTER_UPDATE_SUBMITTED", cluster.name);
  followBackup(emulator, cluster, before);
  if (before.paused !== after.paused) changePause(emulator, cluster, after.paused);
  else beginUpdate(emulator, cluster, emulator.durations.updateMs);
  return ok(viewOf(emulator, request, cluster));
}

function requireChangeable(cluster: Cluster, body: ApiRequest["body"]): void {
  if (cluster.stateName === "DELETING")
    throw refused(
      "CLUSTER_ALREADY_REQUESTED_DELETION",
      `The cluster ${cluster.name} has already been requested for deletion.`,
      cluster.name,
    );
  if (cluster.stateName === "CREATING")
    throw conflict("CLUSTER_BEING_CREATED", `The cluster ${cluster.name} is being created and cannot be changed yet.`, cluster.name);
  if (cluster.restoring !== undefined)
    throw refused(
      "CLUSTER_RESTORE_IN_PROGRESS_CANNOT_UPDATE",
      `A restore of ${cluster.name} is in progress: it cannot be updated.`,
      cluster.name,
    );
  const resumes = Object.keys(body).every((key) => key === "paused") && body.paused === false;
  if (cluster.settings.paused && !resumes)
    throw conflict(
      "CANNOT_UPDATE_PAUSED_CLUSTER",
      `Cannot update cluster ${cluster.name} while it is paused or being paused.`,
      cluster.name,
    );
}

function followBackup(emulator: Emulator, cluster: Cluster, before: ClusterSettings): void {
  const after = cluster.settings;
  if (before.backupEnabled && !after.backupEnabled) endBackup(cluster);
  else if (!before.backupEnabled && after.backupEnabled) beginBackup(emulator, cluster);
  else if (before.pitEnabled !== after.pitEnabled) changeContinuous(emulator, cluster, after.pitEnabled);
}

/** Nothing connects to a paused cluster. */
function changePause(emulator: Emulator, cluster: Cluster, paused: boolean): void {
  const { data } = cluster;
  emulator.tell(paused ? "CLUSTER_PAUSED" : "CLUSTER_RESUMED", cluster.name);
  beginUpdate(emulator, cluster, emulator.durations.pauseMs, async () => {
    if (paused) await data?.shut();
    else await data?.open();
  });
}

export function deleteCluster(emulator: Emulator, request: ApiRequest): Answer {
  const cluster = emulator.cluster(request);
  requireDeletable(emulator, cluster);
  const retain = flag(request.url.searchParams, "retainBackups", emulator.store.compliance !== undefined);
  abandonRestores(emulator, cluster);
  beginDeletion(emulator, cluster, retain);
  return { status: 202, body: {} };
}

export function requireDeletable(emulator: Emulator, cluster: Cluster): void {
  if (cluster.stateName === "DELETING")
    throw refused(
      "CLUSTER_ALREADY_REQUESTED_DELETION",
      `The cluster ${cluster.name} has already been requested for deletion.`,
      cluster.name,
    );
  if (cluster.settings.terminationProtectionEnabled) {
    throw refused(
      "CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED",
      `Cannot terminate cluster ${cluster.name} in group ${emulator.store.groupId} when termination protection is enabled.`,
      cluster.name,
      emulator.store.groupId,
    );
  }
}

/** How far changes of users have spread; it never speaks of creation. */
export function getStatus(emulator: Emulator, request: ApiRequest): Answer {
  emulator.cluster(request);
  return ok({ changeStatus: "APPLIED" });
}

/** Whether all shards grow together, or each by itself: of a replica set it is one and the same. */
export function getAutoScaling(emulator: Emulator, request: ApiRequest): Answer {
  emulator.cluster(request);
  return ok({ autoScalingMode: "CLUSTER_WIDE_SCALING" });
}

// The form that clusters had before 2024-08-05, which Atlas's own command line still sends and reads: the disk's size belongs to the
// cluster and not to its hardware, and shards are a number.

const CHANGED = "2024-08-05";
const SPECS = ["electableSpecs", "analyticsSpecs", "readOnlySpecs"] as const;

export const isOlder = (version: string): boolean => version < CHANGED;

type Change = (hardware: Json) => Json;

function withHardware(cluster: Json, change: Change): Json {
  const { replicationSpecs } = cluster;
  if (!Array.isArray(replicationSpecs)) return cluster;
  const regionOf = (region: Json): Json => ({
    ...region,
    ...Object.fromEntries(SPECS.flatMap((key) => (isObject(region[key]) ? [[key, change(region[key])]] : []))),
  });
  return {
    ...cluster,
    replicationSpecs: replicationSpecs.map((spec: Json) =>
      Array.isArray(spec.regionConfigs) ? { ...spec, regionConfigs: spec.regionConfigs.map(regionOf) } : spec,
    ),
  };
}

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null;

/** Converts a body of an older version to today's. A missing disk size stays as it is. */
export function fromOlder({ diskSizeGB, ...cluster }: Json): Json {
  return typeof diskSizeGB === "number" ? withHardware(cluster, (hardware) => ({ ...hardware, diskSizeGB })) : cluster;
}

/** Converts today's answer to an older version's. */
export function toOlder({ effectiveReplicationSpecs: _, ...cluster }: Json): Json {
  let size: unknown;
  const changed = withHardware(cluster, ({ diskSizeGB, ...hardware }) => {
    size ??= diskSizeGB;
    return hardware;
  });
  const specs = Array.isArray(changed.replicationSpecs) ? changed.replicationSpecs : [];
  return {
    ...changed,
    diskSizeGB: size,
    replicationSpecs: specs.map(({ zoneId: _zone, ...spec }: Json) => ({ ...spec, numShards: 1 })),
  };
}
