// Restores of chosen collections or databases into a running cluster.
import { iso, oneOf, onlyKnown, optional, required, requiredId } from "./body.ts";
import { beginCollectionRestore } from "./collection-restore-work.ts";
import type { MongoState } from "./data.ts";
import { type Answer, type ApiRequest, type Emulator, ok } from "./emulator.ts";
import { conflict, invalidAttribute, missing, missingAttribute, refused } from "./errors.ts";
import { page } from "./paging.ts";
import { backedUp, completed } from "./snapshots.ts";
import { type Cluster, type CollectionProgress, type CollectionRestore, instanceSizeOf, type Json } from "./state.ts";
import { targetPointOf } from "./target-point.ts";
import { isNvme } from "./tiers.ts";
import { requireReachable } from "./window.ts";

const MOST = 100;
const KNOWN = [
  "snapshotId",
  "pointInTimeUtcSeconds",
  "oplogTs",
  "oplogInc",
  "targetGroupId",
  "targetClusterName",
  "writeStrategy",
  "indexStrategy",
  "databases",
  "collections",
  "databaseSuffix",
  "collectionSuffix",
];

export function createCollectionRestore(emulator: Emulator, request: ApiRequest): Answer {
  const source = backedUp(emulator, request);
  const { body } = request;
  onlyKnown(body, KNOWN);
  emulator.requireGroup(requiredId(body, "targetGroupId"));
  const target = emulator.anyCluster(required(body, "targetClusterName", "string"));
  if (oneOf(body, "writeStrategy", ["CREATE_NEW", "OVERWRITE_EXISTING"]) === undefined) throw missingAttribute("writeStrategy");
  if (oneOf(body, "indexStrategy", ["ALL", "NONE", "ALL_EXCEPT_TTL"]) === undefined) throw missingAttribute("indexStrategy");
  requireReady(emulator, source, target);
  const requested = { ...body, databases: namespaces(body, "databases"), collections: namespaces(body, "collections") };
  if (requested.databases.length + requested.collections.length === 0) throw missingAttribute("collections");
  const data = dataOf(emulator, source, body);
  const job: CollectionRestore = {
    id: emulator.mint(),
    createdAt: emulator.now(),
    request: requested,
    targetClusterName: target.name,
    state: "INITIALIZING",
    collections: [],
  };
  source.collectionRestores.set(job.id, job);
  beginCollectionRestore(emulator, source, job, target, data);
  return { status: 201, body: view(job) };
}

function requireReady(emulator: Emulator, source: Cluster, target: Cluster): void {
  if (isNvme(instanceSizeOf(source)) || isNvme(instanceSizeOf(target)))
    throw refused("COLLECTION_RESTORE_NOT_SUPPORTED", "Collections cannot be restored with NVMe storage.");
  if (target.settings.paused) throw refused("CLUSTER_PAUSED_CANNOT_RESTORE", `Cluster ${target.name} is paused.`, target.name);
  const busy = [...emulator.store.clusters.values()].some((cluster) =>
    [...cluster.collectionRestores.values()].some((job) => job.targetClusterName === target.name && job.finishedAt === undefined),
  );
  if (busy || target.restoring !== undefined)
    throw conflict("ATLAS_CLUSTER_RESTORE_IN_PROGRESS", `A restore to ${target.name} is in progress.`, target.name);
  if (target.data === undefined) throw conflict("CLUSTER_NOT_IDLE", `Cluster ${target.name} is ${target.stateName}.`, target.name);
}

/** The capitals of the seconds' name differ from those of restore jobs. */
function dataOf(emulator: Emulator, source: Cluster, body: Json): MongoState {
  const id = optional(body, "snapshotId", "string");
  if (id !== undefined) return completed(source, id).data;
  const wanted = targetPointOf(body, "pointInTimeUtcSeconds");
  const now = emulator.now();
  requireReachable(source, wanted, now, new Date(now.getTime() - emulator.durations.oplogLagMs));
  const data = source.data?.stateAt(wanted);
  if (data === undefined) throw refused("INVALID_PIT_RESTORE_TIME", `The log of ${source.name} cannot be read.`, source.name);
  return data;
}

