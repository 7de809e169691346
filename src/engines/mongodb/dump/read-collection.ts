// The documents of one collection, batch by batch, and the end only when they were all of that very collection.
import { LifeboatError } from "../../../core/errors.ts";
import { hasBucketCollections } from "../archive/prelude.ts";
import { freeLarge, type LargeReplies } from "../bson/large-replies.ts";
import { readRaw } from "../bson/raw-cursor.ts";
import type { MongoSession } from "../connect/connect.ts";
import { isStillThere, type SourceCollection } from "./collections.ts";
import { type ReadInstant, readConcernOf } from "./consistency.ts";

/** From one of several collections that are read side by side, by its place in their list. */
export type CollectionItem =
  | { readonly kind: "documents"; readonly index: number; readonly documents: Uint8Array; readonly count: number }
  | { readonly kind: "end"; readonly index: number };

export interface ReadingOptions extends ReadInstant {
  readonly large?: LargeReplies | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Throws SOURCE_CHANGED when it is another collection by now, and the driver's errors. */
export async function* readCollection(
  mongo: MongoSession,
  index: number,
  source: SourceCollection,
  { consistency, snapshot, sliceStart, large, signal }: ReadingOptions,
): AsyncGenerator<CollectionItem, void> {
  const { db, data, table } = source;
  if (data !== undefined) {
    let rows = 0;
    for await (const batch of readRaw(mongo, db, findCommand(mongo, source, { consistency, snapshot, sliceStart }), { large, signal })) {
      rows += batch.count;
      yield { kind: "documents", index, ...batch };
      freeLarge(batch.documents);
    }
    // A name that is no longer there reads as an empty collection, without any error. In a snapshot one that gave documents was the right
    // one; without it, it may have been made anew. What the oplog tells of that is applied later.
    const doubtful = consistency === "none" || (consistency === "snapshot" && rows === 0);
    if (doubtful && !(await isStillThere(mongo, source))) {
      throw new LifeboatError(
        "SOURCE_CHANGED",
        `${table} was dropped, renamed or made anew while it was read from ${mongo.connection.label}`,
      );
    }
  }
  yield { kind: "end", index };
}

function findCommand(mongo: MongoSession, { data, type }: SourceCollection, instant: ReadInstant) {
  return {
    find: data,
    filter: {},
    // Says that everything is wanted: servers may be set to refuse what only looks like a missing index.
    hint: { $natural: 1 },
    // Servers without bucket collections give the buckets of a time series only when told so.
    ...(type === "timeseries" && !hasBucketCollections(mongo.hello.version) ? { rawData: true } : {}),
    ...readConcernOf(instant),
  };
}
