// Definitions in one canonical form: what a collection, a view or an index is, apart from what no restore can keep or a server adds by
// itself. Two definitions are equal exactly when their texts are.
//
// Left out: uuid, index version and namespace, and how an index was once built. The order of options has no meaning, so they are sorted;
// order inside them (an index's key, a pipeline) stays. Numbers that are equal are written the same, whichever type they have: servers
// compare them by value, and give back other types than they were given.

import { valueText } from "../archive/ejson.ts";
import type { RawDefinition } from "../archive/metadata.ts";
import { type Element, elementNamed, elementsOf, TYPE, textOf } from "../bson/bson.ts";

const NOT_OF_OPTIONS = new Set(["uuid", "autoIndexId", "temp"]);
const NOT_OF_INDEXES = new Set(["v", "ns", "background", "dropDups", "name", "buildUUID"]);
/** Options that are documents worth a line of their own where they differ. */
const OWN_LINES = new Set(["validator", "validationLevel", "validationAction"]);
/** Options that a server adds by itself. */
const DEFAULTS: Readonly<Record<string, string>> = { validationLevel: '"strict"', validationAction: '"error"' };

/** `name`: how the scope calls the collection. Identity of each object (`index users email_1`) → its canonical definition. */
export function canonicalDefinitions(
  name: string,
  definition: Pick<RawDefinition, "type" | "options" | "indexes">,
): Record<string, string> {
  const { type, options, indexes } = definition;
  const lines: Record<string, string> = {};
  const told = elementsOf(options).filter((element) => !NOT_OF_OPTIONS.has(element.name));
  const word = wordOf(name);
  lines[`${type} ${word}`] = canonicalFields(told.filter((element) => !OWN_LINES.has(element.name)));
  const validation = told.filter((element) => OWN_LINES.has(element.name) && DEFAULTS[element.name] !== canonicalValue(element));
  if (validation.length > 0) lines[`validator ${word}`] = canonicalFields(validation);
  for (const index of indexes) lines[`index ${word} ${indexName(index)}`] = canonicalIndex(index);
  return lines;
}

/** A name with blanks or quotes in it is quoted, so that a definition's identity can be taken apart again. */
const wordOf = (name: string): string => (/[\s"]/.test(name) ? JSON.stringify(name) : name);

/** The collection that a definition belongs to, from its identity. */
export function collectionOfDefinition(identity: string): string {
  const [, quoted, plain = ""] = /^\S+ (?:("(?:[^"\\]|\\.)*")|(\S*))/.exec(identity) ?? [];
  return quoted === undefined ? plain : JSON.parse(quoted);
}

/** An index, apart from its name. */
export const canonicalIndex = (index: Uint8Array): string =>
  canonicalFields(elementsOf(index).filter((element) => !NOT_OF_INDEXES.has(element.name) && !isSimpleCollation(element)));

/** The collation that compares bytes is the same as none. */
function isSimpleCollation({ type, name, value }: Element): boolean {
  if (name !== "collation" || type !== TYPE.document) return false;
  const locale = elementNamed(value, "locale");
  return locale?.type === TYPE.string && textOf(locale) === "simple";
}

export function indexName(index: Uint8Array): string {
  const name = elementNamed(index, "name");
  return name?.type === TYPE.string ? textOf(name) : "";
}

function canonicalFields(elements: readonly Element[]): string {
  const sorted = elements.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return `{${sorted.map((element) => `${JSON.stringify(element.name)}:${canonicalValue(element)}`).join(",")}}`;
}

/** As extended JSON with fields in their order; equal numbers have equal texts. */
function canonicalValue(element: Element): string {
  const { type, value } = element;
  const view = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (type === TYPE.int32) return String(view.readInt32LE(0));
  if (type === TYPE.int64) return String(view.readBigInt64LE(0));
  if (type === TYPE.double) {
    const number = view.readDoubleLE(0);
    // Whole ones as those of the integer types are written; JSON has no words for the infinite ones.
    if (Number.isInteger(number)) return String(BigInt(number));
    return Number.isFinite(number) ? String(number) : valueText(element);
  }
  if (type === TYPE.document) {
    return `{${elementsOf(value)
      .map((field) => `${JSON.stringify(field.name)}:${canonicalValue(field)}`)
      .join(",")}}`;
  }
  if (type === TYPE.array) return `[${elementsOf(value).map(canonicalValue).join(",")}]`;
  return valueText(element);
}
