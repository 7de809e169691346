// What a find reads, in which order, and what it makes of it.
import { BSONRegExp, type Document } from "bson";
import { after, first } from "./aggregate.ts";
import { fullName } from "./catalog.ts";
import { isTrue, numberIn } from "./command.ts";
import { type CursorSource, sourceOf } from "./cursors.ts";
import { CommandError } from "./errors.ts";
import { compileFilter, type Matcher } from "./match.ts";
import { LATEST, type Position } from "./position.ts";
import { compileProjection } from "./project.ts";
import { encode, type Raw, rawOf, typedOf } from "./raw.ts";
import { backwards, documentsOf, isOplog, tailingSource } from "./scan.ts";
import { sortRaw } from "./sort.ts";
import type { Store } from "./store.ts";
import { isPlain, keyOf, toNumber } from "./values.ts";
import { idKeyOf } from "./versions.ts";

/** The documents of a find command's body. */
export function findSource(store: Store, db: string, name: string, body: Document, at: Position): CursorSource {
  const { filter, sort, projection } = body;
  const test = compileFilter(filter);
  const project = isPlain(projection) && Object.keys(projection).length > 0 ? compileProjection(projection) : undefined;
  if (body.min !== undefined || body.max !== undefined) throw new CommandError(238, "min and max are not offered here");
  if (isTrue(body.tailable)) return tailing(store, db, name, body, test, project);
  const natural = naturalOrder(sort) ?? naturalOrder(body.hint);
  let documents =
    lookup(store, db, name, filter, at) ??
    (natural === -1 ? backwards(store, db, name, at, filter) : documentsOf(store, db, name, at, filter));
  const keys = idKeysIn(filter);
  if (keys !== undefined && store.find(db, name)?.records !== undefined) documents = withIds(documents, keys);
  if (test !== undefined) documents = filtered(documents, test);
  if (isPlain(sort) && Object.keys(sort).length > 0 && sort.$natural === undefined) documents = sortRaw([...documents], sort);
  const skip = numberIn(body, "skip", 0);
  const limit = Math.abs(numberIn(body, "limit", 0));
  if (skip > 0) documents = after(documents, skip);
  if (limit > 0) documents = first(documents, limit);
  if (project !== undefined) documents = projected(documents, project);
  return { ...sourceOf(documents[Symbol.iterator]()), killed: () => killedBy(store, db, name, at) };
}

/** A read of the present ends when its collection is dropped or renamed. */
function killedBy(store: Store, db: string, name: string, at: Position): Error | undefined {
  if (at < LATEST || isOplog(store, db, name) || store.find(db, name) !== undefined) return undefined;
  return new CommandError(175, `collection dropped. ns: ${fullName(db, name)}`);
}

function naturalOrder(order: unknown): number | undefined {
  return isPlain(order) && order.$natural !== undefined ? Math.sign(toNumber(order.$natural)) : undefined;
}

/** The one document that an equality of `_id` can mean, without looking at the others. */
function lookup(store: Store, db: string, name: string, filter: Document | undefined, at: Position): Iterable<Raw> | undefined {
  const id = filter?._id;
  if (at < LATEST || id === undefined || id === null || Array.isArray(id) || id instanceof RegExp || id._bsontype === "BSONRegExp")
    return undefined;
  if (isPlain(id) && Object.keys(id)[0]?.startsWith("$")) return undefined;
  const records = store.find(db, name)?.records;
  if (records === undefined || records.pending) return undefined;
  const slot = records.byId.get(idKeyOfValue(id));
  return slot === undefined ? [] : [slot.head];
}

/** What `_id: { $in: [...] }` asks for: compared before a document is decoded. */
function idKeysIn(filter: Document | undefined): ReadonlySet<string> | undefined {
  const wanted: unknown = isPlain(filter?._id) ? filter._id.$in : undefined;
  if (!Array.isArray(wanted) || wanted.some((id) => id instanceof BSONRegExp)) return undefined;
  return new Set(wanted.map(idKeyOfValue));
}

function* withIds(documents: Iterable<Raw>, keys: ReadonlySet<string>): Generator<Raw> {
  for (const raw of documents) if (keys.has(idKeyOf(raw))) yield raw;
}

export function idKeyOfValue(id: unknown): string {
  const isObjectId = typeof id === "object" && id !== null && "_bsontype" in id && id._bsontype === "ObjectId";
  return isObjectId ? Buffer.from((id as unknown as { id: Uint8Array }).id).toString("latin1") : keyOf(id);
}

function tailing(
  store: Store,
  db: string,
  name: string,
  body: Document,
  test: Matcher | undefined,
  project: ((document: Document) => Document) | undefined,
): CursorSource {
  const namespace = store.find(db, name);
  const capped = isOplog(store, db, name) || namespace?.definitions.at(-1)?.options.capped === true;
  if (namespace !== undefined && !capped)
    throw new CommandError(2, `error processing query: tailable cursor requested on non capped collection`);
  const source = tailingSource(store, db, name, body.filter, isTrue(body.awaitData));
  return {
    ...source,
    next() {
      for (let raw = source.next(); raw !== undefined; raw = source.next()) {
        if (test !== undefined && !test(typedOf(raw))) continue;
        return project === undefined ? raw : rawOf(encode(project(typedOf(raw))));
      }
      return undefined;
    },
  };
}

export function* filtered(documents: Iterable<Raw>, test: Matcher): Generator<Raw> {
  for (const raw of documents) if (test(typedOf(raw))) yield raw;
}

function* projected(documents: Iterable<Raw>, project: (document: Document) => Document): Generator<Raw> {
  for (const raw of documents) yield rawOf(encode(project(typedOf(raw))));
}
