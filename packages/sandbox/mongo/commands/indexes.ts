// createIndexes, dropIndexes, listIndexes.
import { type Document, Int32 } from "bson";
import { definitionOf, fullName, type Namespace } from "../catalog.ts";
import { type Command, collectionOf, type Handlers } from "../command.ts";
import { sourceOf } from "../cursors.ts";
import { CommandError } from "../errors.ts";
import { createIndexes, dropIndexes, withCollation } from "../index-definitions.ts";
import { encode, rawOf } from "../raw.ts";
import type { Reply } from "../reply.ts";
import type { Store } from "../store.ts";
import { fromBucketIndex, toBucketIndex } from "../timeseries-indexes.ts";
import { bucketsName } from "../timeseries-read.ts";
import { isPlain, toNumber } from "../values.ts";
import { firstBatch } from "./reading.ts";

function create(command: Command): Document {
  const { store, db, body } = command;
  const existed = store.find(db, collectionOf(command)) !== undefined;
  const namespace = indexed(command, store.ensure(db, collectionOf(command)));
  const before = definitionOf(namespace).indexes.length;
  const wanted = ((body.indexes ?? []) as Document[]).map((spec) => withCollation(spec, namespace));
  const series = seriesOf(store, db, collectionOf(command));
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
function indexed(command: Command, namespace: Namespace): Namespace {
  if (namespace.kind === "view")
    throw new CommandError(166, `Namespace ${fullName(namespace.db, namespace.name)} is a view, not a collection`);
  return namespace.kind === "timeseries" ? (command.store.find(command.db, bucketsName(namespace.name)) ?? namespace) : namespace;
}

/** Options of a time series; undefined of anything else. */
function seriesOf(store: Store, db: string, name: string): Document | undefined {
  const namespace = store.find(db, name);
  return namespace?.kind === "timeseries" ? definitionOf(namespace).options.timeseries : undefined;
}

function drop(command: Command): Document {
  const namespace = command.store.find(command.db, collectionOf(command));
  if (namespace === undefined) throw new CommandError(26, `ns not found ${fullName(command.db, collectionOf(command))}`);
  const target = indexed(command, namespace);
  const nIndexesWas = new Int32(definitionOf(target).indexes.length);
  const series = seriesOf(command.store, command.db, collectionOf(command));
  const { index } = command.body;
  dropIndexes(command.store, target, series !== undefined && isPlain(index) ? toBucketIndex({ key: index }, series).key : index);
  return { nIndexesWas };
}

function list(command: Command): Reply {
  const { store, db, body } = command;
  const name = collectionOf(command);
  const namespace = store.find(db, name);
  if (namespace === undefined) throw new CommandError(26, `ns does not exist: ${fullName(db, name)}`);
  const series = seriesOf(store, db, name);
  const rows = definitionOf(indexed(command, namespace)).indexes.map((spec) =>
    rawOf(encode(series === undefined ? spec : fromBucketIndex(spec, series))),
  );
  const most = toNumber(body.cursor?.batchSize ?? Number.MAX_SAFE_INTEGER);
  return firstBatch(command, fullName(db, name), sourceOf(rows.values()), most, undefined);
}

export const INDEXES: Handlers = { createIndexes: create, dropIndexes: drop, deleteIndexes: drop, listIndexes: list };
