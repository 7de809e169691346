// A restore of collections from its beginning to its end. The cluster goes on serving.
import { isThere } from "./cluster-work.ts";
import { type CollectionContents, collectionsOf, databasesOf } from "./contents.ts";
import type { MongoState } from "./data.ts";
import type { Realm } from "./realm.ts";
import type { Cluster, CollectionProgress, CollectionRestore } from "./state.ts";

interface Wish {
  readonly progress: CollectionProgress;
  readonly contents: CollectionContents | undefined;
}

interface Namespace {
  readonly sourceNamespace: string;
  readonly targetNamespace?: string;
}

export function beginCollectionRestore(realm: Realm, source: Cluster, job: CollectionRestore, target: Cluster, data: MongoState): void {
  const wishes = wishesOf(job, data);
  job.collections = wishes.map((each) => each.progress);
  const outcome = realm.faults.outcome("collectionRestore", target.name);
  const lastsMs = realm.durations.collectionRestoreMs;
  realm.later(lastsMs * 0.1, () => {
    job.state = "IN_PROGRESS";
    for (const { progress } of wishes) {
      if (progress.state !== "NOT_STARTED") continue;
      progress.state = "IN_PROGRESS";
      progress.restoredDocuments = Math.floor(progress.totalDocuments / 2);
    }
    if (outcome === "hang") return;
    realm.later(lastsMs * 0.8, async () => {
      if (outcome === "fail" || !isThere(realm, target)) {
        for (const { progress } of wishes) Object.assign(progress, { state: "FAILED", restoredDocuments: 0 });
        return finish(realm, source, job, "The restore failed.");
      }
      for (const wish of wishes) await restoreOne(job, target, wish);
      job.state = "FINALIZING";
      const left = wishes.filter(({ progress }) => progress.state !== "SUCCESSFUL");
      const message = left.map(({ progress }) => `${progress.sourceNamespace}: ${progress.state}`).join(", ");
      realm.later(lastsMs * 0.1, () => finish(realm, source, job, left.length === 0 ? undefined : message));
    });
  });
}

function finish(realm: Realm, source: Cluster, job: CollectionRestore, errorMessage: string | undefined): void {
  const some = job.collections.some((each) => each.state === "SUCCESSFUL");
  job.state = errorMessage === undefined ? "SUCCESSFUL" : "FAILED";
  job.errorMessage = errorMessage;
  job.finishedAt = realm.now();
  const result = errorMessage === undefined ? "SUCCESSFUL" : some ? "PARTIAL_SUCCESS" : "FAILED";
  realm.tell(`CPS_COLLECTION_RESTORE_${result}`, source.name, { restoreJobId: job.id });
}

async function restoreOne(job: CollectionRestore, target: Cluster, { progress, contents }: Wish): Promise<void> {
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
function wishesOf(job: CollectionRestore, data: MongoState): Wish[] {
  const { request } = job;
  const databaseSuffix = String(request.databaseSuffix ?? "");
  const collectionSuffix = String(request.collectionSuffix ?? "");
  const wish = (db: string, name: string, target: string): Wish => {
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
    return wish(db, name, targetNamespace ?? `${db}${databaseSuffix}.${name}${collectionSuffix}`);
  });
  const whole = (request.databases as readonly Namespace[]).flatMap(({ sourceNamespace: db, targetNamespace }) => {
    const into = targetNamespace ?? `${db}${databaseSuffix}`;
    if (!databasesOf(data).includes(db)) return [];
    return collectionsOf(data, db).map(({ name }) => wish(db, name, `${into}.${name}${collectionSuffix}`));
  });
  return [...chosen, ...whole];
}
