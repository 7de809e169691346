// The difference of two documents ($v: 2), as the oplog describes an update: made and applied.
// https://github.com/mongodb/mongo/blob/master/src/mongo/db/update/document_diff_serialization.h
import { type Document, Int32 } from "bson";
import { encode, rawOf, typedOf } from "./raw.ts";
import { isPlain, toNumber } from "./values.ts";

const same = (a: unknown, b: unknown): boolean => encode({ v: a }).equals(encode({ v: b }));

/** The difference, or undefined where none can say it, or none that is smaller than the document. */
export function diffOf(before: Document, after: Document): Document | undefined {
  const diff = objectDiff(before, after);
  const bytes = encode(diff);
  if (bytes.length >= encode(after).length) return undefined;
  return encode(applyDiff(typedOf(rawOf(encode(before))), diff)).equals(encode(after)) ? diff : undefined;
}

function objectDiff(before: Document, after: Document): Document {
  const [d, u, i, s]: [Document, Document, Document, Document] = [{}, {}, {}, {}];
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) d[name] = false;
  for (const [name, value] of Object.entries(after)) {
    if (!Object.hasOwn(before, name)) i[name] = value;
    else if (!same(before[name], value)) {
      const inner = innerDiff(before[name], value);
      if (inner === undefined) u[name] = value;
      else s[`s${name}`] = inner;
    }
  }
  const parts = Object.entries({ d, u, i }).filter(([, fields]) => Object.keys(fields).length > 0);
  return { ...Object.fromEntries(parts), ...s };
}

function innerDiff(before: unknown, after: unknown): Document | undefined {
  if (isPlain(before) && isPlain(after)) return objectDiff(before, after);
  if (!Array.isArray(before) || !Array.isArray(after)) return undefined;
  const diff: Document = { a: true };
  if (after.length < before.length) diff.l = new Int32(after.length);
  for (const [index, value] of after.entries()) {
    if (index < before.length && same(before[index], value)) continue;
    const inner = index < before.length ? innerDiff(before[index], value) : undefined;
    if (inner === undefined) diff[`u${index}`] = value;
    else diff[`s${index}`] = inner;
  }
  return diff;
}

/** Applies the difference to the document in place, and returns it. */
export function applyDiff(document: Document, diff: Document): Document {
  for (const name of Object.keys(diff.d ?? {})) delete document[name];
  for (const [name, value] of Object.entries(diff.u ?? {})) document[name] = value;
  for (const [name, value] of Object.entries(diff.i ?? {})) {
    delete document[name];
    document[name] = value;
  }
  for (const [key, inner] of Object.entries(diff)) if (key.length > 1 && key.startsWith("s")) applyInner(document, key.slice(1), inner);
  return document;
}

function applyInner(holder: Document, name: string, diff: Document): void {
  const value = holder[name];
  if (Array.isArray(value) && diff.a === true) {
    if (diff.l !== undefined) value.length = Math.min(value.length, toNumber(diff.l));
    for (const [key, part] of Object.entries(diff)) {
      if (key.startsWith("u")) value[Number(key.slice(1))] = part;
      else if (key.startsWith("s")) applyInner(value as unknown as Document, key.slice(1), part);
    }
  } else if (isPlain(value)) applyDiff(value, diff);
}
