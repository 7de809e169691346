// A time series as clients see it: the measurements in its buckets.
import type { Document } from "bson";
import { definitionAt, type Namespace } from "./catalog.ts";
import type { Position } from "./position.ts";
import { encode, type Raw, rawOf, typedOf } from "./raw.ts";
import type { Store } from "./store.ts";

export const BUCKETS = "system.buckets.";
export const bucketsName = (name: string): string => `${BUCKETS}${name}`;

/** Every measurement of every bucket, bucket after bucket. */
export function* unpackBuckets(store: Store, series: Namespace, at: Position): Generator<Raw> {
  const { metaField } = definitionAt(series, at).options.timeseries as Document;
  const buckets = store.find(series.db, bucketsName(series.name), at)?.records;
  if (buckets === undefined) return;
  for (const version of buckets.scan(at))
    for (const measurement of measurementsOf(typedOf(version), metaField)) yield rawOf(encode(measurement));
}

/** The measurements of one bucket, in the order of their numbers. Version 1: a column is a document by number. */
function measurementsOf(bucket: Document, metaField: string | undefined): Document[] {
  const columns = Object.entries((bucket.data ?? {}) as Document);
  const numbers = new Set<string>();
  for (const [, column] of columns) for (const number of Object.keys(column)) numbers.add(number);
  return [...numbers]
    .sort((a, b) => Number(a) - Number(b))
    .map((number) => {
      const measurement: Document = {};
      for (const [name, column] of columns) if (Object.hasOwn(column, number)) measurement[name] = column[number];
      if (metaField !== undefined && bucket.meta !== undefined) measurement[metaField] = bucket.meta;
      return measurement;
    });
}
