// Indexes of a time series: its users name fields of measurements, its buckets are indexed by what they say of them.
// https://www.mongodb.com/docs/manual/core/timeseries/timeseries-secondary-index/
import { type Document, Int32 } from "bson";
import { toNumber } from "./values.ts";

const CONTROL = /^control\.(min|max)\.(.*)$/;

/** Of measurements to of buckets. */
export function toBucketIndex(spec: Document, { metaField }: Document): Document {
  const key: Document = {};
  for (const [field, kind] of Object.entries(spec.key as Document)) {
    const isMeta = metaField !== undefined && (field === metaField || field.startsWith(`${metaField}.`));
    if (isMeta) key[`meta${field.slice(metaField.length)}`] = kind;
    else if (typeof kind === "string") key[`data.${field}`] = kind;
    else {
      const sides = toNumber(kind) < 0 ? ["max", "min"] : ["min", "max"];
      for (const side of sides) key[`control.${side}.${field}`] = kind;
    }
  }
  const name = spec.name ?? defaultName(spec.key);
  return { ...spec, key, name };
}

const defaultName = (key: Document): string =>
  Object.entries(key)
    .map(([field, kind]) => `${field}_${typeof kind === "string" ? kind : toNumber(kind)}`)
    .join("_");

/** Of buckets to of measurements. */
export function fromBucketIndex(spec: Document, { metaField }: Document): Document {
  const key: Document = {};
  for (const [field, kind] of Object.entries(spec.key as Document)) {
    const control = CONTROL.exec(field);
    if (control !== null) key[control[2] as string] ??= kind;
    else if (field === "meta" || field.startsWith("meta.")) key[`${metaField}${field.slice(4)}`] = kind;
    else key[field.replace(/^data\./, "")] = kind;
  }
  return { ...spec, key };
}

/** The index that the server makes with a time series that has a meta field. */
export const firstIndex = ({ timeField, metaField }: Document): Document | undefined =>
  metaField === undefined
    ? undefined
    : { key: { [metaField]: new Int32(1), [timeField]: new Int32(1) }, name: `${metaField}_1_${timeField}_1` };
