// The beginning of a mongodump archive: which server it came from, and every collection it holds with its metadata.
import { serialize } from "bson";
import { LifeboatError } from "../../../core/errors.ts";
import { readDocument } from "../bson/bson.ts";

/** The four bytes that every archive begins with. */
export const MAGIC = Uint8Array.of(0x6d, 0xe2, 0x99, 0x81);
/** Ends the prelude and every block: no document has this length. */
export const TERMINATOR = Uint8Array.of(0xff, 0xff, 0xff, 0xff);
const FORMAT_VERSION = "0.1";

/** `""`: the oplog, which is not a collection of a user. Older tools wrote it for collections too. */
export type CollectionType = "collection" | "view" | "timeseries" | "";

/** A collection as the prelude names it. */
export interface ArchiveCollection {
  readonly db: string;
  readonly collection: string;
  readonly type: CollectionType;
  /** Options, indexes and more as canonical extended JSON (see metadata.ts); empty for the oplog. */
  readonly metadata: string;
}

export interface Prelude {
  /** The number of collections that were read at a time, as a hint for restores. */
  readonly concurrentCollections: number;
  readonly serverVersion: string;
  readonly toolVersion: string;
  readonly collections: readonly ArchiveCollection[];
}

/** The slice of the oplog that a dump may hold, as the prelude names it. */
export const OPLOG: ArchiveCollection = { db: "", collection: "oplog", type: "", metadata: "" };

export const isOplog = ({ db, collection }: Pick<ArchiveCollection, "db" | "collection">): boolean =>
  db === OPLOG.db && collection === OPLOG.collection;

/** Servers before 8.3 keep the documents of a time series in a collection of another name. */
export const BUCKETS_PREFIX = "system.buckets.";

/** Whether a server of that version keeps the documents of time series under `system.buckets.`; of an unknown version: as older ones. */
export function hasBucketCollections(serverVersion: string): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(serverVersion) ?? [];
  return major === undefined || Number(major) < 8 || (Number(major) === 8 && Number(minor) < 3);
}

/** The collection under whose name the documents lie. */
export function dataCollection({ collection, type }: Pick<ArchiveCollection, "collection" | "type">, serverVersion: string): string {
  return type === "timeseries" && hasBucketCollections(serverVersion) ? `${BUCKETS_PREFIX}${collection}` : collection;
}

/** The bytes up to the first block. */
export function writePrelude(prelude: Prelude): Uint8Array {
  const header = {
    concurrent_collections: prelude.concurrentCollections,
    version: FORMAT_VERSION,
    server_version: prelude.serverVersion,
    tool_version: prelude.toolVersion,
  };
  // `size` is 0 in every archive that the tools write, and no tool reads it.
  const entries = prelude.collections.map(({ db, collection, metadata, type }) => serialize({ db, collection, metadata, size: 0, type }));
  return Buffer.concat([MAGIC, serialize(header), ...entries, TERMINATOR]);
}

/** The first document of the prelude, without its collections. INTEGRITY when it is none. */
export function readPreludeHeader(bytes: Uint8Array): Omit<Prelude, "collections"> {
  const header = readDocument(bytes, "the archive's header");
  if (header.version !== FORMAT_VERSION) {
    throw new LifeboatError("INTEGRITY", `the archive is of format ${String(header.version)}, not ${FORMAT_VERSION}`);
  }
  const { concurrent_collections: concurrent, server_version: serverVersion, tool_version: toolVersion } = header;
  if (typeof concurrent !== "number" || typeof serverVersion !== "string" || typeof toolVersion !== "string") {
    throw new LifeboatError("INTEGRITY", "the archive's header lacks a field or holds one of the wrong type");
  }
  return { concurrentCollections: concurrent, serverVersion, toolVersion };
}

const TYPES: ReadonlySet<unknown> = new Set<CollectionType>(["collection", "view", "timeseries", ""]);

/** One collection of the prelude. INTEGRITY when it is none. */
export function readPreludeEntry(bytes: Uint8Array): ArchiveCollection {
  const { db, collection, metadata, type = "" } = readDocument(bytes, "the archive's list of collections");
  if (typeof db !== "string" || typeof collection !== "string" || typeof metadata !== "string" || collection === "" || !TYPES.has(type)) {
    throw new LifeboatError("INTEGRITY", "the archive's list of collections lacks a field or holds one of the wrong type");
  }
  return { db, collection, metadata, type: type as CollectionType };
}
