// Restore jobs: onto a cluster from a snapshot or a point in time, or as an archive to be fetched. There is no status, only booleans.
import { iso, oneOf, onlyKnown, required, requiredId } from "./body.ts";
import { linkTo } from "./cluster-view.ts";
import { type Answer, type Call, type Emulator, GONE, ok } from "./emulator.ts";
import { missing, missingAttribute, refused } from "./errors.ts";
import { page } from "./paging.ts";
import { requireTarget } from "./restore-target.ts";
import { beginDownload, beginRestore, newJob } from "./restore-work.ts";
import { backedUp, completed } from "./snapshots.ts";
import type { Cluster, RestoreJob } from "./state.ts";
import { wantedInstant } from "./wanted.ts";
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

export function createRestoreJob(emulator: Emulator, call: Call): Answer {
  const source = backedUp(emulator, call);
  onlyKnown(call.body, KNOWN);
  const deliveryType = oneOf(call.body, "deliveryType", ["automated", "download", "pointInTime"]);
  if (deliveryType === undefined) throw missingAttribute("deliveryType");
  const make = { automated: createAutomated, download: createDownload, pointInTime: createPointInTime }[deliveryType];
  const job = make(emulator, call, source);
  source.restoreJobs.set(job.id, job);
  emulator.tell("CPS_RESTORE_REQUESTED_AUDIT", source.name, { restoreJobId: job.id });
  return ok(view(emulator, source, job));
}

function createAutomated(emulator: Emulator, call: Call, source: Cluster): RestoreJob {
  const snapshot = completed(source, requiredId(call.body, "snapshotId"));
  const target = targetOf(emulator, call);
  requireTarget(emulator, target, {
    version: snapshot.mongodVersion ?? "",
    sizeBytes: snapshot.storageSizeBytes,
    encryption: snapshot.encryption,
  });
  const job = newJob(emulator, {
    deliveryType: "automated",
    snapshot,
    targetClusterName: target.name,
    targetGroupId: emulator.world.groupId,
  });
  beginRestore(emulator, job, target, snapshot.data, emulator.durations.restoreMs);
  return job;
}

function createPointInTime(emulator: Emulator, call: Call, source: Cluster): RestoreJob {
  const wanted = wantedInstant(call.body, "pointInTimeUTCSeconds");
  const target = targetOf(emulator, call);
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
    targetGroupId: emulator.world.groupId,
    ...(wanted.kind === "seconds" ? { seconds: wanted.seconds } : { oplog: { t: wanted.t, i: wanted.i } }),
  });
  beginRestore(emulator, job, target, data, emulator.durations.restoreMs);
  return job;
}

function createDownload(emulator: Emulator, call: Call, source: Cluster): RestoreJob {
  const snapshot = completed(source, requiredId(call.body, "snapshotId"));
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
function targetOf(emulator: Emulator, call: Call): Cluster {
  const groupId = requiredId(call.body, "targetGroupId");
  const name = required(call.body, "targetClusterName", "string");
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
export function listRestoreJobs(emulator: Emulator, call: Call): Answer {
  const source = emulator.holder(call);
  return ok(page(call.url, [...source.restoreJobs.values()].reverse(), (job) => view(emulator, source, job)));
}

function jobOf(source: Cluster, call: Call): RestoreJob {
  const job = source.restoreJobs.get(call.params.restoreJobId ?? "");
  if (job === undefined)
    throw missing(
      "RESTORE_JOB_NOT_FOUND",
      `No restore job with ID ${call.params.restoreJobId} exists for cluster ${source.name}.`,
      call.params.restoreJobId,
    );
  return job;
}

export function getRestoreJob(emulator: Emulator, call: Call): Answer {
  const source = emulator.holder(call);
  return ok(view(emulator, source, jobOf(source, call)));
}

/** Only a download can be called off. */
export function cancelRestoreJob(emulator: Emulator, call: Call): Answer {
  const job = jobOf(emulator.holder(call), call);
  if (job.deliveryType !== "download")
    throw refused("CANNOT_CANCEL_AUTOMATED_RESTORE", "A restore onto a cluster cannot be cancelled.", job.id);
  job.cancelled = true;
  for (const [secret] of emulator.downloads) if (job.deliveryUrl?.includes(secret) === true) emulator.downloads.delete(secret);
  return GONE;
}
