// Clusters: made, shown, changed, ended. https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/
import { onlyKnown, required } from "./body.ts";
import { isFree, KNOWN, readSettings } from "./cluster-settings.ts";
import { clusterView } from "./cluster-view.ts";
import { beginBackup, beginCreation, beginDeletion, beginUpdate, changeContinuous, endBackup, makeCluster } from "./cluster-work.ts";
import { conflict, invalidAttribute, refused } from "./errors.ts";
import { fromOlder, isOlder, toOlder } from "./older.ts";
import { flag, page } from "./paging.ts";
import { type Answer, type Call, ok, type Realm } from "./realm.ts";
import { abandonRestores } from "./restore-work.ts";
import type { Cluster, ClusterSettings, World } from "./state.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9-]*$/;
const LONGEST_NAME = 64;
/** Host names are made of so much of a cluster's name. */
const UNIQUE_LENGTH = 23;

function viewOf(realm: Realm, { version }: Call, cluster: Cluster): object {
  const view = clusterView(realm, cluster);
  return isOlder(version) ? toOlder({ ...view }) : view;
}

const ofToday = (call: Call): Call => (isOlder(call.version) ? { ...call, body: fromOlder(call.body) } : call);

export function listClusters(realm: Realm, call: Call): Answer {
  const withRetired = flag(call.url.searchParams, "includeDeletedWithRetainedBackups", false);
  const dedicated = [...realm.world.clusters.values()].filter((cluster) => cluster.kind !== "flex");
  const all = withRetired ? [...dedicated, ...realm.world.retired.values()] : dedicated;
  return ok(page(call.url, all, (cluster) => viewOf(realm, call, cluster)));
}

export function getCluster(realm: Realm, call: Call): Answer {
  return ok(viewOf(realm, call, realm.cluster(call)));
}

export function createCluster(realm: Realm, asked: Call): Answer {
  const call = ofToday(asked);
  onlyKnown(call.body, KNOWN);
  const name = readName(realm.world, call.body);
  const settings = readSettings(call.body, realm.world, () => realm.mint());
  if (settings.paused) throw invalidAttribute("paused");
  const cluster = makeCluster(realm, name, isFree(settings) ? "free" : "dedicated", settings);
  beginCreation(realm, cluster);
  return { status: 201, body: viewOf(realm, call, cluster) };
}

/** The first 23 characters are what tells clusters of a project apart, and must not end with a hyphen. */
export function readName(world: World, body: Call["body"]): string {
  const name = required(body, "name", "string");
  if (!NAME.test(name) || name.length > LONGEST_NAME) throw invalidAttribute("name");
  const prefix = name.slice(0, UNIQUE_LENGTH).toLowerCase();
  if (prefix.endsWith("-"))
    throw refused("CLUSTER_NAME_PREFIX_INVALID", `The first ${UNIQUE_LENGTH} characters of ${name} must not end with a hyphen.`, name);
  for (const other of world.clusters.keys()) {
    if (other.slice(0, UNIQUE_LENGTH).toLowerCase() === prefix)
      throw refused(
        "DUPLICATE_CLUSTER_NAME",
        `A cluster named ${other} is already present in group ${world.groupId}.`,
        other,
        world.groupId,
      );
  }
  return name;
}

export function updateCluster(realm: Realm, asked: Call): Answer {
  const call = ofToday(asked);
  const cluster = realm.cluster(call);
  onlyKnown(call.body, KNOWN);
  if (call.body.name !== undefined && call.body.name !== cluster.name) throw invalidAttribute("name");
  requireChangeable(cluster, call.body);
  const before = cluster.settings;
  const after = readSettings(call.body, realm.world, () => realm.mint(), before);
  if (isFree(after) !== isFree(before))
    throw refused("TENANT_CLUSTER_UPDATE_UNSUPPORTED", "A free cluster is upgraded by a request of its own.");
  if (cluster.kind === "free" && after.paused) throw refused("TENANT_CLUSTER_UPDATE_UNSUPPORTED", "Free clusters cannot be paused.");
  cluster.settings = after;
  const changed = JSON.stringify(before) !== JSON.stringify(after);
  if (!changed) return ok(viewOf(realm, call, cluster));
  realm.tell("CLUSTER_UPDATE_SUBMITTED", cluster.name);
  followBackup(realm, cluster, before);
  if (before.paused !== after.paused) changePause(realm, cluster, after.paused);
  else beginUpdate(realm, cluster, realm.durations.updateMs);
  return ok(viewOf(realm, call, cluster));
}

function requireChangeable(cluster: Cluster, body: Call["body"]): void {
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

function followBackup(realm: Realm, cluster: Cluster, before: ClusterSettings): void {
  const after = cluster.settings;
  if (before.backupEnabled && !after.backupEnabled) endBackup(cluster);
  else if (!before.backupEnabled && after.backupEnabled) beginBackup(realm, cluster);
  else if (before.pitEnabled !== after.pitEnabled) changeContinuous(realm, cluster, after.pitEnabled);
}

/** Nothing connects to a paused cluster. */
function changePause(realm: Realm, cluster: Cluster, paused: boolean): void {
  const { data } = cluster;
  realm.tell(paused ? "CLUSTER_PAUSED" : "CLUSTER_RESUMED", cluster.name);
  beginUpdate(realm, cluster, realm.durations.pauseMs, async () => {
    if (paused) await data?.shut();
    else await data?.open();
  });
}

export function deleteCluster(realm: Realm, call: Call): Answer {
  const cluster = realm.cluster(call);
  requireDeletable(realm, cluster);
  const retain = flag(call.url.searchParams, "retainBackups", realm.world.compliance !== undefined);
  abandonRestores(realm, cluster);
  beginDeletion(realm, cluster, retain);
  return { status: 202, body: {} };
}

export function requireDeletable(realm: Realm, cluster: Cluster): void {
  if (cluster.stateName === "DELETING")
    throw refused(
      "CLUSTER_ALREADY_REQUESTED_DELETION",
      `The cluster ${cluster.name} has already been requested for deletion.`,
      cluster.name,
    );
  if (cluster.settings.terminationProtectionEnabled) {
    throw refused(
      "CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED",
      `Cannot terminate cluster ${cluster.name} in group ${realm.world.groupId} when termination protection is enabled.`,
      cluster.name,
      realm.world.groupId,
    );
  }
}

/** How far changes of users have spread; it never speaks of creation. */
export function getStatus(realm: Realm, call: Call): Answer {
  realm.cluster(call);
  return ok({ changeStatus: "APPLIED" });
}

/** Whether all shards grow together, or each by itself: of a replica set it is one and the same. */
export function getAutoScaling(realm: Realm, call: Call): Answer {
  realm.cluster(call);
  return ok({ autoScalingMode: "CLUSTER_WIDE_SCALING" });
}
