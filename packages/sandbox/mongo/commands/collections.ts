// Namespaces: create, drop, rename, list, collMod.
import { type Document, Int32 } from "bson";
import { definitionOf, fullName, type Namespace } from "../catalog.ts";
import { type Command, collectionOf, type Handlers, isTrue } from "../command.ts";
import { sourceOf } from "../cursors.ts";
import { createNamespace, dropDatabase, dropNamespace, modifyNamespace, renameNamespace } from "../definitions.ts";
import { CommandError } from "../errors.ts";
import { compileFilter } from "../match.ts";
import { encode, rawOf } from "../raw.ts";
import type { Reply } from "../reply.ts";
import { OPLOG } from "../scan.ts";
import { type Store, uuidValue } from "../store.ts";
import { toNumber } from "../values.ts";
import { firstBatch } from "./reading.ts";

/** Fields of a command that are not the collection's options. */
const NOT_OPTIONS = new Set([
  "lsid",
  "$db",
  "$clusterTime",
  "txnNumber",
  "writeConcern",
  "comment",
  "maxTimeMS",
  "$readPreference",
  "apiVersion",
  "apiStrict",
  "idIndex",
  "readConcern",
  "apiDeprecationErrors",
]);

function create(command: Command): Document {
  const { body, store, db } = command;
  const entries = Object.entries(body).filter(([name, value]) => name !== "create" && !NOT_OPTIONS.has(name) && value !== undefined);
  createNamespace(store, db, collectionOf(command), Object.fromEntries(entries));
  return {};
}

function drop(command: Command): Document {
  const { store, db } = command;
  const name = collectionOf(command);
  const namespace = store.find(db, name);
  if (namespace === undefined) return {};
  const nIndexesWas = new Int32(definitionOf(namespace).indexes.length);
  dropNamespace(store, namespace);
  return { ...(namespace.kind === "collection" ? { nIndexesWas } : {}), ns: fullName(db, name) };
}

function dropWholeDatabase({ store, db }: Command): Document {
  return dropDatabase(store, db) ? { dropped: db } : {};
}

function renameCollection({ body, store, db }: Command): Document {
  if (db !== "admin") throw new CommandError(13, "renameCollection may only be run against the admin database.");
  renameNamespace(store, String(body.renameCollection), String(body.to), isTrue(body.dropTarget));
  return {};
}

function collMod(command: Command): Document {
  const { store, db, body } = command;
  const name = collectionOf(command);
  const namespace = store.find(db, name);
  if (namespace === undefined) throw new CommandError(26, `ns does not exist: ${fullName(db, name)}`);
  return modifyNamespace(
    store,
    namespace,
    Object.fromEntries(Object.entries(body).filter(([key]) => key !== "collMod" && !NOT_OPTIONS.has(key))),
  );
}

/** One row of listCollections. */
function shown(namespace: Namespace): Document {
  const { options, indexes } = definitionOf(namespace);
  const { name, kind, records } = namespace;
  if (kind !== "collection") return { name, type: kind, options, info: { readOnly: kind === "view" } };
  const info = { readOnly: false, ...(records === undefined ? {} : { uuid: uuidValue(records.uuid) }) };
  return { name, type: "collection", options, info, ...(indexes[0]?.name === "_id_" ? { idIndex: indexes[0] } : {}) };
}

function rowsOf(store: Store, db: string): Document[] {
  const rows = store.catalog.in(db).map(shown);
  const hasViews = store.catalog.in(db).some(({ kind }) => kind !== "collection");
  if (hasViews)
    rows.push({
      name: "system.views",
      type: "collection",
      options: {},
      info: { readOnly: false },
      idIndex: { v: 2, key: { _id: 1 }, name: "_id_" },
    });
  if (db === "local" && store.logged)
    rows.push({
      name: OPLOG,
      type: "collection",
      options: { capped: true, size: store.oplog.limitBytes, autoIndexId: false },
      info: { readOnly: false },
    });
  return rows;
}

function listCollections(command: Command): Reply {
  const { store, db, body } = command;
  const test = compileFilter(body.filter);
  const rows = rowsOf(store, db).filter((row) => test === undefined || test(row));
  const answer = isTrue(body.nameOnly) ? rows.map(({ name, type }) => ({ name, type })) : rows;
  const most = toNumber(body.cursor?.batchSize ?? Number.MAX_SAFE_INTEGER);
  return firstBatch(command, `${db}.$cmd.listCollections`, sourceOf(answer.map((row) => rawOf(encode(row))).values()), most, undefined);
}

function listDatabases({ store, body }: Command): Document {
  const test = compileFilter(body.filter);
  const names = new Set(store.catalog.at().map(({ db }) => db));
  for (const name of store.logged ? ["admin", "config", "local"] : ["admin", "config", "local"]) names.add(name);
  const databases = [...names].sort().map((name) => {
    const sizeOnDisk = store.catalog.in(name).reduce((sum, { records }) => sum + (records?.sizeBytes ?? 0) + 4096, 0);
    return { name, sizeOnDisk, empty: sizeOnDisk === 0 };
  });
  const fitting = databases.filter((row) => test === undefined || test(row));
  if (isTrue(body.nameOnly)) return { databases: fitting.map(({ name }) => ({ name })) };
  const totalSize = fitting.reduce((sum, { sizeOnDisk }) => sum + sizeOnDisk, 0);
  return { databases: fitting, totalSize, totalSizeMb: Math.floor(totalSize / 2 ** 20) };
}

export const COLLECTIONS: Handlers = {
  create,
  drop,
  dropDatabase: dropWholeDatabase,
  renameCollection,
  collMod,
  listCollections,
  listDatabases,
};
