// The `_id` as a user writes it, and documents as people read them.
import { serialize } from "bson";
import { LifeboatError } from "../../../core/errors.ts";
import type { RowValues } from "../../../core/row-history.ts";
import type { RowName } from "../../../ports/row-history.ts";
import { fromEjson, valueText } from "../archive/ejson.ts";
import { type Element, elementsOf, integerOf, TYPE, textOf } from "../bson/bson.ts";

const OBJECT_ID = /^[0-9a-f]{24}$/i;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The `_id`. Throws USAGE for a text that begins as extended JSON and is none. */
export function idOf({ key }: RowName): Element {
  const [given = "", ...others] = key;
  if (others.length > 0) throw new LifeboatError("USAGE", "a document has one key, its _id: give --key once, as extended JSON");
  const text = given.startsWith("_id=") ? given.slice(4) : given;
  if (OBJECT_ID.test(text)) return parsed(`{"$oid":"${text}"}`);
  if (UUID.test(text)) return parsed(`{"$uuid":"${text}"}`);
  try {
    return parsed(text);
  } catch (error) {
    if (/^\s*[[{"]/.test(text)) throw error;
    return parsed(JSON.stringify(text));
  }
}

function parsed(json: string): Element {
  try {
    const [id, ...others] = elementsOf(serialize(fromEjson(`{"_id":${json}}`), { ignoreUndefined: false }));
    if (id !== undefined && others.length === 0) return id;
  } catch {
    // told below, without the value
  }
  throw new LifeboatError("USAGE", 'the key is not valid extended JSON: write {"$oid":"…"}, {"$uuid":"…"}, 4711 or "text"');
}

/** Equal for two values that the server takes for the same `_id`, as far as their types are of one kind. */
export function looseKey(element: Element): string {
  const { type, value } = element;
  if (type === TYPE.document || type === TYPE.array)
    return `${type}{${elementsOf(value)
      .map((one) => `${JSON.stringify(one.name)}:${looseKey(one)}`)
      .join()}}`;
  const number = integerOf(element);
  if (number !== undefined && Number.isSafeInteger(number)) return `n${number}`;
  return `${type} ${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")}`;
}

/** The document by field, as relaxed extended JSON that loses no digit. */
export const valuesOf = (document: Uint8Array): RowValues =>
  Object.fromEntries(elementsOf(document).map((element) => [element.name, shownValue(element)]));

const UUID_BYTES = 16;

export function shownValue(element: Element): unknown {
  const { type, value } = element;
  if (type === TYPE.document) return valuesOf(value);
  if (type === TYPE.array) return elementsOf(value).map(shownValue);
  if (type === TYPE.string) return textOf(element);
  if (type === TYPE.bool) return value[0] === 1;
  if (type === TYPE.null) return null;
  const number = integerOf(element);
  if (number !== undefined && Number.isFinite(number) && (type === TYPE.double || Number.isSafeInteger(number))) return number;
  const canonical: unknown = JSON.parse(valueText(element));
  if (type === TYPE.date) return dateOf(canonical);
  if (type !== TYPE.binary || value[4] !== 4 || value.length !== 5 + UUID_BYTES) return canonical;
  const hex = Buffer.from(value.subarray(5)).toString("hex");
  return { $uuid: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5") };
}

/** Canonical: `{ $date: { $numberLong: "1700000000000" } }`. */
function dateOf(canonical: unknown): unknown {
  const ms = Number(JSON.stringify(canonical).match(/-?\d+/)?.[0]);
  const at = new Date(ms);
  return Number.isNaN(at.getTime()) ? canonical : { $date: at.toISOString() };
}

/** A filter for this document, in extended JSON. */
export function conditionOf(id: Element): string {
  const number = integerOf(id);
  const isPlain = number !== undefined && Number.isSafeInteger(number);
  return `{"_id":${isPlain ? number : valueText(id)}}`;
}
