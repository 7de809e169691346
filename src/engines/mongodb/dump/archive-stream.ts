// The bytes of a dump: every collection read, several at a time, assembled into one archive.
import { LifeboatError } from "../../../core/errors.ts";
import { writeMetadata } from "../archive/metadata.ts";
import { dataCollection, OPLOG, type Prelude } from "../archive/prelude.ts";
import type { MongoSession } from "../connect/client.ts";
import { type Assembler, assembleHere, assembleInThread } from "./assembler.ts";
import type { WrittenCollection } from "./assembly.ts";
import type { SourceCollection } from "./collections.ts";
import { interleave } from "./interleave.ts";
import { readingLanes } from "./lanes.ts";
import { type CollectionItem, type ReadingOptions, readCollection } from "./read-collection.ts";

export interface StreamOptions extends ReadingOptions {
  readonly collections: readonly SourceCollection[];
  /** Definitions only. */
  readonly schemaOnly: boolean;
  /** After every collection: what changed meanwhile. */
  readonly oplog?: (() => AsyncGenerator<{ readonly documents: Uint8Array; readonly count: number }, void>) | undefined;
  /** A thread of its own assembles: worth it for everything that takes longer than to start one. */
  readonly thread: boolean;
  readonly toolVersion: string;
  /** Called just before the end, with what was written of each collection. */
  readonly onWritten: (written: readonly WrittenCollection[]) => void;
}

/** Batches that the assembler may have before one is waited for. */
const UNDER_WAY = 3;

/** Ends only when all was read, written and judged. Errors of reading are the driver's; DUMP_INCOMPLETE, SOURCE_CHANGED. */
export async function* streamArchive(mongo: MongoSession, options: StreamOptions): AsyncGenerator<Uint8Array, void> {
  const prelude = preludeOf(mongo, options);
  const assembler = options.thread ? assembleInThread(prelude) : assembleHere(prelude);
  const underWay: Promise<readonly Uint8Array[]>[] = [];
  try {
    underWay.push(seen(assembler.begin()));
    for await (const item of itemsOf(mongo, options)) {
      underWay.push(seen(give(assembler, item)));
      while (underWay.length > UNDER_WAY) yield* await (underWay.shift() as Promise<readonly Uint8Array[]>);
    }
    for (const pieces of underWay) yield* await pieces;
    options.onWritten(await assembler.end());
  } finally {
    await assembler.dispose();
  }
}

/** A failure is met when it is awaited; until then it is no unhandled one. */
function seen<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

const give = (assembler: Assembler, item: CollectionItem): Promise<readonly Uint8Array[]> =>
  item.kind === "end" ? assembler.close(item.index) : assembler.add(item.index, item.documents, item.count);

async function* itemsOf(mongo: MongoSession, options: StreamOptions): AsyncGenerator<CollectionItem, void> {
  const { collections, schemaOnly, oplog } = options;
  if (schemaOnly) {
    for (const index of collections.keys()) yield { kind: "end", index };
    return;
  }
  const sources = collections.map((source, index) => () => readCollection(mongo, index, source, options));
  yield* interleave(sources, readingLanes());
  // Last, as whoever restores must have every document before the first change.
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
