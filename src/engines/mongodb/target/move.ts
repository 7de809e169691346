// Moves collections between databases of one server: renamed where the server does that, which copies it in one act, copied by us where not.
import type { Document } from "mongodb";
import { LifeboatError } from "../../../core/errors.ts";
import { type Metadata, readMetadata, writeMetadata } from "../archive/metadata.ts";
import { hasBucketCollections } from "../archive/prelude.ts";
import { readRaw } from "../bson/raw-cursor.ts";
import { insertRaw } from "../bson/raw-insert.ts";
import type { MongoSession } from "../connect/connect.ts";
import { serverCodeOf } from "../connect/translate.ts";
import { describeCollection, type SourceCollection } from "../dump/collections.ts";
import { definitionOf } from "../load/definition.ts";
import { bucketsOf, type Namespace } from "../scope.ts";
import { MAJORITY } from "./mark.ts";

const NOT_FOUND = 26;
/** What a server says of a collection that it moves to no other database: an encrypted one, one with images of changes. */
const REFUSALS = new Set([20, 115]);

/** Moves a collection under a name that is free. The copy is complete before the first one is dropped. */
export async function moveCollection(session: MongoSession, from: Namespace, to: Namespace): Promise<void> {
  const [source, target] = [`${from.db}.${from.collection}`, `${to.db}.${to.collection}`];
  try {
    await session.command("admin", { renameCollection: source, to: target, writeConcern: MAJORITY });
  } catch (error) {
    if (!REFUSALS.has(serverCodeOf(error) ?? 0)) throw error;
    const one = await describeCollection(session, from.db, from.collection);
    if (one === undefined) throw error;
    await copyInto(session, one, to);
    await dropCollection(session, from.db, from.collection);
  }
}

/** Makes the collection anew with its documents as the bytes that they are, its indexes and its rules. LOAD_FAILED for a refused document. */
export async function copyInto(session: MongoSession, one: SourceCollection, to: Namespace): Promise<void> {
  const { create, indexes, later, last } = definitionOf(metadataOf(one));
  await session.command(to.db, { create: to.collection, ...create, writeConcern: MAJORITY });
  if (one.type === "view") return;
  await copyDocuments(session, one, to);
  if (one.type === "timeseries") await dropOtherIndexes(session, to, new Set(indexes.map(({ name }) => name)));
  if (indexes.length > 0) await session.command(to.db, { createIndexes: to.collection, indexes: [...indexes] });
  for (const change of [...(later === undefined ? [] : [later]), ...last])
    await session.command(to.db, { collMod: to.collection, ...change, writeConcern: MAJORITY });
}

async function copyDocuments(session: MongoSession, one: SourceCollection, to: Namespace): Promise<void> {
  const series = one.type === "timeseries";
  const buckets = series && hasBucketCollections(session.hello.version);
  const options: Document = series && !buckets ? { rawData: true } : {};
  const collection = buckets ? bucketsOf(to.collection) : to.collection;
  for await (const { documents } of readRaw(session, one.db, { find: one.data ?? one.collection, ...options })) {
    const reply = await insertRaw(session, { db: to.db, collection, pieces: [documents], ordered: true, options });
    const [refused] = reply.refused;
    if (refused === undefined) continue;
    throw new LifeboatError("LOAD_FAILED", `${one.db}.${one.collection} could not be copied to ${to.db}: ${refused.errmsg}`);
  }
}

/** A time series is made with an index, which may have been dropped. */
async function dropOtherIndexes(session: MongoSession, { db, collection }: Namespace, wanted: ReadonlySet<unknown>): Promise<void> {
  const made = (await session.command(db, { listIndexes: collection, cursor: { batchSize: 1000 } })).cursor.firstBatch as Document[];
  for (const { name } of made.filter((index) => !wanted.has(index.name)))
    await session.command(db, { dropIndexes: collection, index: name });
}

/** One that is not there is no error. */
export async function dropCollection(session: MongoSession, db: string, collection: string): Promise<void> {
  await session.command(db, { drop: collection, writeConcern: MAJORITY }).catch((error: unknown) => {
    if (serverCodeOf(error) !== NOT_FOUND) throw error;
  });
}

/** As an archive would hold it. */
const metadataOf = (one: SourceCollection): Metadata => readMetadata(writeMetadata(one));
