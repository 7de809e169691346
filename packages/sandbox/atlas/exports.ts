// Export jobs: a snapshot copied into a bucket as compressed extended JSON.
import { iso, onlyKnown, optional, requiredId } from "./body.ts";
import { linkTo } from "./cluster-view.ts";
import { type Answer, type ApiRequest, type Emulator, ok } from "./emulator.ts";
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

export function createExport(emulator: Emulator, request: ApiRequest): Answer {
  const cluster = backedUp(emulator, request);
  onlyKnown(request.body, ["snapshotId", "exportBucketId", "customData", "links"]);
  const snapshot = completed(cluster, requiredId(request.body, "snapshotId"));
  const bucket = bucketOf(emulator, requiredId(request.body, "exportBucketId"));
  const job = beginExport(emulator, cluster, snapshot, bucket, optional(request.body, "customData", "array") ?? []);
  return ok(view(emulator, cluster, job));
}

export function listExports(emulator: Emulator, request: ApiRequest): Answer {
  const cluster = emulator.holder(request);
  return ok(page(request.url, [...cluster.exports.values()].reverse(), (job) => view(emulator, cluster, job)));
}

export function getExport(emulator: Emulator, request: ApiRequest): Answer {
  const cluster = emulator.holder(request);
  const job = cluster.exports.get(request.params.exportId ?? "");
  if (job === undefined)
    throw missing("EXPORT_JOB_NOT_FOUND", `No export job with ID ${request.params.exportId} exists.`, request.params.exportId);
  return ok(view(emulator, cluster, job));
}
