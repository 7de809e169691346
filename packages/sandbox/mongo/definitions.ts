// Changes of namespaces: create, drop, rename, modify; each is in the oplog.
import { type Document, Int32 } from "bson";
import { definitionOf, fullName, type Namespace } from "./catalog.ts";
import { CommandError } from "./errors.ts";
import { createIndexes, modifyIndex } from "./index-definitions.ts";
import { LATEST } from "./position.ts";
import { viewDocument } from "./scan.ts";
import { newUuid, type Store, uuidValue } from "./store.ts";
import { firstIndex, toBucketIndex } from "./timeseries-indexes.ts";
import { BUCKETS, bucketsName } from "./timeseries-read.ts";
import { fillUnique } from "./unique.ts";
import { compareValues, toNumber } from "./values.ts";
import type { Records } from "./versions.ts";

/** Makes what `create` asks for. The same once more succeeds; anything else of that name is NamespaceExists. */
export function createNamespace(store: Store, db: string, name: string, options: Document): void {
  const isBuckets = name.startsWith(BUCKETS);
  const existing = store.find(db, name);
  if (existing !== undefined) {
    const same = existing.kind !== "view" && compareValues(isBuckets ? options : wanted(options), definitionOf(existing).options) === 0;
    if (same) return;
    throw new CommandError(48, `Collection ${fullName(db, name)} already exists.`);
  }
  if (options.viewOn !== undefined) createView(store, db, name, options);
  else if (options.timeseries !== undefined && !isBuckets) createSeries(store, db, name, options);
  else {
    if (options.capped === true && !(toNumber(options.size) > 0))
      throw new CommandError(72, "the 'size' field is required when 'capped' is true");
    store.create(db, name, "collection", isBuckets ? options : wanted(options));
  }
}

/** Options as they are kept: a capped collection's size is a multiple of 256. */
function wanted(options: Document): Document {
  if (options.timeseries !== undefined) return seriesOptions(options);
  const kept: Document = { ...options };
  if (kept.capped === false) {
    delete kept.capped;
    delete kept.size;
  }
  if (kept.validator !== undefined) {
    kept.validationLevel ??= "strict";
    kept.validationAction ??= "error";
  }
  if (kept.clusteredIndex !== undefined && kept.clusteredIndex !== true) {
    kept.clusteredIndex = { v: 2, key: { _id: 1 }, name: "_id_", ...kept.clusteredIndex, unique: true };
  }
  return kept;
}

function createView(store: Store, db: string, name: string, options: Document): void {
  const made = store.create(db, name, "view", { ...options, pipeline: options.pipeline ?? [] });
  logView(store, made, "i");
}

/** Views are documents of `system.views`, and the oplog shows them so. */
function logView(store: Store, view: Namespace, op: "i" | "u" | "d"): void {
  const id = { _id: fullName(view.db, view.name) };
  store.logDocument(store.last, op, `${view.db}.system.views`, op === "d" ? id : viewDocument(view, LATEST), id);
}

function createSeries(store: Store, db: string, name: string, options: Document): void {
  const kept = seriesOptions(options);
  if (store.find(db, bucketsName(name)) === undefined) {
    const buckets = store.create(db, bucketsName(name), "collection", bucketOptions(kept));
    const index = firstIndex(kept.timeseries);
    if (index !== undefined) createIndexes(store, buckets, [toBucketIndex(index, kept.timeseries)]);
  }
  createFront(store, db, name, kept);
}

/** What users of a time series see, over buckets that are there. */
export function createFront(store: Store, db: string, name: string, options: Document): void {
  logView(store, store.create(db, name, "timeseries", options), "i");
}

export function dropNamespace(store: Store, namespace: Namespace): void {
  const { db, name, kind, records } = namespace;
  store.catalog.end(namespace, store.tick());
  if (kind === "collection") store.logCommand(store.last, db, { drop: name }, records?.uuid, { numRecords: records?.count ?? 0 });
  else logView(store, namespace, "d");
  const buckets = kind === "timeseries" ? store.find(db, bucketsName(name)) : undefined;
  if (buckets !== undefined) dropNamespace(store, buckets);
}

/** False when there was no such database. */
export function dropDatabase(store: Store, db: string): boolean {
  const namespaces = store.catalog.in(db);
  for (const namespace of namespaces) {
    store.catalog.end(namespace, store.tick());
    if (namespace.kind === "collection")
      store.logCommand(store.last, db, { drop: namespace.name }, namespace.records?.uuid, { numRecords: namespace.records?.count ?? 0 });
  }
  if (namespaces.length > 0) store.logCommand(store.tick(), db, { dropDatabase: 1 });
  return namespaces.length > 0;
}

function split(ns: string): { readonly db: string; readonly name: string } {
  const dot = ns.indexOf(".");
  if (dot <= 0 || dot === ns.length - 1) throw new CommandError(73, `Invalid namespace specified '${ns}'`);
  return { db: ns.slice(0, dot), name: ns.slice(dot + 1) };
}

