// Erases documents by the hashes of their keys. A collection is read once, its fields of keys alone, and what matches is deleted by `_id`.
import type { Document } from "mongodb";
import { type ErasedKeys, mergedKeys } from "../../../core/erasure.ts";
import { LifeboatError } from "../../../core/errors.ts";
import { didYouMean } from "../../../core/suggest.ts";
import type { Connection } from "../../../ports/connection.ts";
import { type ErasureOptions, type ErasureResult, hashOfKey, type KeySelection, type SelectedKeys } from "../../../ports/erasure.ts";
import { documentsOf, type Element, elementNamed } from "../bson/bson.ts";
import { readRaw } from "../bson/raw-cursor.ts";
import { commandWith } from "../bson/raw-insert.ts";
import { type MongoSession, withMongo } from "../connect/connect.ts";
import { listSource } from "../dump/collections.ts";
import { filterOf } from "../merge/compare.ts";
import { commandOf, runsOf } from "../oplog/writes.ts";
import { chooserOf, type Namespace, nameMatcher, namespaceOf, type SourceScope, scopeOf, tableName } from "../scope.ts";
import { keysOf, matcherOf, readingsOf } from "./keys.ts";

const BATCH_DOCUMENTS = 1_000;

export async function selectKeys(live: Connection, selection: KeySelection, source: SourceScope): Promise<SelectedKeys> {
  const { salt, signal, where, keys = [] } = selection;
  const columns = selection.columns === undefined || selection.columns.length === 0 ? ["_id"] : [...selection.columns];
  const filter = filterOf(where);
  return await withMongo(live, { signal }, async (session) => {
    const place = await placeNamed(session, selection.table, source);
    const texts = async (): Promise<string[][]> =>
      where === undefined ? keys.flatMap((key) => combined(key, columns)) : chosen(session, place, columns, filter, signal);
    const hashes = selection.hashes ?? [...new Set((await texts()).map((key) => hashOfKey(salt, key)))];
    const selected = { table: tableName(scopeOf(live, source), place), columns, salt, hashes };
    let count = 0;
    for await (const _ of matching(session, place, [selected], signal)) count += 1;
    return { ...selected, live: count };
  });
}

async function placeNamed(session: MongoSession, wanted: string, source: SourceScope): Promise<Namespace> {
  const scope = scopeOf(session.connection, source);
  const place = namespaceOf(scope, wanted);
  const { collections } = await listSource(session, scope, chooserOf(scope, undefined));
  if (collections.some(({ db, collection }) => db === place.db && collection === place.collection)) return place;
  const names = collections.map(({ table }) => table);
  throw new LifeboatError("TABLE_UNKNOWN", `${session.connection.label} has no collection ${wanted}${didYouMean(wanted, names)}`);
}

/** Each way in which the values can be read. */
function combined(key: readonly string[], columns: readonly string[]): string[][] {
  if (key.length !== columns.length) {
    throw new LifeboatError("USAGE", `a key has another number of values than fields (${columns.join(", ")})`, {
      hint: columns.length === 1 ? "give one value for each --key" : `give each key as a JSON array: --key '["a", "b"]'`,
    });
  }
  let keys: string[][] = [[]];
  for (const value of key) keys = keys.flatMap((before) => readingsOf(value).map((text) => [...before, text]));
  return keys;
}

/** The keys of the live documents that the filter finds. */
async function chosen(
  session: MongoSession,
  { db, collection }: Namespace,
  columns: readonly string[],
  filter: Document,
  signal: AbortSignal | undefined,
): Promise<string[][]> {
  const keys: string[][] = [];
  for await (const { documents } of readRaw(session, db, { find: collection, filter, projection: projectionOf(columns) }, { signal }))
    for (const document of documentsOf(documents)) keys.push(...keysOf(document, columns));
  if (keys.length > 0) return keys;
  throw new LifeboatError("USAGE", `the condition holds for no document of ${collection}`, {
    hint: "give the keys of documents that are gone already with --key",
  });
}

/** A field within another chosen one is part of it: the server takes only one of the two. */
function projectionOf(columns: readonly string[]): Document {
  const all = ["_id", ...columns];
  const outermost = all.filter((column) => !all.some((other) => column.startsWith(`${other}.`)));
  return Object.fromEntries(outermost.map((column) => [column, 1]));
}

/** The `_id`s of documents that have one of the keys. */
async function* matching(
  session: MongoSession,
  { db, collection }: Namespace,
  keys: readonly ErasedKeys[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Element, void> {
  const isErased = matcherOf(keys);
  const projection = projectionOf(keys.flatMap(({ columns }) => columns));
  for await (const { documents } of readRaw(session, db, { find: collection, filter: {}, projection }, { signal })) {
    for (const document of documentsOf(documents)) {
      const id = elementNamed(document, "_id");
      if (id !== undefined && isErased(document)) yield { ...id, value: Uint8Array.from(id.value) };
    }
  }
}

export async function eraseDocuments(
  target: Connection,
  keys: readonly ErasedKeys[],
  { tables: patterns, signal }: ErasureOptions = {},
  source: SourceScope = {},
): Promise<ErasureResult> {
  return await withMongo(target, { signal, otherwise: "LOAD_FAILED" }, async (session) => {
    // Of several databases, one may have been restored under another name: it is called as before.
    const scope = scopeOf(target, source, patterns ?? keys.map(({ table }) => table));
    const isChosen = patterns === undefined ? () => true : nameMatcher(patterns);
    const { collections } = await listSource(session, scope, chooserOf(scope, undefined));
    const there = new Map(
      collections.filter(({ type }) => type !== "view").map(({ table, db, collection }) => [table, { db, collection }]),
    );
    const tables: { table: string; rows: number }[] = [];
    const passedOver: string[] = [];
    for (const [table, own] of Map.groupBy(mergedKeys(keys), (one) => one.table)) {
      if (!isChosen(table)) continue;
      const place = there.get(table);
      if (place === undefined) {
        passedOver.push(`there is no collection ${table}`);
        continue;
      }
      const ids: Element[] = [];
      for await (const id of matching(session, place, own, signal)) ids.push(id);
      if (ids.length === 0) continue;
      for (let from = 0; from < ids.length; from += BATCH_DOCUMENTS)
        await deleteAll(session, place, ids.slice(from, from + BATCH_DOCUMENTS));
      for await (const _ of matching(session, place, own, signal)) {
        throw new LifeboatError("ERASURE_BLOCKED", `documents of ${table} that are in the erasure ledger could not be erased`);
      }
      tables.push({ table, rows: ids.length });
    }
    return { tables, passedOver, stale: [], dangling: [] };
  });
}

async function deleteAll(session: MongoSession, place: Namespace, ids: readonly Element[]): Promise<void> {
  for (const run of runsOf(ids.map((id) => ({ place, key: "", id, stamp: 0n })))) {
    const [first] = run;
    if (first === undefined) continue;
    const { command, field, statement } = commandOf(first);
    const concern = session.hello.topology === "standalone" ? {} : { writeConcern: { w: "majority" } };
    const reply = await commandWith(session, place.db, { ...command(place.collection), ...concern }, field, run.map(statement));
    const [error] = (reply.writeErrors as { errmsg: string }[] | undefined) ?? [];
    if (error !== undefined)
      throw new LifeboatError("ERASURE_BLOCKED", `documents of ${place.collection} could not be erased: ${error.errmsg}`);
  }
}
