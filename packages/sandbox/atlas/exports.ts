// Export jobs: a snapshot copied into a bucket as compressed extended JSON.
import { iso, onlyKnown, optional, requiredId } from "./body.ts";
import { linkTo } from "./cluster-view.ts";
import { type Answer, type Call, type Emulator, ok } from "./emulator.ts";
import { missing } from "./errors.ts";
import { bucketOf } from "./export-buckets.ts";
import { beginExport } from "./export-work.ts";
import { page } from "./paging.ts";
import { backedUp, completed } from "./snapshots.ts";
import type { Cluster, ExportJob } from "./state.ts";

function view(emulator: Emulator, cluster: Cluster, job: ExportJob): object {
  return {
    components: [],
    createdAt: iso(job.createdAt),
    customData: job.customData,
    exportBucketId: job.bucketId,
    exportStatus: { exportedCollections: job.exported, totalCollections: job.total },
    finishedAt: job.finishedAt === undefined ? null : iso(job.finishedAt),
    id: job.id,
    links: [{ href: linkTo(emulator, `/clusters/${cluster.name}/backup/exports/${job.id}`), rel: "self" }],
    prefix: job.prefix,
    snapshotId: job.snapshot.id,
    state: job.state,
    stateReason: job.reason === undefined ? null : { errorCode: "EXPORT_FAILED", message: job.reason },
  };
}

export function createExport(emulator: Emulator, call: Call): Answer {
  const cluster = backedUp(emulator, call);
  onlyKnown(call.body, ["snapshotId", "exportBucketId", "customData", "links"]);
  const snapshot = completed(cluster, requiredId(call.body, "snapshotId"));
  const bucket = bucketOf(emulator, requiredId(call.body, "exportBucketId"));
  const job = beginExport(emulator, cluster, snapshot, bucket, optional(call.body, "customData", "array") ?? []);
  return ok(view(emulator, cluster, job));
}

export function listExports(emulator: Emulator, call: Call): Answer {
  const cluster = emulator.holder(call);
  return ok(page(call.url, [...cluster.exports.values()].reverse(), (job) => view(emulator, cluster, job)));
}

export function getExport(emulator: Emulator, call: Call): Answer {
  const cluster = emulator.holder(call);
  const job = cluster.exports.get(call.params.exportId ?? "");
  if (job === undefined)
    throw missing("EXPORT_JOB_NOT_FOUND", `No export job with ID ${call.params.exportId} exists.`, call.params.exportId);
  return ok(view(emulator, cluster, job));
}
