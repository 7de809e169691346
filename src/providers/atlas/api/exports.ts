// Calls about copies of snapshots in object storages of the user's own.
import type { Work } from "../../../ports/connection.ts";
import { instantOfId, type Json, needText, number, partOf, text } from "./read.ts";
import { orGone, type Session } from "./session.ts";
import type { AtlasBucket, AtlasExport } from "./types.ts";

export interface ExportCalls {
  buckets(work?: Work): Promise<AtlasBucket[]>;
  exports(cluster: string, work?: Work): Promise<AtlasExport[]>;
  /** Begins it. Never two: a lost answer is followed by a look for one that was not there before. */
  createExport(cluster: string, spec: { readonly snapshotId: string; readonly bucketId: string }, work?: Work): Promise<AtlasExport>;
  exportJob(cluster: string, id: string, work?: Work): Promise<AtlasExport | undefined>;
}

export function exportCalls({ ask, list }: Session): ExportCalls {
  const exports = (cluster: string, work?: Work): Promise<AtlasExport[]> =>
    list({ endpoint: "listExports", doing: `list the exports of ${cluster}`, path: { cluster }, read: readExport }, work);
  return {
    // `_id`, unlike everywhere else.
    buckets: (work) =>
      list(
        {
          endpoint: "listBuckets",
          doing: "list the project's buckets for exports",
          read: (row) => ({
            id: needText(row._id ?? row.id, "bucket id"),
            name: needText(row.bucketName, "bucket name"),
            cloud: text(row.cloudProvider),
          }),
        },
        work,
      ),
    exports,
    async createExport(cluster, { snapshotId, bucketId }, work) {
      const before = new Set((await exports(cluster, work)).map(({ id }) => id));
      return await ask(
        {
          endpoint: "createExport",
          doing: `export the snapshot ${snapshotId} of ${cluster}`,
          path: { cluster },
          body: { snapshotId, exportBucketId: bucketId },
          read: readExport,
          look: async () =>
            (await exports(cluster, work)).find((one) => !before.has(one.id) && one.snapshotId === snapshotId && one.bucketId === bucketId),
        },
        work,
      );
    },
    exportJob: (cluster, id, work) =>
      orGone(ask({ endpoint: "readExport", doing: `show the export ${id}`, path: { cluster, id }, read: readExport }, work)),
  };
}

function readExport(from: Json): AtlasExport {
  const id = needText(from.id, "export id");
  const status = partOf(from.exportStatus);
  const why = partOf(from.stateReason);
  return {
    id,
    requestedAt: instantOfId(id),
    snapshotId: text(from.snapshotId),
    bucketId: needText(from.exportBucketId, "bucket of an export"),
    state: needText(from.state, "state of an export"),
    why: text(why.message) ?? text(why.errorCode),
    prefix: text(from.prefix),
    exported: number(status.exportedCollections),
    total: number(status.totalCollections),
  };
}
