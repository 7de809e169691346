// Updating and deleting what a filter finds.
import { type Document, ObjectId } from "bson";
import type { Namespace } from "./catalog.ts";
import { CommandError } from "./errors.ts";
import { idKeyOfValue } from "./find.ts";
import { compileFilter, type Matcher } from "./match.ts";
import { runStages } from "./mingo.ts";
import { assemble, bytesOf, elementBytes, elements, encode, findField, idDocument, type Raw, rawOf, typedOf } from "./raw.ts";
import { sortRaw } from "./sort.ts";
import type { Store } from "./store.ts";
import { applyOperators, fieldsOfFilter } from "./update-operators.ts";
import { compareValues, isPlain, promoteDocument } from "./values.ts";
import type { DocumentVersion, Slot } from "./versions.ts";
import { insertDocument, recordsOf, removeDocument, replaceDocument, type WriteOptions } from "./writes.ts";

interface UpdateOrder {
  readonly db: string;
  readonly name: string;
  /** `q`, `u`, `multi`, `upsert`, `arrayFilters`, `sort`. */
  readonly statement: Document;
  /** The bytes of `u`, where it is a document. */
  readonly replacement: Raw | undefined;
  readonly options: WriteOptions;
  readonly variables?: Document | undefined;
}

export interface UpdateOutcome {
  readonly matched: number;
  readonly modified: number;
  readonly upsertedId?: { readonly value: unknown } | undefined;
  /** The record that was updated or made, of a single update. */
  readonly slot?: Slot | undefined;
}

/** Live records that a filter finds, in natural order. */
export function matchingSlots(namespace: Namespace, filter: Document | undefined): Slot[] {
  const records = recordsOf(namespace);
  const test = compileFilter(filter);
  const id = filter?._id;
  const isValue =
    id !== undefined &&
    id !== null &&
    !Array.isArray(id) &&
    id._bsontype !== "BSONRegExp" &&
    !(isPlain(id) && Object.keys(id)[0]?.startsWith("$"));
  if (isValue) {
    const slot = records.byId.get(idKeyOfValue(id));
    return slot !== undefined && passes(slot.head, test) ? [slot] : [];
  }
  return records.slots.slice(records.firstLive).filter((slot) => slot.head.length > 0 && passes(slot.head, test));
}

const passes = (version: DocumentVersion, test: Matcher | undefined): boolean => test === undefined || test(typedOf(version));

export function updateMatching(store: Store, order: UpdateOrder): UpdateOutcome {
  const { db, name, statement, replacement, options } = order;
  const { q, u, multi, upsert, sort } = statement;
  const isReplacement = isPlain(u) && !Object.keys(u)[0]?.startsWith("$");
  if (isReplacement && multi === true) throw new CommandError(9, "multi update is not supported for replacement-style update");
  const namespace = store.find(db, name);
  let found = namespace === undefined ? [] : matchingSlots(namespace, q);
  if (sort !== undefined) found = sorted(found, sort);
  const chosen = multi === true ? found : found.slice(0, 1);
  let modified = 0;
  for (const slot of chosen) {
    const bytes = isReplacement ? replacing(slot.head, replacement as Raw) : updated(slot.head, order);
    if (replaceDocument(store, namespace as Namespace, slot, bytes, { ...options, partial: !isReplacement })) modified++;
  }
  if (chosen.length > 0 || upsert !== true) return { matched: chosen.length, modified, slot: chosen[0] };
  return upserted(store, order, isReplacement);
}

function sorted(slots: readonly Slot[], sort: Document): Slot[] {
  const byVersion = new Map<Raw, Slot>(slots.map((slot) => [slot.head, slot]));
  return sortRaw([...byVersion.keys()], sort).map((version) => byVersion.get(version) as Slot);
}

/** The replacement's bytes behind the `_id` that the document has. */
function replacing(version: DocumentVersion, replacement: Raw): Buffer {
  const own = findField(replacement, "_id");
  const id = findField(version, "_id");
  if (own !== undefined && compareValues(typedOf(version)._id, typedOf(replacement)._id) !== 0) throw immutableId();
  const rest = [...elements(replacement.chunk, replacement.offset)].filter((element) => element.name !== "_id");
  const head = id === undefined ? [] : [elementBytes(version.chunk, id)];
  return assemble([...head, ...rest.map((element) => elementBytes(replacement.chunk, element))]);
}

const immutableId = (): CommandError =>
  new CommandError(66, "Performing an update on the path '_id' would modify the immutable field '_id'");

function updated(version: DocumentVersion, { statement, variables }: UpdateOrder): Buffer {
  const before = typedOf(version);
  const id = typedOf(rawOf(idDocument(version)))._id;
  const after = Array.isArray(statement.u)
    ? piped(before, statement.u, { ...variables, ...statement.c })
    : operated(before, statement, false);
  if (compareValues(after._id, id) !== 0) throw immutableId();
  return encode(after);
}

function operated(document: Document, statement: Document, inserting: boolean): Document {
  return applyOperators(document, statement.u, {
    filter: statement.q ?? {},
    arrayFilters: statement.arrayFilters ?? [],
    inserting,
  });
}

/** A pipeline computes with plain values; fields that it left alone keep their types. */
function piped(before: Document, stages: Document[], variables: Document): Document {
  const plain = promoteDocument(before);
  const [result] = runStages([structuredCopy(plain)], stages.map(promoteDocument), { variables: promoteDocument(variables) });
  const after: Document = {};
  for (const [name, value] of Object.entries(result ?? {})) after[name] = compareValues(value, plain[name]) === 0 ? before[name] : value;
  return after;
}

const structuredCopy = (document: Document): Document => ({ ...document });

function upserted(store: Store, order: UpdateOrder, isReplacement: boolean): UpdateOutcome {
  const { db, name, statement, replacement, options, variables } = order;
  const base = fieldsOfFilter(statement.q ?? {});
  const namespace = store.ensure(db, name);
  let bytes: Buffer;
  if (isReplacement) {
    const own = findField(replacement as Raw, "_id") !== undefined;
    const id = own ? [] : [encode({ _id: base._id ?? new ObjectId() }).subarray(4, -1)];
    bytes = assemble([...id, bytesOf(replacement as Raw).subarray(4, -1)]);
  } else {
    const made = Array.isArray(statement.u) ? piped(base, statement.u, { ...variables, ...statement.c }) : operated(base, statement, true);
    const { _id = new ObjectId(), ...rest } = made;
    bytes = encode({ _id, ...rest });
  }
  const slot = insertDocument(store, namespace, rawOf(bytes), options);
  return { matched: 0, modified: 0, upsertedId: { value: typedOf(slot.head)._id }, slot };
}

interface DeleteOrder {
  readonly db: string;
  readonly name: string;
  readonly filter: Document | undefined;
  readonly single: boolean;
  readonly collation?: Document | undefined;
  readonly options: WriteOptions;
}

/** Returns how many were deleted. */
export function deleteMatching(store: Store, { db, name, filter, single, options }: DeleteOrder): number {
  const namespace = store.find(db, name);
  if (namespace === undefined) return 0;
  const found = matchingSlots(namespace, filter);
  const chosen = single ? found.slice(0, 1) : found;
  for (const slot of chosen) removeDocument(store, namespace, slot, options);
  return chosen.length;
}
