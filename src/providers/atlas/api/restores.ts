// Calls about restores: of whole clusters, of chosen collections, and of Flex clusters.
import type { Work } from "../../../ports/connection.ts";
import { instant, instantOfId, type Json, needText, number, rowsOf, text } from "./read.ts";
import { orGone, type Session } from "./session.ts";
import type { AtlasCollectionRestore, AtlasRestoredCollection, AtlasRestoreJob, RestoreWhat } from "./types.ts";

export interface RestoreSpec {
  /** The cluster whose past it is. */
  readonly source: string;
  readonly what: RestoreWhat;
  /** The cluster that is overwritten. */
  readonly target: string;
}

export interface CollectionRestoreSpec extends RestoreSpec {
  readonly namespaces: readonly string[];
  /** Absent: what is there is overwritten. Otherwise they come back under names that end so. */
  readonly suffix?: string | undefined;
}

export interface RestoreCalls {
  restoreJobs(source: string, work?: Work): Promise<AtlasRestoreJob[]>;
  /** Begins it. Never two: a lost answer is followed by a look for a job that was not there before. */
  createRestore(spec: RestoreSpec, work?: Work): Promise<AtlasRestoreJob>;
  restoreJob(source: string, id: string, work?: Work): Promise<AtlasRestoreJob | undefined>;
  createCollectionRestore(spec: CollectionRestoreSpec, work?: Work): Promise<AtlasCollectionRestore>;
  collectionRestore(source: string, id: string, work?: Work): Promise<AtlasCollectionRestore | undefined>;
  restoredCollections(source: string, id: string, work?: Work): Promise<AtlasRestoredCollection[]>;
  createFlexRestore(
    spec: { readonly source: string; readonly snapshotId: string; readonly target: string },
    work?: Work,
  ): Promise<AtlasRestoreJob>;
  flexRestore(source: string, id: string, work?: Work): Promise<AtlasRestoreJob | undefined>;
}

export function restoreCalls({ groupId, ask, list }: Session): RestoreCalls {
  const jobs = (source: string, work?: Work): Promise<AtlasRestoreJob[]> =>
    list({ endpoint: "listRestoreJobs", doing: `list the restores of ${source}`, path: { cluster: source }, read: readJob }, work);
  const collectionJobs = (source: string, work?: Work): Promise<AtlasCollectionRestore[]> =>
    list(
      {
        endpoint: "listCollectionRestores",
        doing: `list the collection restores of ${source}`,
        path: { cluster: source },
        read: readCollectionJob,
      },
      work,
    );
  const flexJobs = (source: string, work?: Work): Promise<AtlasRestoreJob[]> =>
    list({ endpoint: "listFlexRestores", doing: `list the restores of ${source}`, path: { cluster: source }, read: readFlexJob }, work);

  return {
    restoreJobs: jobs,
    async createRestore({ source, what, target }, work) {
      const before = new Set((await jobs(source, work)).map(({ id }) => id));
      return await ask(
        {
          endpoint: "createRestoreJob",
          doing: `restore ${source} to ${target}`,
          path: { cluster: source },
          body: {
            deliveryType: "snapshotId" in what ? "automated" : "pointInTime",
            targetClusterName: target,
            targetGroupId: groupId,
            ...bodyOf(what),
          },
          read: readJob,
          look: async () => (await jobs(source, work)).find((job) => !before.has(job.id) && job.target === target),
        },
        work,
      );
    },
    restoreJob: (source, id, work) =>
      orGone(ask({ endpoint: "readRestoreJob", doing: `show the restore ${id}`, path: { cluster: source, id }, read: readJob }, work)),
    async createCollectionRestore({ source, what, target, namespaces, suffix }, work) {
      const before = new Set((await collectionJobs(source, work)).map(({ id }) => id));
      return await ask(
        {
          endpoint: "createCollectionRestore",
          doing: `restore collections of ${source}`,
          path: { cluster: source },
          body: {
            targetClusterName: target,
            targetGroupId: groupId,
            writeStrategy: suffix === undefined ? "OVERWRITE_EXISTING" : "CREATE_NEW",
            indexStrategy: "ALL",
            collections: namespaces.map((sourceNamespace) => ({ sourceNamespace })),
            ...(suffix === undefined ? {} : { collectionSuffix: suffix }),
            ...collectionBodyOf(what),
          },
          read: readCollectionJob,
          look: async () => (await collectionJobs(source, work)).find(({ id }) => !before.has(id)),
        },
        work,
      );
    },
    collectionRestore: (source, id, work) =>
      orGone(
        ask(
          {
            endpoint: "readCollectionRestore",
            doing: `show the collection restore ${id}`,
            path: { cluster: source, id },
            read: readCollectionJob,
          },
          work,
        ),
      ),
    restoredCollections: (source, id, work) =>
      list(
        {
          endpoint: "listRestoredCollections",
          doing: `show what the collection restore ${id} did`,
          path: { cluster: source, id },
          read: (row) => ({
            source: needText(row.sourceNamespace, "restored collection"),
            target: text(row.effectiveTargetNamespace) ?? text(row.targetNamespace),
            state: needText(row.state, "state of a restored collection"),
          }),
        },
        work,
      ),
    async createFlexRestore({ source, snapshotId, target }, work) {
      const before = new Set((await flexJobs(source, work)).map(({ id }) => id));
      return await ask(
        {
          endpoint: "createFlexRestore",
          doing: `restore ${source} to ${target}`,
          path: { cluster: source },
          body: { snapshotId, targetDeploymentItemName: target, targetProjectId: groupId },
          read: readFlexJob,
          look: async () => (await flexJobs(source, work)).find((job) => !before.has(job.id) && job.target === target),
        },
        work,
      );
    },
    flexRestore: (source, id, work) =>
      orGone(ask({ endpoint: "readFlexRestore", doing: `show the restore ${id}`, path: { cluster: source, id }, read: readFlexJob }, work)),
  };
}

