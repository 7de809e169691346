// Writing measurements into buckets, as the server does. Buckets of version 1: columns by number, not compressed.
// https://github.com/mongodb/mongo/blob/master/src/mongo/db/timeseries/README.md
import { type Document, Int32, ObjectId } from "bson";
import { definitionOf, type Namespace } from "./catalog.ts";
import { CommandError } from "./errors.ts";
import { encode, type Raw, rawOf, typedOf } from "./raw.ts";
import type { Store } from "./store.ts";
import { bucketsName } from "./timeseries-read.ts";
import { compareValues, isPlain, keyOf, toNumber } from "./values.ts";
import type { Slot } from "./versions.ts";
import { insertDocument, replaceDocument, type WriteOptions } from "./writes.ts";

const MOST_IN_A_BUCKET = 1000;

/** Buckets that still take measurements, by what they have in common. */
const open = new WeakMap<Namespace, Map<string, Slot>>();

export const isSeries = (namespace: Namespace): boolean => namespace.kind === "timeseries";

const ROUNDING: Readonly<Record<string, number>> = { seconds: 60, minutes: 3600, hours: 86_400 };

/** Adds one measurement to its bucket. BadValue where its time is not a date. */
export function insertMeasurement(store: Store, series: Namespace, raw: Raw, options: WriteOptions): void {
  const { timeField, metaField, bucketMaxSpanSeconds, granularity, bucketRoundingSeconds } = definitionOf(series).options
    .timeseries as Document;
  const measurement = withId(typedOf(raw));
  const time = measurement[timeField];
  if (!(time instanceof Date)) throw new CommandError(2, `'${timeField}' must be present and contain a valid BSON UTC datetime value`);
  const buckets = store.find(series.db, bucketsName(series.name));
  if (buckets === undefined) throw new CommandError(26, `Time-series buckets collection not found`);
  const spanMs = toNumber(bucketMaxSpanSeconds) * 1000;
  const roundingMs = (bucketRoundingSeconds === undefined ? (ROUNDING[granularity] ?? 60) : toNumber(bucketRoundingSeconds)) * 1000;
  const { [metaField ?? ""]: meta, ...fields } = measurement;
  const shared = keyOf(metaField === undefined ? null : meta);
  const known = open.get(buckets) ?? new Map<string, Slot>();
  open.set(buckets, known);
  const slot = known.get(shared);
  const bucket = slot === undefined || slot.head.length === 0 ? undefined : typedOf(slot.head);
  if (slot !== undefined && bucket !== undefined && takes(bucket, time, timeField, spanMs)) {
    replaceDocument(store, buckets, slot, encode(add(bucket, fields, timeField)), options);
    return;
  }
  const fresh = emptyBucket(time, timeField, roundingMs, metaField === undefined ? undefined : meta);
  known.set(shared, insertDocument(store, buckets, rawOf(encode(add(fresh, fields, timeField))), options));
}

const withId = (measurement: Document): Document =>
  Object.hasOwn(measurement, "_id") ? measurement : { ...measurement, _id: new ObjectId() };

function takes(bucket: Document, time: Date, timeField: string, spanMs: number): boolean {
  const begin = (bucket.control.min[timeField] as Date).getTime();
  const count = Object.keys(bucket.data[timeField]).length;
  return time.getTime() >= begin && time.getTime() < begin + spanMs && count < MOST_IN_A_BUCKET;
}

function emptyBucket(time: Date, timeField: string, roundingMs: number, meta: unknown): Document {
  const begin = new Date(Math.floor(time.getTime() / roundingMs) * roundingMs);
  // The first four bytes of a bucket's id are its beginning, so that buckets are in order of time.
  const id = Buffer.from(new ObjectId().id);
  id.writeInt32BE(Math.floor(begin.getTime() / 1000) | 0, 0);
  return {
    _id: new ObjectId(id),
    control: { version: new Int32(1), min: { [timeField]: begin }, max: {} },
    ...(meta === undefined ? {} : { meta }),
    data: {},
  };
}

function add(bucket: Document, fields: Document, timeField: string): Document {
  const { control, data } = bucket;
  const number = String(data[timeField] === undefined ? 0 : Object.keys(data[timeField]).length);
  for (const [name, value] of Object.entries(fields)) {
    data[name] = { ...data[name], [number]: value };
    if (!(name === timeField && control.min[name] !== undefined)) control.min[name] = edge(control.min[name], value, -1);
    control.max[name] = edge(control.max[name], value, 1);
  }
  return bucket;
}

/** The lesser or the greater, field by field where both are documents. */
function edge(known: unknown, value: unknown, side: 1 | -1): unknown {
  if (known === undefined) return value;
  if (isPlain(known) && isPlain(value)) {
    const merged: Document = { ...known };
    for (const [name, each] of Object.entries(value)) merged[name] = edge(merged[name], each, side);
    return merged;
  }
  if (Array.isArray(known) && Array.isArray(value)) {
    return Array.from({ length: Math.max(known.length, value.length) }, (_, index) =>
      index < value.length ? edge(known[index], value[index], side) : known[index],
    );
  }
  return compareValues(value, known) * side > 0 ? value : known;
}
