// Sorting documents as the server sorts them.
import type { Document } from "bson";
import { reach } from "./paths.ts";
import { findField, type Raw, typedOf, valueAt } from "./raw.ts";
import { compareValues, toNumber } from "./values.ts";

interface Key {
  readonly parts: readonly string[];
  readonly direction: number;
}

const keysOf = (sort: Document): Key[] =>
  Object.entries(sort).map(([name, direction]) => ({ parts: name.split("."), direction: toNumber(direction) < 0 ? -1 : 1 }));

/** What of a document one key of a sort compares: of an array the smallest, or the greatest when descending. */
function keyValue(document: Document, key: Key): unknown {
  const values = reach(document, key.parts).flatMap((value) =>
    Array.isArray(value) ? (value.length === 0 ? [undefined] : value) : [value],
  );
  return values.reduce((best, value) => (compareValues(value, best) * key.direction < 0 ? value : best), values[0]);
}

const ofTop = (raw: Raw, name: string): unknown => {
  const element = findField(raw, name);
  if (element === undefined) return undefined;
  return valueAt(raw.chunk, element);
};

/** Sorts raw documents; those that compare equal keep their order. */
export function sortRaw(documents: readonly Raw[], sort: Document): Raw[] {
  const keys = keysOf(sort);
  const only = keys.length === 1 && keys[0]?.parts.length === 1 ? keys[0] : undefined;
  const valuesOf = (raw: Raw): unknown[] => {
    if (only === undefined) return valuesFrom(typedOf(raw), keys);
    const value = ofTop(raw, only.parts[0] as string);
    return Array.isArray(value) ? valuesFrom(typedOf(raw), keys) : [value];
  };
  return sortBy(
    documents.map((raw) => ({ item: raw, values: valuesOf(raw) })),
    keys,
  );
}

const valuesFrom = (document: Document, keys: readonly Key[]): unknown[] => keys.map((key) => keyValue(document, key));

/** Sorts typed documents. */
export function sortTyped(documents: readonly Document[], sort: Document): Document[] {
  const keys = keysOf(sort);
  return sortBy(
    documents.map((item) => ({ item, values: valuesFrom(item, keys) })),
    keys,
  );
}

function sortBy<T>(entries: { readonly item: T; readonly values: readonly unknown[] }[], keys: readonly Key[]): T[] {
  entries.sort((a, b) => {
    for (const [index, { direction }] of keys.entries()) {
      const result = compareValues(a.values[index], b.values[index]);
      if (result !== 0) return result * direction;
    }
    return 0;
  });
  return entries.map(({ item }) => item);
}
