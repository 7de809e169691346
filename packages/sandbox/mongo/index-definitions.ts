// Definitions of indexes: kept as given, checked for conflicts between two of them.
import { type Document, Int32 } from "bson";
import { definitionOf, type Namespace } from "./catalog.ts";
import { CommandError } from "./errors.ts";
import type { Position } from "./position.ts";
import { newUuid, type Store, uuidValue } from "./store.ts";
import { fillUnique } from "./unique.ts";
import { compareValues, isPlain, toNumber } from "./values.ts";

const nameFrom = (key: Document): string =>
  Object.entries(key)
    .map(([field, direction]) => `${field}_${typeof direction === "string" ? direction : toNumber(direction)}`)
    .join("_");

/** As `listIndexes` will show it: what the server adds by itself is added. */
function complete(spec: Document): Document {
  if (!isPlain(spec.key) || Object.keys(spec.key).length === 0) throw new CommandError(67, "Index keys cannot be empty.");
  const { v = new Int32(2), key, name = nameFrom(key), background: _background, ns: _ns, ...rest } = spec;
  const kinds = Object.values(key as Document);
  if (!kinds.includes("text")) return { v, key: keyOrder(key), name, ...rest, ...geoVersion(kinds, rest) };
  const fields = Object.entries(key as Document).filter(([, kind]) => kind === "text");
  const others = Object.entries(key as Document).filter(([, kind]) => kind !== "text" && kind !== undefined);
  const alreadyInternal = Object.hasOwn(key, "_fts");
  if (alreadyInternal) return { v, key, name, ...rest };
  const before = Object.keys(key).findIndex((field) => key[field] === "text");
  const [prefix, suffix] = [
    others.filter(([field]) => Object.keys(key).indexOf(field) < before),
    others.filter(([field]) => Object.keys(key).indexOf(field) > before),
  ];
  const weights = { ...Object.fromEntries(fields.map(([field]) => [field, new Int32(1)])), ...rest.weights };
  const sorted = Object.fromEntries(Object.entries(weights).sort(([a], [b]) => (a < b ? -1 : 1)));
  const {
    weights: _weights,
    default_language = "english",
    language_override = "language",
    textIndexVersion = new Int32(3),
    ...more
  } = rest;
  return {
    v,
    key: { ...Object.fromEntries(prefix), _fts: "text", _ftsx: new Int32(1), ...Object.fromEntries(suffix) },
    name,
    ...more,
    weights: sorted,
    default_language,
    language_override,
    textIndexVersion,
  };
}

const keyOrder = (key: Document): Document => key;
const geoVersion = (kinds: readonly unknown[], rest: Document): Document =>
  kinds.includes("2dsphere") && rest["2dsphereIndexVersion"] === undefined ? { "2dsphereIndexVersion": new Int32(3) } : {};

/** As a user's request becomes a definition: an index takes the collection's collation unless it has one; `simple` means none, and is not kept. */
export function withCollation({ collation, ...spec }: Document, namespace: Namespace): Document {
  const kept = collation ?? definitionOf(namespace).options.collation;
  return kept === undefined || kept.locale === "simple" ? spec : { ...spec, collation: kept };
}

/** What makes two indexes different although their keys are the same. */
const signature = ({ key, collation, partialFilterExpression, sparse, unique }: Document): Document => ({
  key,
  collation,
  partialFilterExpression,
  sparse,
  unique,
});

/** Adds indexes. An equal one is skipped; a name or a key of another index: 85, 86. */
export function createIndexes(store: Store, namespace: Namespace, specs: readonly Document[]): void {
  const fresh: Document[] = [];
  for (const wanted of specs) {
    const spec = complete(wanted);
    const known = [...definitionOf(namespace).indexes, ...fresh];
    if (isIdIndex(spec) || known.some((each) => sameIndex(each, spec))) continue;
    const named = known.find(({ name }) => name === spec.name);
    if (named !== undefined)
      throw new CommandError(
        86,
        `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Requested index: ${spec.name}`,
      );
    const keyed = known.find((each) => compareValues(signature(each), signature(spec)) === 0);
    if (keyed !== undefined) throw new CommandError(85, `Index already exists with a different name: ${keyed.name}`);
    if (spec.unique === true) fillUnique(namespace, spec);
    fresh.push(spec);
  }
  if (fresh.length > 0 && namespace.records !== undefined && namespace.records.count > 0) build(store, namespace, fresh);
  else for (const spec of fresh) add(store, namespace, spec);
}

/** In an empty collection an index exists at once. */
function add(store: Store, namespace: Namespace, spec: Document): void {
  const position = store.tick();
  store.define(namespace, { indexes: [...definitionOf(namespace).indexes, spec] }, position);
  store.logCommand(position, namespace.db, { createIndexes: namespace.name, ...spec }, namespace.records?.uuid);
}

/** In a collection with documents, the oplog shows when building began and when it was done. */
function build(store: Store, namespace: Namespace, indexes: readonly Document[]): void {
  const { db, name, records } = namespace;
  const said = { indexBuildUUID: uuidValue(newUuid()), indexes };
  store.logCommand(store.tick(), db, { startIndexBuild: name, ...said }, records?.uuid);
  const position = store.tick();
  store.define(namespace, { indexes: [...definitionOf(namespace).indexes, ...indexes] }, position);
  store.logCommand(position, db, { commitIndexBuild: name, ...said }, records?.uuid);
}

const isIdIndex = ({ key }: Document): boolean => compareValues(key, { _id: 1 }) === 0;
const sameIndex = (a: Document, b: Document): boolean => a.name === b.name && compareValues(signature(a), signature(b)) === 0;

/** Drops by name, by key, by a list of names, or all but `_id_` with `*`. */
export function dropIndexes(store: Store, namespace: Namespace, wanted: unknown): void {
  const indexes = definitionOf(namespace).indexes;
  const chosen =
    wanted === "*"
      ? indexes.filter(({ name }) => name !== "_id_")
      : (Array.isArray(wanted) ? wanted : [wanted]).map((each) => {
          const found = indexes.find((spec) => (typeof each === "string" ? spec.name === each : compareValues(spec.key, each) === 0));
          if (found === undefined)
            throw new CommandError(27, `index not found with name [${typeof each === "string" ? each : JSON.stringify(each)}]`);
          if (found.name === "_id_") throw new CommandError(72, "cannot drop _id index");
          return found;
        });
  for (const spec of chosen) {
    const position = store.tick();
    store.define(namespace, { indexes: definitionOf(namespace).indexes.filter((each) => each !== spec) }, position);
    store.logCommand(position, namespace.db, { dropIndexes: namespace.name, index: spec.name }, namespace.records?.uuid, spec);
  }
}

/** collMod's `index`: answers what was and what is. */
export function modifyIndex(store: Store, namespace: Namespace, request: Document, position: Position): Document {
  const { name, keyPattern, ...changes } = request;
  const indexes = definitionOf(namespace).indexes;
  const found = indexes.find((spec) => (name === undefined ? compareValues(spec.key, keyPattern) === 0 : spec.name === name));
  if (found === undefined)
    throw new CommandError(27, `cannot find index ${name ?? JSON.stringify(keyPattern)} for ns ${namespace.db}.${namespace.name}`);
  const changed: Document = { ...found };
  const told: Document = {};
  for (const [key, value] of Object.entries(changes)) {
    if (key === "hidden" && value === false) delete changed.hidden;
    else changed[key] = value;
    told[`${key}_old`] = found[key];
    told[`${key}_new`] = value;
  }
  store.define(namespace, { indexes: indexes.map((spec) => (spec === found ? changed : spec)) }, position);
  return told;
}
