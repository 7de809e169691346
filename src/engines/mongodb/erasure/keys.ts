// Keys of documents as the text that is hashed, and what a user may have meant by one.
import { EJSON, serialize, UUID } from "bson";
import type { ErasedKeys } from "../../../core/erasure.ts";
import { LifeboatError } from "../../../core/errors.ts";
import { hashOfKey } from "../../../ports/erasure.ts";
import { decode, type Element, elementNamed, elementsOf, integerOf, TYPE } from "../bson/bson.ts";

/** A value as canonical extended JSON; a whole number of any type as its digits, because the server takes 42 and 42.0 for one `_id`. */
export function keyText(element: Element): string {
  const number = integerOf(element);
  if (number !== undefined && Number.isSafeInteger(number)) return String(number);
  return EJSON.stringify(decode(element), { relaxed: false });
}

/** The values at the path: of an array, each of its own, as a query would find them. */
export function valuesAt(document: Uint8Array, path: readonly string[]): Element[] {
  const [name = "", ...rest] = path;
  const found = elementNamed(document, name);
  if (found === undefined) return [];
  const values = found.type === TYPE.array ? [...elementsOf(found.value), ...(rest.length === 0 ? [found] : [])] : [found];
  if (rest.length === 0) return values;
  return values.flatMap((one) => (one.type === TYPE.document ? valuesAt(one.value, rest) : []));
}

/** The keys that a document has in these fields: several, where a field is an array. */
export function keysOf(document: Uint8Array, fields: readonly string[]): string[][] {
  let keys: string[][] = [[]];
  for (const field of fields) {
    const texts = valuesAt(document, field.split(".")).map(keyText);
    keys = keys.flatMap((key) => texts.map((text) => [...key, text]));
  }
  return keys;
}

/** Whether a document has one of the keys. */
export function matcherOf(keys: readonly ErasedKeys[]): (document: Uint8Array) => boolean {
  const sets = keys.map(({ columns, salt, hashes }) => ({ columns, salt, hashes: new Set(hashes) }));
  return (document) => sets.some(({ columns, salt, hashes }) => keysOf(document, columns).some((key) => hashes.has(hashOfKey(salt, key))));
}

/**
 * What a user may have meant: extended JSON that begins with a brace, a bracket or a quote means just that. A plain word is read in every
 * way that it can be: as text, a number, an ObjectId, a UUID. USAGE, without the word.
 */
export function readingsOf(given: string): string[] {
  const text = given.trim();
  const isJson = /^[{["]/.test(text);
  const values: unknown[] = isJson ? [] : [given];
  try {
    values.push(EJSON.parse(text, { relaxed: false }));
  } catch {
    if (isJson) throw new LifeboatError("USAGE", "a key is not valid extended JSON");
  }
  if (/^[0-9a-f]{24}$/i.test(text)) values.push(EJSON.parse(`{"$oid":"${text.toLowerCase()}"}`, { relaxed: false }));
  if (UUID.isValid(text) && text.includes("-")) values.push(new UUID(text).toBinary());
  return [...new Set(values.map((value) => keyText(elementOf(value))))];
}

function elementOf(value: unknown): Element {
  const [element] = elementsOf(serialize({ v: value }));
  if (element === undefined) throw new LifeboatError("USAGE", "a key has no value");
  return element;
}