/** Capitals differ between the two kinds of restore. */
function bodyOf(what: RestoreWhat): Json {
  if ("snapshotId" in what) return { snapshotId: what.snapshotId };
  if ("seconds" in what) return { pointInTimeUTCSeconds: what.seconds };
  return { oplogTs: what.oplog.seconds, oplogInc: what.oplog.increment };
}

const collectionBodyOf = (what: RestoreWhat): Json => ("seconds" in what ? { pointInTimeUtcSeconds: what.seconds } : bodyOf(what));

function readJob(from: Json): AtlasRestoreJob {
  const id = needText(from.id, "restore job id");
  return {
    id,
    requestedAt: instantOfId(id),
    target: text(from.targetClusterName),
    targetGroupId: text(from.targetGroupId),
    snapshotId: text(from.snapshotId),
    finishedAt: instant(from.finishedAt, "end of a restore"),
    failed: from.failed === true,
    cancelled: from.cancelled === true,
    expired: from.expired === true,
  };
}

function readFlexJob(from: Json): AtlasRestoreJob {
  const id = needText(from.id, "restore job id");
  const status = needText(from.status, "status of a restore");
  const finishedAt = instant(from.restoreFinishedDate, "end of a restore");
  return {
    id,
    requestedAt: instantOfId(id),
    target: text(from.targetDeploymentItemName),
    targetGroupId: text(from.targetProjectId),
    snapshotId: text(from.snapshotId),
    finishedAt: status === "COMPLETED" ? (finishedAt ?? instantOfId(id)) : undefined,
    failed: status === "FAILED",
    cancelled: false,
    expired: false,
  };
}

function readCollectionJob(from: Json): AtlasCollectionRestore {
  const id = needText(from.id, "collection restore id");
  return {
    id,
    requestedAt: instantOfId(id),
    state: needText(from.state, "state of a collection restore"),
    error: text(from.errorMessage),
    restored: number(from.restoredDocuments),
    total: number(from.totalDocuments),
    suffix: text(from.collectionSuffix),
    namespaces: rowsOf(from.collections).flatMap(({ sourceNamespace }) => text(sourceNamespace) ?? []),
  };
}
