// Clusters: made, shown, changed, ended. https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/
import { onlyKnown, required } from "./body.ts";
import { isFree, KNOWN, readSettings } from "./cluster-settings.ts";
import { clusterView } from "./cluster-view.ts";
import { beginBackup, beginCreation, beginDeletion, beginUpdate, changeContinuous, endBackup, makeCluster } from "./cluster-work.ts";
import { type Answer, type Call, type Emulator, ok } from "./emulator.ts";
import { conflict, invalidAttribute, refused } from "./errors.ts";
import { fromOlder, isOlder, toOlder } from "./older.ts";
import { flag, page } from "./paging.ts";
import { abandonRestores } from "./restore-work.ts";
import type { Cluster, ClusterSettings, World } from "./state.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9-]*$/;
const LONGEST_NAME = 64;
/** Host names are made of so much of a cluster's name. */
const UNIQUE_LENGTH = 23;

function viewOf(emulator: Emulator, { version }: Call, cluster: Cluster): object {
  const view = clusterView(emulator, cluster);
  return isOlder(version) ? toOlder({ ...view }) : view;
}

const ofToday = (call: Call): Call => (isOlder(call.version) ? { ...call, body: fromOlder(call.body) } : call);

export function listClusters(emulator: Emulator, call: Call): Answer {
  const withRetired = flag(call.url.searchParams, "includeDeletedWithRetainedBackups", false);
  const dedicated = [...emulator.world.clusters.values()].filter((cluster) => cluster.kind !== "flex");
  const all = withRetired ? [...dedicated, ...emulator.world.retired.values()] : dedicated;
  return ok(page(call.url, all, (cluster) => viewOf(emulator, call, cluster)));
}

export function getCluster(emulator: Emulator, call: Call): Answer {
  return ok(viewOf(emulator, call, emulator.cluster(call)));
}

export function createCluster(emulator: Emulator, asked: Call): Answer {
  const call = ofToday(asked);
  onlyKnown(call.body, KNOWN);
  const name = readName(emulator.world, call.body);
  const settings = readSettings(call.body, emulator.world, () => emulator.mint());
  if (settings.paused) throw invalidAttribute("paused");
  const cluster = makeCluster(emulator, name, isFree(settings) ? "free" : "dedicated", settings);
  beginCreation(emulator, cluster);
  return { status: 201, body: viewOf(emulator, call, cluster) };
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

export function updateCluster(emulator: Emulator, asked: Call): Answer {
  const call = ofToday(asked);
  const cluster = emulator.cluster(call);
  onlyKnown(call.body, KNOWN);
  if (call.body.name !== undefined && call.body.name !== cluster.name) throw invalidAttribute("name");
  requireChangeable(cluster, call.body);
  const before = cluster.settings;
  const after = readSettings(call.body, emulator.world, () => emulator.mint(), before);
  if (isFree(after) !== isFree(before))
    throw refused("TENANT_CLUSTER_UPDATE_UNSUPPORTED", "A free cluster is upgraded by a request of its own.");
  if (cluster.kind === "free" && after.paused) throw refused("TENANT_CLUSTER_UPDATE_UNSUPPORTED", "Free clusters cannot be paused.");
  cluster.settings = after;
  const changed = JSON.stringify(before) !== JSON.stringify(after);
  if (!changed) return ok(viewOf(emulator, call, cluster));
  emulator.tell("CLUSTER_UPDATE_SUBMITTED", cluster.name);
  followBackup(emulator, cluster, before);
  if (before.paused !== after.paused) changePause(emulator, cluster, after.paused);
  else beginUpdate(emulator, cluster, emulator.durations.updateMs);
  return ok(viewOf(emulator, call, cluster));
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

export function deleteCluster(emulator: Emulator, call: Call): Answer {
  const cluster = emulator.cluster(call);
  requireDeletable(emulator, cluster);
  const retain = flag(call.url.searchParams, "retainBackups", emulator.world.compliance !== undefined);
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
      `Cannot terminate cluster ${cluster.name} in group ${emulator.world.groupId} when termination protection is enabled.`,
      cluster.name,
      emulator.world.groupId,
    );
  }
}

/** How far changes of users have spread; it never speaks of creation. */
export function getStatus(emulator: Emulator, call: Call): Answer {
  emulator.cluster(call);
  return ok({ changeStatus: "APPLIED" });
}

/** Whether all shards grow together, or each by itself: of a replica set it is one and the same. */
export function getAutoScaling(emulator: Emulator, call: Call): Answer {
  emulator.cluster(call);
  return ok({ autoScalingMode: "CLUSTER_WIDE_SCALING" });
}