function namespaces(body: Json, key: string): readonly { readonly sourceNamespace: string; readonly targetNamespace?: string }[] {
  const given = optional(body, key, "array") ?? [];
  if (given.length > MOST) throw refused("TOO_MANY_NAMESPACES", `At most ${MOST} ${key} can be restored at once.`, given.length);
  return given.map((raw) => {
    const { sourceNamespace, targetNamespace } = (raw ?? {}) as Json;
    if (typeof sourceNamespace !== "string" || sourceNamespace === "") throw invalidAttribute(`${key}.sourceNamespace`);
    if (targetNamespace === undefined || targetNamespace === null) return { sourceNamespace };
    if (typeof targetNamespace !== "string") throw invalidAttribute(`${key}.targetNamespace`);
    return { sourceNamespace, targetNamespace };
  });
}

const sum = (job: CollectionRestore, key: "restoredDocuments" | "totalDocuments"): number =>
  job.collections.reduce((total, each) => total + each[key], 0);

function view(job: CollectionRestore): object {
  const said = (key: string): unknown => job.request[key] ?? null;
  const done = job.state === "SUCCESSFUL" || job.state === "FAILED";
  return {
    collectionSuffix: said("collectionSuffix"),
    collections: said("collections"),
    createdAt: iso(job.createdAt),
    databaseSuffix: said("databaseSuffix"),
    databases: said("databases"),
    errorMessage: job.errorMessage ?? null,
    finishedAt: job.finishedAt === undefined ? null : iso(job.finishedAt),
    id: job.id,
    indexStatus: {
      failedCollectionCount: 0,
      state: job.request.indexStrategy === "NONE" ? "NOT_RESTORED" : done ? "SUCCESSFUL" : "NOT_STARTED",
    },
    indexStrategy: said("indexStrategy"),
    oplogInc: said("oplogInc"),
    oplogTs: said("oplogTs"),
    pointInTimeUtcSeconds: said("pointInTimeUtcSeconds"),
    restoredDocuments: sum(job, "restoredDocuments"),
    snapshotId: said("snapshotId"),
    state: job.state,
    targetClusterName: job.targetClusterName,
    targetGroupId: said("targetGroupId"),
    totalDocuments: sum(job, "totalDocuments"),
    writeStrategy: said("writeStrategy"),
  };
}

export function listCollectionRestores(emulator: Emulator, request: ApiRequest): Answer {
  const source = emulator.holder(request);
  return ok(page(request.url, [...source.collectionRestores.values()].reverse(), view));
}

function jobOf(emulator: Emulator, request: ApiRequest): CollectionRestore {
  const source = emulator.holder(request);
  const job = source.collectionRestores.get(request.params.jobId ?? "");
  if (job === undefined)
    throw missing("RESTORE_JOB_NOT_FOUND", `No restore job with ID ${request.params.jobId} exists.`, request.params.jobId);
  return job;
}

export function getCollectionRestore(emulator: Emulator, request: ApiRequest): Answer {
  return ok(view(jobOf(emulator, request)));
}

const collectionView = (each: CollectionProgress): object => ({
  effectiveTargetNamespace: each.targetNamespace,
  indexStatus: { errorMessage: null, failedIndexes: [], state: each.indexState },
  restoredDocuments: each.restoredDocuments,
  sourceNamespace: each.sourceNamespace,
  state: each.state,
  targetNamespace: each.targetNamespace,
  totalDocuments: each.totalDocuments,
});

export function listRestoredCollections(emulator: Emulator, request: ApiRequest): Answer {
  const job = jobOf(emulator, request);
  const query = request.url.searchParams;
  const meant = job.collections.filter(
    (each) =>
      (query.get("state") ?? each.state) === each.state &&
      (query.get("sourceNamespace") ?? each.sourceNamespace) === each.sourceNamespace &&
      (query.get("targetNamespace") ?? each.targetNamespace) === each.targetNamespace,
  );
  return ok(page(request.url, meant, collectionView));
}

export function getRestoredCollection(emulator: Emulator, request: ApiRequest): Answer {
  const job = jobOf(emulator, request);
  const found = job.collections.find((each) => each.sourceNamespace === request.params.sourceNamespace);
  if (found === undefined)
    throw missing("COLLECTION_NOT_FOUND", `${request.params.sourceNamespace} is not in this job.`, request.params.sourceNamespace);
  return ok(collectionView(found));
}
