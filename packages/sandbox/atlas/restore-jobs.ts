// Restore jobs: onto a cluster from a snapshot or a point in time, or as an archive to download. There is no status, only booleans.
import { iso, oneOf, onlyKnown, required, requiredId } from "./body.ts";
import { linkTo } from "./cluster-view.ts";
import { type Answer, type ApiRequest, type Emulator, GONE, ok } from "./emulator.ts";
import { AtlasApiError, conflict, missing, missingAttribute, refused } from "./errors.ts";
import { page } from "./paging.ts";
import { beginDownload, beginRestore, newJob } from "./restore-work.ts";
import { backedUp, completed } from "./snapshots.ts";
import { type Cluster, diskGBOf, type RestoreJob } from "./state.ts";
import { targetPointOf } from "./target-point.ts";
import { takesDataOf } from "./tiers.ts";
import { baseFor, requireReachable } from "./window.ts";

const KNOWN = [
  "deliveryType",
  "snapshotId",
  "targetClusterName",
  "targetGroupId",
  "pointInTimeUTCSeconds",
  "oplogTs",
  "oplogInc",
  "id",
  "links",
];

export function createRestoreJob(emulator: Emulator, request: ApiRequest): Answer {
  const source = backedUp(emulator, request);
  onlyKnown(request.body, KNOWN);
  const deliveryType = oneOf(request.body, "deliveryType", ["automated", "download", "pointInTime"]);
  if (deliveryType === undefined) throw missingAttribute("deliveryType");
  const make = { automated: createAutomated, download: createDownload, pointInTime: createPointInTime }[deliveryType];
  const job = make(emulator, request, source);
  source.restoreJobs.set(job.id, job);
  emulator.tell("CPS_RESTORE_REQUESTED_AUDIT", source.name, { restoreJobId: job.id });
  return ok(view(emulator, source, job));
}

function createAutomated(emulator: Emulator, request: ApiRequest, source: Cluster): RestoreJob {
  const snapshot = completed(source, requiredId(request.body, "snapshotId"));
  const target = targetOf(emulator, request);
  requireTarget(emulator, target, {
    version: snapshot.mongodVersion ?? "",
    sizeBytes: snapshot.storageSizeBytes,
    encryption: snapshot.encryption,
  });
  const job = newJob(emulator, {
    deliveryType: "automated",
    snapshot,
    targetClusterName: target.name,
    targetGroupId: emulator.store.groupId,
  });
  beginRestore(emulator, job, target, snapshot.data, emulator.durations.restoreMs);
  return job;
}

function createPointInTime(emulator: Emulator, request: ApiRequest, source: Cluster): RestoreJob {
  const wanted = targetPointOf(request.body, "pointInTimeUTCSeconds");
  const target = targetOf(emulator, request);
  const now = emulator.now();
  requireReachable(source, wanted, now, new Date(now.getTime() - emulator.durations.oplogLagMs));
  const snapshot = baseFor(source, wanted.end);
  const { mongoDBVersion: version, encryptionAtRestProvider: encryption } = source.settings;
  requireTarget(emulator, target, { version, sizeBytes: snapshot?.storageSizeBytes ?? 0, encryption });
  const data = source.data?.stateAt(wanted);
  if (data === undefined) throw refused("INVALID_PIT_RESTORE_TIME", `The log of ${source.name} cannot be read.`, source.name);
  const job = newJob(emulator, {
    deliveryType: "pointInTime",
    snapshot,
    targetClusterName: target.name,
    targetGroupId: emulator.store.groupId,
    ...(wanted.kind === "seconds" ? { seconds: wanted.seconds } : { oplog: { t: wanted.t, i: wanted.i } }),
  });
  beginRestore(emulator, job, target, data, emulator.durations.restoreMs);
  return job;
}

function createDownload(emulator: Emulator, request: ApiRequest, source: Cluster): RestoreJob {
  const snapshot = completed(source, requiredId(request.body, "snapshotId"));
  if (snapshot.encryption !== "NONE")
    throw refused(
      "CANNOT_DOWNLOAD_SNAPSHOT_WITH_ENCRYPTION",
      `Snapshot ${snapshot.id} is encrypted with a key of yours and cannot be downloaded.`,
      snapshot.id,
    );
  const job = newJob(emulator, { deliveryType: "download", snapshot, targetClusterName: undefined, targetGroupId: undefined });
  beginDownload(emulator, source, job, snapshot);
  return job;
}

/** In the same project: the account has one only. */
function targetOf(emulator: Emulator, request: ApiRequest): Cluster {
  const groupId = requiredId(request.body, "targetGroupId");
  const name = required(request.body, "targetClusterName", "string");
  emulator.requireGroup(groupId);
  return emulator.anyCluster(name);
}

