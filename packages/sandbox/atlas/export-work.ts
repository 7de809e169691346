// An export from the request to its end: one compressed file and one of metadata per collection, and a mark at the end.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { deserialize, EJSON } from "bson";
import { metadataOf } from "./archive.ts";
import { type CollectionContents, collectionsOf, databasesOf } from "./contents.ts";
import type { Emulator } from "./emulator.ts";
import type { Cluster, ExportBucket, ExportJob, Snapshot } from "./state.ts";

export function beginExport(
  emulator: Emulator,
  cluster: Cluster,
  snapshot: Snapshot,
  bucket: ExportBucket,
  customData: readonly unknown[],
): ExportJob {
  const now = emulator.now();
  const { data } = snapshot;
  const collections =
    data === undefined ? [] : databasesOf(data).flatMap((db) => collectionsOf(data, db).filter((each) => each.kind === "collection"));
  const job: ExportJob = {
    id: emulator.mint(),
    createdAt: now,
    snapshot,
    bucketId: bucket.id,
    customData,
    prefix: prefixOf(emulator, cluster, snapshot, now),
    state: "Queued",
    exported: 0,
    total: collections.length,
  };
  cluster.exports.set(job.id, job);
  const outcome = emulator.faults.outcome("export", cluster.name);
  emulator.later(emulator.durations.exportQueueMs, () => {
    job.state = "InProgress";
    if (outcome === "hang") return;
    emulator.later(emulator.durations.exportMs, async () => {
      const home = join(await checkPermission(emulator, bucket.bucketName), job.prefix);
      for (const collection of collections) {
        if (outcome === "fail" && job.exported * 2 >= job.total) return end(emulator, cluster, job, "The bucket could not be written to.");
        await writeCollection(home, cluster.replicaSetName, collection);
        job.exported++;
      }
      if (outcome === "fail") return end(emulator, cluster, job, "The bucket could not be written to.");
      await mkdir(home, { recursive: true });
      await writeFile(join(home, ".complete"), JSON.stringify({ customData }));
      end(emulator, cluster, job, undefined);
    });
  });
  return job;
}

function end(emulator: Emulator, cluster: Cluster, job: ExportJob, reason: string | undefined): void {
  job.state = reason === undefined ? "Successful" : "Failed";
  job.reason = reason;
  job.finishedAt = emulator.now();
  emulator.tell(reason === undefined ? "CPS_EXPORT_SUCCESSFUL" : "CPS_EXPORT_FAILED", cluster.name, { exportJobId: job.id });
}

/** exported_snapshots/{org}/{project}/{cluster}/{the snapshot's time}/{the export's time, in seconds}; ids unless names are asked for. */
function prefixOf(emulator: Emulator, cluster: Cluster, snapshot: Snapshot, now: Date): string {
  const { orgId, orgName, groupId, groupName } = emulator.store;
  const named = cluster.schedule?.more.useOrgAndGroupNamesInExportPrefix === true;
  const taken = (snapshot.createdAt ?? now).toISOString().slice(0, 16).replaceAll(":", "");
  const where = named ? [orgName, groupName] : [orgId, groupId];
  return ["exported_snapshots", ...where, cluster.name, taken, Math.floor(now.getTime() / 1000)].join("/");
}

/** An empty file shows that the bucket can be written to. Returns the directory that stands for it. */
export async function checkPermission(emulator: Emulator, bucketName: string): Promise<string> {
  const directory = join(await emulator.bucketRoot(), bucketName);
  await mkdir(join(directory, "exported_snapshots"), { recursive: true });
  await writeFile(join(directory, "exported_snapshots", ".permissioncheck"), "");
  return directory;
}

async function writeCollection(home: string, replicaSet: string, collection: CollectionContents): Promise<void> {
  const directory = join(home, encodeURIComponent(collection.db), encodeURIComponent(collection.name));
  await mkdir(directory, { recursive: true });
  const lines = [...collection.documents()].map((bytes) => `${EJSON.stringify(deserialize(bytes, TYPED), { relaxed: false })}\n`);
  await writeFile(join(directory, `${replicaSet}.0.json.gz`), gzipSync(lines.join(""), { level: 1 }));
  await writeFile(join(directory, "metadata.json"), metadataOf(collection));
}

const TYPED = { promoteValues: false, bsonRegExp: true } as const;

/** The schedule exports what it takes. */
export function exportScheduled(emulator: Emulator, cluster: Cluster, snapshot: Snapshot, bucketId: string): void {
  const bucket = emulator.store.buckets.get(bucketId);
  if (bucket === undefined) emulator.tell("CPS_AUTO_EXPORT_FAILED", cluster.name);
  else beginExport(emulator, cluster, snapshot, bucket, []);
}
