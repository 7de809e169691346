// Unique indexes: which keys are taken. Other indexes are kept as definitions only, since there is no query planner.
import type { Document } from "bson";
import { type Definition, definitionOf, type Namespace } from "./catalog.ts";
import { CommandError } from "./errors.ts";
import { compileFilter, type Matcher } from "./match.ts";
import { reach } from "./paths.ts";
import { findField, type Raw, typedOf, valueAt } from "./raw.ts";
import { keyOf, toNumber } from "./values.ts";
import type { Records, Slot } from "./versions.ts";

interface Unique {
  readonly spec: Document;
  readonly paths: readonly (readonly string[])[];
  readonly partial: Matcher | undefined;
  /** Keys as a collation sees them. */
  readonly fold: (key: string) => string;
}

const compiled = new WeakMap<Definition, readonly Unique[]>();
const taken = new WeakMap<Records, Map<string, Map<string, Slot>>>();

/** Unique indexes but that on `_id`, which the records keep themselves. */
function uniquesOf(definition: Definition): readonly Unique[] {
  const known = compiled.get(definition);
  if (known !== undefined) return known;
  const made = definition.indexes.filter((spec) => spec.unique === true).map(compile);
  compiled.set(definition, made);
  return made;
}

function compile(spec: Document): Unique {
  const strength = toNumber(spec.collation?.strength ?? 3);
  const bare = (key: string): string => (strength > 1 ? key : key.normalize("NFD").replace(/\p{M}/gu, ""));
  return {
    spec,
    paths: Object.keys(spec.key).map((name) => name.split(".")),
    partial: compileFilter(spec.partialFilterExpression),
    fold: spec.collation === undefined || strength > 2 ? (key) => key : (key) => bare(key).toLowerCase(),
  };
}

function keysOf(unique: Unique, document: Document): string[] {
  if (unique.partial !== undefined && !unique.partial(document)) return [];
  const fields = unique.paths.map((path) =>
    reach(document, path).flatMap((value) => (Array.isArray(value) && value.length > 0 ? value : [value])),
  );
  if (unique.spec.sparse === true && fields.every((values) => values.every((value) => value === undefined))) return [];
  let keys = [""];
  for (const values of fields) {
    const texts = [...new Set(values.map((value) => unique.fold(keyOf(value))))];
    keys = keys.flatMap((key) => texts.map((text) => `${key}${text.length}:${text}`));
  }
  return keys;
}

function takenOf(records: Records, spec: Document): Map<string, Slot> {
  const all = taken.get(records) ?? new Map<string, Map<string, Slot>>();
  taken.set(records, all);
  const keys = all.get(spec.name) ?? new Map<string, Slot>();
  all.set(spec.name, keys);
  return keys;
}

export function duplicate(namespace: Namespace, spec: Document, document: Document): CommandError {
  const keyValue: Document = {};
  for (const name of Object.keys(spec.key)) keyValue[name] = reach(document, name.split("."))[0] ?? null;
  const shown = Object.entries(keyValue).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  const message = `E11000 duplicate key error collection: ${namespace.db}.${namespace.name} index: ${spec.name} dup key: { ${shown.join(", ")} }`;
  return new CommandError(11000, message, { keyPattern: spec.key, keyValue });
}

export function duplicateId(namespace: Namespace, raw: Raw): CommandError {
  const id = findField(raw, "_id");
  const value = id === undefined ? null : valueAt(raw.chunk, id);
  return duplicate(namespace, { name: "_id_", key: { _id: 1 } }, { _id: value });
}

/** Whether the namespace has unique indexes. */
export const hasUniques = (namespace: Namespace): boolean => uniquesOf(definitionOf(namespace)).length > 0;

/** Throws DuplicateKey when the document's keys are taken by another record than `own`. */
export function checkUnique(namespace: Namespace, document: Document, own?: Slot): void {
  for (const unique of uniquesOf(definitionOf(namespace))) {
    const keys = takenOf(namespace.records as Records, unique.spec);
    for (const key of keysOf(unique, document)) {
      const holder = keys.get(key);
      if (holder !== undefined && holder !== own) throw duplicate(namespace, unique.spec, document);
    }
  }
}

export function takeKeys(namespace: Namespace, document: Document, slot: Slot): void {
  for (const unique of uniquesOf(definitionOf(namespace))) {
    const keys = takenOf(namespace.records as Records, unique.spec);
    for (const key of keysOf(unique, document)) keys.set(key, slot);
  }
}

export function freeKeys(namespace: Namespace, document: Document, slot: Slot): void {
  for (const unique of uniquesOf(definitionOf(namespace))) {
    const keys = takenOf(namespace.records as Records, unique.spec);
    for (const key of keysOf(unique, document)) if (keys.get(key) === slot) keys.delete(key);
  }
}

/** Fills a unique index that is about to be made; throws DuplicateKey where documents conflict. */
export function fillUnique(namespace: Namespace, spec: Document): void {
  const records = namespace.records as Records;
  const unique = compile(spec);
  const keys = new Map<string, Slot>();
  for (const slot of records.slots) {
    if (slot.head.length === 0) continue;
    const document = typedOf(slot.head);
    for (const key of keysOf(unique, document)) {
      if (keys.has(key)) throw duplicate(namespace, spec, document);
      keys.set(key, slot);
    }
  }
  const own = takenOf(records, spec);
  own.clear();
  for (const [key, slot] of keys) own.set(key, slot);
}