function view(emulator: Emulator, source: Cluster, job: RestoreJob): object {
  const expired = job.expiresAt !== undefined && job.expiresAt <= emulator.now();
  const desired = job.oplog ?? (job.seconds === undefined ? undefined : { t: job.seconds, i: null });
  return {
    cancelled: job.cancelled,
    components: [],
    deliveryType: job.deliveryType,
    deliveryUrl: job.deliveryUrl === undefined || expired ? [] : [job.deliveryUrl],
    desiredTimestamp: { date: desired === undefined ? null : iso(new Date(desired.t * 1000)), increment: desired?.i ?? null },
    expired,
    expiresAt: job.expiresAt === undefined ? null : iso(job.expiresAt),
    failed: job.failed,
    finishedAt: job.finishedAt === undefined ? null : iso(job.finishedAt),
    id: job.id,
    links: [{ href: linkTo(emulator, `/clusters/${source.name}/backup/restoreJobs/${job.id}`), rel: "self" }],
    oplogInc: job.oplog?.i ?? null,
    oplogTs: job.oplog?.t ?? null,
    pointInTimeUTCSeconds: job.seconds ?? null,
    snapshotId: job.snapshot?.id ?? null,
    targetClusterName: job.targetClusterName ?? null,
    targetDeploymentItemName: job.targetClusterName ?? null,
    targetGroupId: job.targetGroupId ?? null,
    timestamp: job.snapshot?.createdAt === undefined ? null : iso(job.snapshot.createdAt),
  };
}

/** Newest first. */
export function listRestoreJobs(emulator: Emulator, request: ApiRequest): Answer {
  const source = emulator.holder(request);
  return ok(page(request.url, [...source.restoreJobs.values()].reverse(), (job) => view(emulator, source, job)));
}

function jobOf(source: Cluster, request: ApiRequest): RestoreJob {
  const job = source.restoreJobs.get(request.params.restoreJobId ?? "");
  if (job === undefined)
    throw missing(
      "RESTORE_JOB_NOT_FOUND",
      `No restore job with ID ${request.params.restoreJobId} exists for cluster ${source.name}.`,
      request.params.restoreJobId,
    );
  return job;
}

export function getRestoreJob(emulator: Emulator, request: ApiRequest): Answer {
  const source = emulator.holder(request);
  return ok(view(emulator, source, jobOf(source, request)));
}

/** Only a download can be cancelled. */
export function cancelRestoreJob(emulator: Emulator, request: ApiRequest): Answer {
  const job = jobOf(emulator.holder(request), request);
  if (job.deliveryType !== "download")
    throw refused("CANNOT_CANCEL_AUTOMATED_RESTORE", "A restore onto a cluster cannot be cancelled.", job.id);
  job.cancelled = true;
  for (const [secret] of emulator.downloads) if (job.deliveryUrl?.includes(secret) === true) emulator.downloads.delete(secret);
  return GONE;
}

export interface Incoming {
  readonly version: string;
  readonly sizeBytes: number;
  readonly encryption: string;
}

const GB = 1024 ** 3;

export function requireTarget(emulator: Emulator, target: Cluster, { version, sizeBytes, encryption }: Incoming): void {
  const { name, settings } = target;
  const cannot = (detail: string): AtlasApiError =>
    new AtlasApiError(403, "CANNOT_RESTORE_TO_TARGET", `Cannot restore to ${name}: ${detail}.`, [name, emulator.store.groupId]);
  if (target.restoring !== undefined) throw conflict("ATLAS_CLUSTER_RESTORE_IN_PROGRESS", `A restore to ${name} is in progress.`, name);
  if (settings.paused) throw refused("CLUSTER_PAUSED_CANNOT_RESTORE", `Cluster ${name} is paused and cannot be restored to.`, name);
  if (target.stateName !== "IDLE" || target.data === undefined)
    throw conflict("CLUSTER_NOT_IDLE", `Cluster ${name} is ${target.stateName}: it cannot be restored to now.`, name);
  if (target.kind !== "dedicated") throw cannot("it is not a dedicated cluster");
  if (!takesDataOf(settings.mongoDBVersion, version)) throw cannot(`its version ${settings.mongoDBVersion} is older than ${version}`);
  if (sizeBytes > diskGBOf(target) * GB) throw cannot(`its disk of ${diskGBOf(target)} GB is too small`);
  if (encryption !== "NONE" && settings.encryptionAtRestProvider !== encryption)
    throw refused("INVALID_SNAPSHOT_RESTORE_ENCRYPTION", `The data is encrypted with a key of ${encryption}, the target is not.`, name);
}
