// A restore of collections from its beginning to its end. The cluster keeps serving.
import { isThere } from "./cluster-work.ts";
import { type CollectionContents, collectionsOf, databasesOf } from "./contents.ts";
import type { MongoState } from "./data.ts";
import type { Emulator } from "./emulator.ts";
import type { Cluster, CollectionProgress, CollectionRestore } from "./state.ts";

interface PlannedRestore {
  readonly progress: CollectionProgress;
  readonly contents: CollectionContents | undefined;
}

interface Namespace {
  readonly sourceNamespace: string;
  readonly targetNamespace?: string;
}

export function beginCollectionRestore(
  emulator: Emulator,
  source: Cluster,
  job: CollectionRestore,
  target: Cluster,
  data: MongoState,
): void {
  const requested = requestsOf(job, data);
  job.collections = requested.map((each) => each.progress);
  const outcome = emulator.faults.outcome("collectionRestore", target.name);
  const lastsMs = emulator.durations.collectionRestoreMs;
  emulator.later(lastsMs * 0.1, () => {
    job.state = "IN_PROGRESS";
    for (const { progress } of requested) {
      if (progress.state !== "NOT_STARTED") continue;
      progress.state = "IN_PROGRESS";
      progress.restoredDocuments = Math.floor(progress.totalDocuments / 2);
    }
    if (outcome === "hang") return;
    emulator.later(lastsMs * 0.8, async () => {
      if (outcome === "fail" || !isThere(emulator, target)) {
        for (const { progress } of requested) Object.assign(progress, { state: "FAILED", restoredDocuments: 0 });
        return finish(emulator, source, job, "The restore failed.");
      }
      for (const each of requested) await restoreOne(job, target, each);
      job.state = "FINALIZING";
      const left = requested.filter(({ progress }) => progress.state !== "SUCCESSFUL");
      const message = left.map(({ progress }) => `${progress.sourceNamespace}: ${progress.state}`).join(", ");
      emulator.later(lastsMs * 0.1, () => finish(emulator, source, job, left.length === 0 ? undefined : message));
    });
  });
}

function finish(emulator: Emulator, source: Cluster, job: CollectionRestore, errorMessage: string | undefined): void {
  const some = job.collections.some((each) => each.state === "SUCCESSFUL");
  job.state = errorMessage === undefined ? "SUCCESSFUL" : "FAILED";
  job.errorMessage = errorMessage;
  job.finishedAt = emulator.now();
  const result = errorMessage === undefined ? "SUCCESSFUL" : some ? "PARTIAL_SUCCESS" : "FAILED";
  emulator.tell(`CPS_COLLECTION_RESTORE_${result}`, source.name, { restoreJobId: job.id });
}

async function restoreOne(job: CollectionRestore, target: Cluster, { progress, contents }: PlannedRestore): Promise<void> {
  if (contents === undefined || progress.state !== "IN_PROGRESS" || target.data === undefined) return;
  const [db, name] = split(progress.targetNamespace);
  const overwrite = job.request.writeStrategy === "OVERWRITE_EXISTING";
  const indexes = contents.indexes.filter((index) => {
    if (index.name === "_id_") return true;
    if (job.request.indexStrategy === "NONE") return false;
    return job.request.indexStrategy === "ALL" || index.expireAfterSeconds === undefined;
  });
  const done = await target.data.putCollection({ db, name, contents, indexes, overwrite });
  progress.state = done ? "SUCCESSFUL" : "FAILED";
  progress.restoredDocuments = done ? progress.totalDocuments : 0;
  progress.indexState = done ? (job.request.indexStrategy === "NONE" ? "NOT_RESTORED" : "SUCCESSFUL") : "FAILED";
}

function split(namespace: string): readonly [string, string] {
  const dot = namespace.indexOf(".");
  return [namespace.slice(0, dot), namespace.slice(dot + 1)];
}

/** Every collection that is asked for, by its name or its database's. */
function requestsOf(job: CollectionRestore, data: MongoState): PlannedRestore[] {
  const { request } = job;
  const databaseSuffix = String(request.databaseSuffix ?? "");
  const collectionSuffix = String(request.collectionSuffix ?? "");
  const planned = (db: string, name: string, target: string): PlannedRestore => {
    const contents = collectionsOf(data, db).find((each) => each.name === name);
    const state = contents === undefined ? "NOT_FOUND" : contents.kind === "collection" ? "NOT_STARTED" : "UNSUPPORTED";
    const progress: CollectionProgress = {
      sourceNamespace: `${db}.${name}`,
      targetNamespace: target,
      state,
      restoredDocuments: 0,
      totalDocuments: state === "NOT_STARTED" ? (contents?.count() ?? 0) : 0,
      indexState: "NOT_STARTED",
    };
    return { progress, contents };
  };
  const chosen = (request.collections as readonly Namespace[]).map(({ sourceNamespace, targetNamespace }) => {
    const [db, name] = split(sourceNamespace);
    return planned(db, name, targetNamespace ?? `${db}${databaseSuffix}.${name}${collectionSuffix}`);
  });
  const whole = (request.databases as readonly Namespace[]).flatMap(({ sourceNamespace: db, targetNamespace }) => {
    const into = targetNamespace ?? `${db}${databaseSuffix}`;
    if (!databasesOf(data).includes(db)) return [];
    return collectionsOf(data, db).map(({ name }) => planned(db, name, `${into}.${name}${collectionSuffix}`));
  });
  return [...chosen, ...whole];
}
