// What there is to be dumped: every collection of the scope as the server describes it, in raw BSON.
import { type Document, serialize } from "bson";
import type { Omission } from "../../../core/fingerprint.ts";
import { type RawDefinition, writeMetadata } from "../archive/metadata.ts";
import { hasBucketCollections } from "../archive/prelude.ts";
import { documentsOf, type Element, elementsOf, TYPE, textOf } from "../bson/bson.ts";
import { readRaw } from "../bson/raw-cursor.ts";
import type { MongoSession } from "../connect/connect.ts";
import { serverCodeOf } from "../connect/translate.ts";
import { bucketsOf, type Chooser, databasesOf, isBuckets, isServerCollection, type Scope, tableName } from "../scope.ts";

export interface SourceCollection extends RawDefinition {
  readonly db: string;
  /** How the scope calls it. */
  readonly table: string;
  /** Under which its documents are read; undefined for a view, which has none. */
  readonly data?: string | undefined;
}

export interface Listing {
  /** Sorted by name. */
  readonly collections: readonly SourceCollection[];
  /** What the server keeps for itself beside them. */
  readonly omitted: readonly Omission[];
}

const EMPTY_DOCUMENT = serialize({});
const NAMESPACE_NOT_FOUND = 26;
/** Collections whose indexes are asked for at a time. */
const AT_A_TIME = 4;

/** Lists the collections that the scope and `chooses` cover, without those dropped meanwhile. Throws the driver's errors. */
export async function listSource(mongo: MongoSession, scope: Scope, chooses: Chooser): Promise<Listing> {
  const present = scope.database === undefined ? await mongo.databases() : [];
  const collections: SourceCollection[] = [];
  const omitted: Omission[] = [];
  for (const db of databasesOf(scope, present)) {
    const listed = await listDatabase(mongo, db);
    const own = listed.filter(({ collection }) => !isServerCollection(collection) && !isBuckets(collection));
    const series = new Set(own.filter(({ type }) => type === "timeseries").map(({ collection }) => bucketsOf(collection)));
    for (const { collection } of listed) {
      const table = tableName(scope, { db, collection });
      const reason = isBuckets(collection) ? (series.has(collection) ? undefined : ORPHAN) : KEPT_BY_SERVER.get(collection);
      if (reason !== undefined) omitted.push({ kind: "collection", object: table, reason });
    }
    for (const found of own.filter(({ collection }) => chooses({ db, collection }))) {
      const table = tableName(scope, { db, collection: found.collection });
      collections.push({ ...found, db, table, data: dataName(found, mongo.hello.version) });
    }
  }
  return { collections: await withIndexes(mongo, collections), omitted };
}

const ORPHAN = "it holds measurements, but there is no time series of its name";
const KEPT_BY_SERVER = new Map([["system.profile", "the server's own record of slow operations"]]);

function dataName({ type, collection }: RawDefinition, version: string): string | undefined {
  if (type === "view") return undefined;
  return type === "timeseries" && hasBucketCollections(version) ? bucketsOf(collection) : collection;
}

/** The one collection of that name, a staged one too; undefined when there is none. */
export async function describeCollection(mongo: MongoSession, db: string, name: string): Promise<SourceCollection | undefined> {
  const found = await listDatabase(mongo, db, { name });
  const described = found.map((one) => ({ ...one, db, table: one.collection, data: dataName(one, mongo.hello.version) }));
  return (await withIndexes(mongo, described))[0];
}

async function listDatabase(mongo: MongoSession, db: string, filter: Document = {}): Promise<RawDefinition[]> {
  const found: RawDefinition[] = [];
  for await (const { documents } of readRaw(mongo, db, { listCollections: 1, filter }))
    found.push(...documentsOf(documents).map(readListed));
  return found.sort((a, b) => (a.collection < b.collection ? -1 : 1));
}

/** One line of `listCollections`. */
function readListed(document: Uint8Array): RawDefinition {
  const fields = new Map(elementsOf(document).map((element) => [element.name, element]));
  const info = fields.get("info");
  const uuid = info === undefined ? undefined : elementsOf(info.value).find(({ name }) => name === "uuid");
  const type = textIn(fields.get("type"));
  return {
    collection: textIn(fields.get("name")) ?? "",
    type: type === "view" || type === "timeseries" ? type : "collection",
    options: fields.get("options")?.value ?? EMPTY_DOCUMENT,
    indexes: [],
    ...(uuid?.type === TYPE.binary ? { uuid: Buffer.from(uuid.value.subarray(5)).toString("hex") } : {}),
  };
}

const textIn = (element: Element | undefined): string | undefined => (element?.type === TYPE.string ? textOf(element) : undefined);

async function withIndexes(mongo: MongoSession, collections: readonly SourceCollection[]): Promise<SourceCollection[]> {
  const complete: SourceCollection[] = [];
  for (let at = 0; at < collections.length; at += AT_A_TIME) {
    const some = collections.slice(at, at + AT_A_TIME).map(async (one) => {
      const indexes = one.type === "view" ? [] : await listIndexes(mongo, one);
      return indexes === undefined ? [] : [{ ...one, indexes }];
    });
    complete.push(...(await Promise.all(some)).flat());
  }
  return complete;
}

/** Undefined: it is gone. */
async function listIndexes(mongo: MongoSession, { db, collection }: SourceCollection): Promise<Uint8Array[] | undefined> {
  const indexes: Uint8Array[] = [];
  try {
    for await (const { documents } of readRaw(mongo, db, { listIndexes: collection })) indexes.push(...documentsOf(documents));
    return indexes;
  } catch (error) {
    if (serverCodeOf(error) === NAMESPACE_NOT_FOUND) return undefined;
    throw error;
  }
}

/** Returns a text that is equal for equal listings, with the identities of the collections. */
export const listingText = ({ collections }: Listing): string =>
  JSON.stringify(collections.map((one) => [one.db, one.collection, writeMetadata(one)]));

/** Whether the collection that is there now under that name is still the very one; of a view and of old servers, whether it is there. */
export async function isStillThere(mongo: MongoSession, { db, collection, uuid }: SourceCollection): Promise<boolean> {
  for await (const { documents } of readRaw(mongo, db, { listCollections: 1, filter: { name: collection } })) {
    if (documentsOf(documents).some((document) => readListed(document).uuid === uuid)) return true;
  }
  return false;
}
