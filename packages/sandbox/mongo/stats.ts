// Sizes and counts. The real server's differ: nothing is compressed here.
import type { Document } from "bson";
import { definitionOf, type Namespace } from "./catalog.ts";
import { isOplog } from "./scan.ts";
import type { Store } from "./store.ts";
import { bucketsName } from "./timeseries-read.ts";
import { toNumber } from "./values.ts";

export function collectionStats(store: Store, db: string, name: string): Document {
  if (isOplog(store, db, name)) {
    return {
      ns: `${db}.${name}`,
      count: store.oplog.count,
      size: store.oplog.sizeBytes,
      storageSize: store.oplog.sizeBytes,
      nindexes: 0,
      capped: true,
      maxSize: store.oplog.limitBytes,
    };
  }
  const found = store.find(db, name);
  const namespace = found?.kind === "timeseries" ? store.find(db, bucketsName(name)) : found;
  const { count, sizeBytes, indexes, options } = figuresOf(namespace);
  return {
    ns: `${db}.${name}`,
    size: sizeBytes,
    count,
    numOrphanDocs: 0,
    ...(count === 0 ? {} : { avgObjSize: Math.floor(sizeBytes / count) }),
    storageSize: sizeBytes,
    freeStorageSize: 0,
    capped: options.capped === true,
    ...(options.capped === true ? { max: toNumber(options.max ?? 0), maxSize: toNumber(options.size) } : {}),
    nindexes: indexes.length,
    indexDetails: {},
    indexBuilds: [],
    totalIndexSize: indexes.length * 4096,
    totalSize: sizeBytes + indexes.length * 4096,
    indexSizes: Object.fromEntries(indexes.map((spec) => [spec.name, 4096])),
    scaleFactor: 1,
  };
}

function figuresOf(namespace: Namespace | undefined): {
  count: number;
  sizeBytes: number;
  indexes: readonly Document[];
  options: Document;
} {
  if (namespace === undefined) return { count: 0, sizeBytes: 0, indexes: [], options: {} };
  const { indexes, options } = definitionOf(namespace);
  return { count: namespace.records?.count ?? 0, sizeBytes: namespace.records?.sizeBytes ?? 0, indexes, options };
}

export function databaseStats(store: Store, db: string): Document {
  const all = store.catalog.in(db).map((namespace) => ({ namespace, ...figuresOf(namespace) }));
  const objects = all.reduce((sum, { count }) => sum + count, 0);
  const dataSize = all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const indexes = all.reduce((sum, each) => sum + each.indexes.length, 0);
  return {
    db,
    collections: all.filter(({ namespace }) => namespace.kind !== "view").length,
    views: all.filter(({ namespace }) => namespace.kind === "view").length,
    objects,
    avgObjSize: objects === 0 ? 0 : dataSize / objects,
    dataSize,
    storageSize: dataSize,
    indexes,
    indexSize: indexes * 4096,
    totalSize: dataSize + indexes * 4096,
    scaleFactor: 1,
    fsUsedSize: 0,
    fsTotalSize: 0,
  };
}
