// `applyOps`: replays oplog entries, as mongorestore does with the oplog of a dump.
import type { Document } from "bson";
import { createFront, createNamespace, dropDatabase, dropNamespace, modifyNamespace, renameNamespace } from "./definitions.ts";
import { applyDiff } from "./diff.ts";
import { CommandError } from "./errors.ts";
import { createIndexes, dropIndexes } from "./index-definitions.ts";
import { encode, findField, type Raw, rawOf, typedOf } from "./raw.ts";
import type { Store } from "./store.ts";
import { applyOperators } from "./update-operators.ts";
import { isPlain } from "./values.ts";
import { idKeyOf, type Slot } from "./versions.ts";
import { insertDocument, recordsOf, removeDocument, replaceDocument } from "./writes.ts";

/** Applies one entry; idempotent. */
export function applyEntry(store: Store, raw: Raw): void {
  const { op, ns, o, o2 } = typedOf(raw);
  const dot = String(ns).indexOf(".");
  const [db, name] = [String(ns).slice(0, dot), String(ns).slice(dot + 1)];
  if (op === "n") return;
  if (op === "c") applyCommand(store, db, o, raw);
  else if (name === "system.views") applyView(store, db, op, o);
  else if (op === "i") put(store, db, name, fieldOf(raw, "o"));
  else if (op === "u") update(store, db, name, o, o2, raw);
  else if (op === "d") {
    const namespace = store.find(db, name);
    const slot = namespace === undefined ? undefined : slotOf(store, db, name, o);
    if (namespace !== undefined && slot !== undefined) removeDocument(store, namespace, slot);
  } else throw new CommandError(2, `Unknown op type '${op}'`);
}

function fieldOf(raw: Raw, name: string): Raw {
  const element = findField(raw, name);
  if (element === undefined) throw new CommandError(9, `an operation lacks its field ${name}`);
  return { chunk: raw.chunk, offset: element.start, length: element.end - element.start };
}

function slotOf(store: Store, db: string, name: string, id: Document): Slot | undefined {
  return store.find(db, name)?.records?.byId.get(idKeyOf(rawOf(encode({ _id: id._id }))));
}

function put(store: Store, db: string, name: string, raw: Raw): void {
  const namespace = store.ensure(db, name);
  const slot = recordsOf(namespace).byId.get(idKeyOf(raw));
  if (slot === undefined) insertDocument(store, namespace, raw, { bypassValidation: true });
  else
    replaceDocument(store, namespace, slot, Buffer.from(raw.chunk.subarray(raw.offset, raw.offset + raw.length)), {
      bypassValidation: true,
    });
}

function update(store: Store, db: string, name: string, o: Document, o2: Document, raw: Raw): void {
  const isModifier = Object.keys(o).some((key) => key.startsWith("$"));
  if (!isModifier) {
    put(store, db, name, fieldOf(raw, "o"));
    return;
  }
  const slot = slotOf(store, db, name, o2);
  if (slot === undefined) throw new CommandError(2, "the document to update is not there");
  const before = typedOf(slot.head);
  const { $v: _version, diff, ...operators } = o;
  const after = isPlain(diff)
    ? applyDiff(before, diff)
    : applyOperators(before, operators, { filter: {}, arrayFilters: [], inserting: false });
  replaceDocument(store, store.ensure(db, name), slot, encode(after), { bypassValidation: true, partial: true });
}

/** Views and fronts of time series come as documents of `system.views`. */
function applyView(store: Store, db: string, op: string, { _id, viewOn, pipeline, collation }: Document): void {
  const name = String(_id).slice(db.length + 1);
  const known = store.find(db, name);
  if (known !== undefined) dropNamespace(store, known);
  if (op === "d") return;
  const series = pipeline?.[0]?.$_internalUnpackBucket;
  if (series !== undefined) createFront(store, db, name, { timeseries: series });
  else createNamespace(store, db, name, { viewOn, pipeline, ...(collation === undefined ? {} : { collation }) });
}

function applyCommand(store: Store, db: string, command: Document, raw: Raw): void {
  const [verb = "", target] = Object.entries(command)[0] ?? [];
  const { [verb]: _target, idIndex: _idIndex, ...rest } = command;
  const namespace = typeof target === "string" ? store.find(db, target) : undefined;
  if (verb === "create") createNamespace(store, db, String(target), rest);
  else if (verb === "drop") namespace === undefined || dropNamespace(store, namespace);
  else if (verb === "dropDatabase") dropDatabase(store, db);
  else if (verb === "createIndexes") createIndexes(store, store.ensure(db, String(target)), [rest]);
  else if (verb === "commitIndexBuild") createIndexes(store, store.ensure(db, String(target)), rest.indexes);
  else if (verb === "dropIndexes" || verb === "deleteIndexes") namespace === undefined || dropIndexes(store, namespace, rest.index);
  else if (verb === "collMod") namespace === undefined || modifyNamespace(store, namespace, rest);
  else if (verb === "renameCollection")
    renameNamespace(store, String(target), String(rest.to), rest.dropTarget !== undefined && rest.dropTarget !== false);
  else if (verb === "applyOps") for (const each of nested(raw)) applyEntry(store, each);
  else if (verb !== "startIndexBuild" && verb !== "abortIndexBuild") throw new CommandError(2, `'${verb}' cannot be applied`);
}

function* nested(raw: Raw): Generator<Raw> {
  for (const each of typedOf(fieldOf(raw, "o")).applyOps as Document[]) yield rawOf(encode(each));
}
