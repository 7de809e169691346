// createIndexes, dropIndexes, listIndexes.
import { type Document, Int32 } from "bson";
import { type Call, collectionOf, type Handlers } from "../call.ts";
import { definitionOf, fullName, type Namespace } from "../catalog.ts";
import { sourceOf } from "../cursors.ts";
import { MongoFault } from "../errors.ts";
import { createIndexes, dropIndexes, withCollation } from "../index-definitions.ts";
import { encode, rawOf } from "../raw.ts";
import type { Reply } from "../reply.ts";
import type { Store } from "../store.ts";
import { fromBucketIndex, toBucketIndex } from "../timeseries-indexes.ts";
import { bucketsName } from "../timeseries-read.ts";
import { isPlain, toNumber } from "../values.ts";
import { firstBatch } from "./reading.ts";

function create(call: Call): Document {
  const { store, db, body } = call;
  const existed = store.find(db, collectionOf(call)) !== undefined;
  const namespace = indexed(call, store.ensure(db, collectionOf(call)));
  const before = definitionOf(namespace).indexes.length;
  const wanted = ((body.indexes ?? []) as Document[]).map((spec) => withCollation(spec, namespace));
  const series = seriesOf(store, db, collectionOf(call));
  createIndexes(store, namespace, series === undefined ? wanted : wanted.map((spec) => toBucketIndex(spec, series)));
  const after = definitionOf(namespace).indexes.length;
  const note = after === before ? { note: "all indexes already exist" } : {};
  return {
    numIndexesBefore: new Int32(before),
    numIndexesAfter: new Int32(after),
    createdCollectionAutomatically: !existed,
    ...note,
    commitQuorum: "votingMembers",
  };
}

/** Indexes of a time series are those of its buckets. */
function indexed(call: Call, namespace: Namespace): Namespace {
  if (namespace.kind === "view")
    throw new MongoFault(166, `Namespace ${fullName(namespace.db, namespace.name)} is a view, not a collection`);
  return namespace.kind === "timeseries" ? (call.store.find(call.db, bucketsName(namespace.name)) ?? namespace) : namespace;
}

/** Options of a time series; undefined of anything else. */
function seriesOf(store: Store, db: string, name: string): Document | undefined {
  const namespace = store.find(db, name);
  return namespace?.kind === "timeseries" ? definitionOf(namespace).options.timeseries : undefined;
}

function drop(call: Call): Document {
  const namespace = call.store.find(call.db, collectionOf(call));
  if (namespace === undefined) throw new MongoFault(26, `ns not found ${fullName(call.db, collectionOf(call))}`);
  const target = indexed(call, namespace);
  const nIndexesWas = new Int32(definitionOf(target).indexes.length);
  const series = seriesOf(call.store, call.db, collectionOf(call));
  const { index } = call.body;
  dropIndexes(call.store, target, series !== undefined && isPlain(index) ? toBucketIndex({ key: index }, series).key : index);
  return { nIndexesWas };
}

function list(call: Call): Reply {
  const { store, db, body } = call;
  const name = collectionOf(call);
  const namespace = store.find(db, name);
  if (namespace === undefined) throw new MongoFault(26, `ns does not exist: ${fullName(db, name)}`);
  const series = seriesOf(store, db, name);
  const rows = definitionOf(indexed(call, namespace)).indexes.map((spec) =>
    rawOf(encode(series === undefined ? spec : fromBucketIndex(spec, series))),
  );
  const most = toNumber(body.cursor?.batchSize ?? Number.MAX_SAFE_INTEGER);
  return firstBatch(call, fullName(db, name), sourceOf(rows.values()), most, undefined);
}

export const INDEXES: Handlers = { createIndexes: create, dropIndexes: drop, deleteIndexes: drop, listIndexes: list };
