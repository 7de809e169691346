// Reading a namespace of any kind: a collection, the oplog, a view, a time series.
import { type Document, Timestamp } from "bson";
import { throughStages } from "./aggregate.ts";
import { definitionAt, fullName, type Namespace } from "./catalog.ts";
import type { CursorSource } from "./cursors.ts";
import { entryBytes } from "./oplog.ts";
import { LATEST, type Position, positionOf } from "./position.ts";
import { encode, type Raw, rawOf } from "./raw.ts";
import type { Store } from "./store.ts";
import { bucketsName, unpackBuckets } from "./timeseries-read.ts";
import { isPlain } from "./values.ts";

export const OPLOG = "oplog.rs";

export const isOplog = (store: Store, db: string, name: string): boolean => store.logged && db === "local" && name === OPLOG;

/** The documents of a namespace at a position, in natural order; none where there is no such namespace. */
export function* documentsOf(store: Store, db: string, name: string, at: Position, filter?: Document): Generator<Raw> {
  if (isOplog(store, db, name)) {
    const { from, to } = oplogRange(filter, at);
    for (const entry of store.oplog.scan(from, to)) yield rawOf(entryBytes(entry));
    return;
  }
  if (db === "local" && name === "system.replset" && store.setConfig !== undefined) {
    yield rawOf(encode(store.setConfig()));
    return;
  }
  const namespace = store.find(db, name, at);
  if (namespace === undefined && name === "system.views") yield* viewDefinitions(store, db, at);
  if (namespace === undefined) return;
  if (namespace.records !== undefined) yield* namespace.records.scan(at);
  else if (namespace.kind === "timeseries") yield* unpackBuckets(store, namespace, at);
  else yield* viewDocuments(store, namespace, at);
}

export function* backwards(store: Store, db: string, name: string, at: Position, filter?: Document): Generator<Raw> {
  if (isOplog(store, db, name)) {
    const { from, to } = oplogRange(filter, at);
    for (const entry of store.oplog.scanBackwards(from, to)) yield rawOf(entryBytes(entry));
    return;
  }
  const records = store.find(db, name, at)?.records;
  if (records !== undefined) yield* records.scanBackwards(at);
  else yield* [...documentsOf(store, db, name, at)].reverse();
}

/** Views and fronts of time series, as `system.views` lists them. */
function* viewDefinitions(store: Store, db: string, at: Position): Generator<Raw> {
  for (const namespace of store.catalog.in(db, at)) if (namespace.kind !== "collection") yield rawOf(encode(viewDocument(namespace, at)));
}

export function viewDocument(namespace: Namespace, at: Position): Document {
  const { options } = definitionAt(namespace, at);
  const _id = fullName(namespace.db, namespace.name);
  if (namespace.kind === "timeseries")
    return { _id, viewOn: bucketsName(namespace.name), pipeline: [{ $_internalUnpackBucket: options.timeseries }] };
  const { viewOn, pipeline, collation } = options;
  return { _id, viewOn, pipeline, ...(collation === undefined ? {} : { collation }) };
}

function viewDocuments(store: Store, view: Namespace, at: Position): Iterable<Raw> {
  const { viewOn, pipeline } = definitionAt(view, at).options;
  return aggregateOver(store, view.db, viewOn, pipeline ?? [], at);
}

/** A source that continues when more comes: the oplog, or a capped collection. */
export function tailingSource(store: Store, db: string, name: string, filter: Document | undefined, awaitData: boolean): CursorSource {
  if (isOplog(store, db, name)) {
    let next = oplogRange(filter, LATEST).from;
    let seen: Position | undefined;
    return {
      next() {
        const entry = store.oplog.from(next);
        if (entry === undefined) return undefined;
        next = entry.position + 1;
        seen = entry.position;
        return rawOf(entryBytes(entry));
      },
      tail: {
        awaitData,
        // Its current entry was dropped, so later ones may have been too.
        lost: () => seen !== undefined && (store.oplog.first?.position ?? 0) > seen,
      },
    };
  }
  const records = store.find(db, name)?.records;
  let index = 0;
  return {
    next() {
      while (records !== undefined && index < records.slots.length) {
        const head = records.slots[index++]?.head;
        if (head !== undefined && head.length > 0) return head;
      }
      return undefined;
    },
    tail: { awaitData, lost: () => false },
  };
}

/** What a pipeline makes of a namespace's documents at a position. */
export function aggregateOver(store: Store, db: string, name: string, pipeline: readonly Document[], at: Position): Iterable<Raw> {
  const documents = documentsOf(store, db, name, at, pipeline[0]?.$match);
  return throughStages(documents, pipeline, (other) => documentsOf(store, db, other, at));
}

// Which part of the log a filter can match at all: found by its bounds on `ts`, so that no read begins at the beginning.

export interface Range {
  from: Position;
  to: Position;
}

export function oplogRange(filter: Document | undefined, latest: Position): Range {
  const range = { from: 0, to: latest };
  narrow(range, filter);
  return range;
}

function narrow(range: Range, filter: unknown): void {
  if (!isPlain(filter)) return;
  if (Array.isArray(filter.$and)) for (const each of filter.$and) narrow(range, each);
  const wanted = filter.ts;
  if (wanted instanceof Timestamp) bound(range, "$eq", wanted);
  else if (isPlain(wanted)) for (const [operator, value] of Object.entries(wanted)) bound(range, operator, value);
}

function bound(range: Range, operator: string, value: unknown): void {
  if (!(value instanceof Timestamp)) return;
  const position = positionOf(value);
  if (operator === "$eq" || operator === "$gte" || operator === "$gt")
    range.from = Math.max(range.from, operator === "$gt" ? position + 1 : position);
  if (operator === "$eq" || operator === "$lte" || operator === "$lt")
    range.to = Math.min(range.to, operator === "$lt" ? position - 1 : position);
}
