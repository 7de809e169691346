// Backups of Flex clusters: a snapshot a day, restores onto replica sets, downloads. Statuses are words here.
import { iso, onlyKnown, optional, required, requiredId } from "./body.ts";
import { linkTo } from "./cluster-view.ts";
import { type Answer, type ApiRequest, type Emulator, ok } from "./emulator.ts";
import { AtlasApiError, conflict, missing, refused } from "./errors.ts";
import { page } from "./paging.ts";
import { beginDownload, beginRestore, newJob } from "./restore-work.ts";
import { completed, snapshotOf } from "./snapshots.ts";
import type { Cluster, RestoreJob, Snapshot } from "./state.ts";

const STATUS = { queued: "QUEUED", inProgress: "RUNNING", completed: "COMPLETED", failed: "FAILED" } as const;

const snapshotView = (emulator: Emulator, snapshot: Snapshot): object => ({
  expiration: iso(snapshot.expiresAt),
  finishTime: snapshot.status === "completed" && snapshot.createdAt !== undefined ? iso(snapshot.createdAt) : null,
  id: snapshot.id,
  links: [{ href: linkTo(emulator, `/flexClusters/${snapshot.clusterName}/backup/snapshots/${snapshot.id}`), rel: "self" }],
  mongoDBVersion: snapshot.mongodVersion ?? null,
  scheduledTime: snapshot.createdAt === undefined ? null : iso(snapshot.createdAt),
  startTime: snapshot.createdAt === undefined ? null : iso(snapshot.createdAt),
  status: STATUS[snapshot.status],
});

export function listFlexSnapshots(emulator: Emulator, request: ApiRequest): Answer {
  const all = [...emulator.flex(request).snapshots.values()].reverse();
  return ok(page(request.url, all, (snapshot) => snapshotView(emulator, snapshot)));
}

export function getFlexSnapshot(emulator: Emulator, request: ApiRequest): Answer {
  return ok(snapshotView(emulator, snapshotOf(emulator.flex(request), request.params.snapshotId)));
}

function jobView(emulator: Emulator, cluster: Cluster, job: RestoreJob): object {
  const ready = job.deliveryUrl !== undefined;
  const finished = job.finishedAt !== undefined || ready;
  return {
    deliveryType: job.deliveryType === "download" ? "DOWNLOAD" : "RESTORE",
    expirationDate: job.expiresAt === undefined ? null : iso(job.expiresAt),
    id: job.id,
    instanceName: cluster.name,
    links: [{ href: linkTo(emulator, `/flexClusters/${cluster.name}/backup/restoreJobs/${job.id}`), rel: "self" }],
    projectId: emulator.store.groupId,
    restoreFinishedDate: job.finishedAt === undefined ? null : iso(job.finishedAt),
    restoreScheduledDate: iso(job.requestedAt),
    snapshotFinishedDate: job.snapshot?.createdAt === undefined ? null : iso(job.snapshot.createdAt),
    snapshotId: job.snapshot?.id ?? null,
    snapshotUrl: job.deliveryUrl ?? null,
    status: job.failed ? "FAILED" : finished ? "COMPLETED" : "RUNNING",
    targetDeploymentItemName: job.targetClusterName ?? null,
    targetProjectId: job.targetGroupId ?? null,
  };
}

export function createFlexRestore(emulator: Emulator, request: ApiRequest): Answer {
  const source = emulator.flex(request);
  onlyKnown(request.body, ["snapshotId", "targetDeploymentItemName", "targetProjectId"]);
  const snapshot = completed(source, requiredId(request.body, "snapshotId"));
  const project = optional(request.body, "targetProjectId", "string") ?? emulator.store.groupId;
  emulator.requireGroup(project);
  const target = emulator.anyCluster(required(request.body, "targetDeploymentItemName", "string"));
  if (target.restoring !== undefined)
    throw conflict("ATLAS_CLUSTER_RESTORE_IN_PROGRESS", `A restore to ${target.name} is in progress.`, target.name);
  if (target.kind === "free")
    throw new AtlasApiError(403, "CANNOT_RESTORE_TO_TARGET", `Cannot restore to ${target.name}: it is free.`, [target.name]);
  if (target.stateName !== "IDLE") throw refused("CLUSTER_NOT_IDLE", `Cluster ${target.name} is ${target.stateName}.`, target.name);
  const job = newJob(emulator, { deliveryType: "automated", snapshot, targetClusterName: target.name, targetGroupId: project });
  source.restoreJobs.set(job.id, job);
  beginRestore(emulator, job, target, snapshot.data, emulator.durations.flexRestoreMs);
  emulator.tell("TENANT_RESTORE_REQUESTED_AUDIT", source.name);
  return ok(jobView(emulator, source, job));
}

export function createFlexDownload(emulator: Emulator, request: ApiRequest): Answer {
  const source = emulator.flex(request);
  onlyKnown(request.body, ["snapshotId"]);
  const snapshot = completed(source, requiredId(request.body, "snapshotId"));
  const job = newJob(emulator, { deliveryType: "download", snapshot, targetClusterName: undefined, targetGroupId: undefined });
  source.restoreJobs.set(job.id, job);
  beginDownload(emulator, source, job, snapshot);
  emulator.tell("TENANT_SNAPSHOT_DOWNLOAD_REQUESTED_AUDIT", source.name);
  return ok(jobView(emulator, source, job));
}

export function listFlexRestores(emulator: Emulator, request: ApiRequest): Answer {
  const source = emulator.flex(request);
  return ok(page(request.url, [...source.restoreJobs.values()].reverse(), (job) => jobView(emulator, source, job)));
}

export function getFlexRestore(emulator: Emulator, request: ApiRequest): Answer {
  const source = emulator.flex(request);
  const job = source.restoreJobs.get(request.params.restoreJobId ?? "");
  if (job === undefined)
    throw missing("RESTORE_JOB_NOT_FOUND", `No restore job with ID ${request.params.restoreJobId} exists.`, request.params.restoreJobId);
  return ok(jobView(emulator, source, job));
}