/** Into another database a collection is copied, as at the real server: it gets a new identity. */
export function renameNamespace(store: Store, from: string, to: string, dropTarget: boolean): void {
  const [old, fresh] = [split(from), split(to)];
  const source = store.find(old.db, old.name);
  if (source === undefined) throw new CommandError(26, `Source collection ${from} does not exist`);
  if (source.kind === "view") throw new CommandError(166, `cannot rename view: ${from}`);
  if (source.kind === "timeseries" || old.name.startsWith(BUCKETS))
    throw new CommandError(20, `Cannot rename timeseries collection ${from}`);
  if (from === to) throw new CommandError(20, "Can't rename a collection to itself");
  const target = store.find(fresh.db, fresh.name);
  if (target !== undefined && !dropTarget) throw new CommandError(48, "target namespace exists");
  if (target?.kind === "view") throw new CommandError(166, `a view already exists with that name: ${to}`);
  if (old.db === fresh.db) renameWithin(store, source, fresh.name, target);
  else copyAcross(store, source, fresh, target);
}

function renameWithin(store: Store, source: Namespace, name: string, target: Namespace | undefined): void {
  const position = store.tick();
  const from = fullName(source.db, source.name);
  if (target !== undefined) store.catalog.end(target, position);
  store.catalog.end(source, position);
  const definitions = [{ ...definitionOf(source), from: position }];
  store.catalog.add({ ...source, name, from: position, to: LATEST, definitions });
  const command = {
    renameCollection: from,
    to: fullName(source.db, name),
    stayTemp: false,
    ...(target?.records === undefined ? {} : { dropTarget: uuidOf(target) }),
  };
  store.logCommand(position, source.db, command, source.records?.uuid);
}

const uuidOf = (namespace: Namespace): unknown => uuidValue(namespace.records?.uuid ?? newUuid());

function copyAcross(
  store: Store,
  source: Namespace,
  to: { readonly db: string; readonly name: string },
  target: Namespace | undefined,
): void {
  if (target !== undefined) dropNamespace(store, target);
  const { options, indexes } = definitionOf(source);
  const made = store.create(to.db, to.name, "collection", options);
  const records = made.records as Records;
  for (const spec of indexes.slice(1)) store.logCommand(store.tick(), to.db, { createIndexes: to.name, ...spec }, records.uuid);
  store.define(made, { indexes }, store.last);
  for (const version of (source.records as Records).scan(LATEST)) {
    store.copyDocument(made, version);
  }
  for (const spec of indexes) if (spec.unique === true) fillUnique(made, spec);
  dropNamespace(store, source);
}

/** collMod: an index's expiry or hiding, the validator, a view's definition, a capped collection's size. */
export function modifyNamespace(store: Store, namespace: Namespace, requested: Document): Document {
  const { db, name, kind, records } = namespace;
  const position = store.tick();
  const { index, ...rest } = requested;
  let told: Document = {};
  if (index !== undefined) told = modifyIndex(store, namespace, index, position);
  const options: Document = { ...definitionOf(namespace).options };
  for (const [key, value] of Object.entries(rest)) {
    if (key === "cappedSize") options.size = value;
    else if (key === "cappedMax") options.max = value;
    else if (key === "validator" && Object.keys(value).length === 0) delete options.validator;
    else options[key] = value;
  }
  if (Object.keys(rest).length > 0) store.define(namespace, { options }, position);
  const buckets = kind === "timeseries" ? store.find(db, bucketsName(name)) : undefined;
  if (buckets !== undefined && "expireAfterSeconds" in rest) {
    const { expireAfterSeconds } = rest;
    store.define(buckets, { options: { ...definitionOf(buckets).options, expireAfterSeconds } }, position);
  }
  if (kind === "view") logView(store, namespace, "u");
  else store.logCommand(position, db, { collMod: name, ...requested }, records?.uuid);
  return told;
}

// Options of a time series, and of the collection of buckets behind it.

const SPANS: Readonly<Record<string, number>> = { seconds: 3600, minutes: 86_400, hours: 2_592_000 };

/** Options with what the server fills in. */
export function seriesOptions(options: Document): Document {
  const { timeseries, ...rest } = options;
  const custom = timeseries.bucketMaxSpanSeconds !== undefined;
  const granularity = timeseries.granularity ?? (custom ? undefined : "seconds");
  const span = timeseries.bucketMaxSpanSeconds ?? new Int32(SPANS[granularity] ?? 3600);
  const { bucketMaxSpanSeconds: _span, granularity: _granularity, ...fields } = timeseries;
  return { ...rest, timeseries: { ...fields, ...(granularity === undefined ? {} : { granularity }), bucketMaxSpanSeconds: span } };
}

/** Options of `system.buckets.X`, as the server makes them. */
export function bucketOptions(series: Document): Document {
  const { timeseries, ...rest } = series;
  const properties = {
    _id: { bsonType: "objectId" },
    control: {
      bsonType: "object",
      required: ["version", "min", "max"],
      properties: {
        version: { bsonType: "number" },
        min: { bsonType: "object", required: [timeseries.timeField], properties: { [timeseries.timeField]: { bsonType: "date" } } },
        max: { bsonType: "object", required: [timeseries.timeField], properties: { [timeseries.timeField]: { bsonType: "date" } } },
        closed: { bsonType: "bool" },
        count: { bsonType: "number", minimum: 1 },
      },
      additionalProperties: false,
    },
    data: { bsonType: "object" },
    meta: {},
  };
  return {
    ...rest,
    validator: { $jsonSchema: { bsonType: "object", required: ["_id", "control", "data"], properties, additionalProperties: false } },
    clusteredIndex: true,
    timeseries,
  };
}
