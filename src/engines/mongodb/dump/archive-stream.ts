// The bytes of a dump: every collection read, several at a time, assembled into one archive.
import { LifeboatError } from "../../../core/errors.ts";
import { writeMetadata } from "../archive/metadata.ts";
import { dataCollection, OPLOG, type Prelude } from "../archive/prelude.ts";
import { LARGE_BYTES, LargeReplies } from "../bson/large-replies.ts";
import type { MongoSession } from "../connect/connect.ts";
import { ArchiveAssembly, type WrittenCollection } from "./assembly.ts";
import type { SourceCollection } from "./collections.ts";
import { interleave, readingLanes } from "./interleave.ts";
import { type CollectionItem, type ReadingOptions, readCollection } from "./read-collection.ts";

export interface StreamOptions extends ReadingOptions {
  readonly collections: readonly SourceCollection[];
  /** Definitions only. */
  readonly schemaOnly: boolean;
  /** After every collection: what changed meanwhile. */
  readonly oplog?: (() => AsyncGenerator<{ readonly documents: Uint8Array; readonly count: number }, void>) | undefined;
  readonly toolVersion: string;
  /** Called just before the end, with what was written of each collection. */
  readonly onWritten: (written: readonly WrittenCollection[]) => void;
}

/** The size of pieces in bytes. Compression and encryption allocate as much as they are given at a time, so a document of 16 MB is divided. */
const PIECE_BYTES = 1024 * 1024;

/** Ends only when all was read, written and judged. Errors of reading are the driver's; DUMP_INCOMPLETE, SOURCE_CHANGED. */
export async function* streamArchive(mongo: MongoSession, options: StreamOptions): AsyncGenerator<Uint8Array, void> {
  // On this thread: another would hash beside it, but costs half as much again in handing over, and 40 MB. Measured on two cores, of
  // which the compressor and the network need their part.
  const assembly = new ArchiveAssembly(preludeOf(mongo, options));
  yield* assembly.begin();
  for await (const item of itemsOf(mongo, options)) {
    const pieces = item.kind === "end" ? assembly.close(item.index) : assembly.add(item.index, item.documents, item.count);
    for (const piece of pieces) yield* partsOf(piece);
  }
  options.onWritten(assembly.end());
}

/** Divides a piece. The memory of a large reply is freed when the next item is asked for, so its parts are copies. */
function* partsOf(piece: Uint8Array): Generator<Uint8Array, void> {
  const isFreed = piece.buffer.byteLength > LARGE_BYTES;
  for (let at = 0; at < piece.length; at += PIECE_BYTES) {
    const part = piece.subarray(at, at + PIECE_BYTES);
    yield isFreed ? Uint8Array.from(part) : part;
  }
}

async function* itemsOf(mongo: MongoSession, options: StreamOptions): AsyncGenerator<CollectionItem, void> {
  const { collections, schemaOnly, oplog } = options;
  if (schemaOnly) {
    for (const index of collections.keys()) yield { kind: "end", index };
    return;
  }
  const reading = { ...options, large: new LargeReplies() };
  const sources = collections.map((source, index) => () => readCollection(mongo, index, source, reading));
  yield* interleave(sources, readingLanes());
  // Last: a restore must have every document before the first change.
  if (oplog === undefined) return;
  const index = collections.length;
  for await (const batch of oplog()) yield { kind: "documents", index, ...batch };
  yield { kind: "end", index };
}

function preludeOf(mongo: MongoSession, { collections, oplog, schemaOnly, toolVersion }: StreamOptions): Prelude {
  const serverVersion = mongo.hello.version;
  const listed = collections.map((source) => {
    const { db, collection, type, data } = source;
    if (data !== undefined && data !== dataCollection(source, serverVersion)) {
      throw new LifeboatError("BUG", `the documents of ${db}.${collection} would be written under another name than they are read under`);
    }
    return { db, collection, type, metadata: writeMetadata(source) };
  });
  const slice = oplog === undefined || schemaOnly ? [] : [OPLOG];
  return { concurrentCollections: readingLanes(), serverVersion, toolVersion, collections: [...listed, ...slice] };
}
