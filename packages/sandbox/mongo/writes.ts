// Changes of documents: each is checked, kept as a version, and logged.
import { type Document, Int32, ObjectId, type Timestamp } from "bson";
import { type Definition, definitionOf, fullName, type Namespace } from "./catalog.ts";
import { diffOf } from "./diff.ts";
import { CommandError } from "./errors.ts";
import { compileFilter, type Matcher } from "./match.ts";
import { timestampOf } from "./position.ts";
import { assemble, bytesOf, elementBytes, elements, encode, idDocument, type Raw, rawOf, typedOf } from "./raw.ts";
import type { Store } from "./store.ts";
import { checkUnique, duplicateId, freeKeys, hasUniques, takeKeys } from "./unique.ts";
import { toNumber } from "./values.ts";
import { idKeyOf, type Records, type Slot } from "./versions.ts";
import { MAX_DOCUMENT_BYTES } from "./wire.ts";

export interface WriteOptions {
  /** For the log: `lsid` and `txnNumber` of a retryable write, and which of its statements this is. */
  readonly session?: Document | undefined;
  readonly stmtId?: number | undefined;
  readonly bypassValidation?: boolean | undefined;
  /** It changes some fields: the oplog may hold the difference. */
  readonly partial?: boolean | undefined;
}

/** Adds a document; returns its slot. DuplicateKey, DocumentValidationFailure, BSONObjectTooLarge. */
export function insertDocument(store: Store, namespace: Namespace, given: Raw, options: WriteOptions = {}): Slot {
  const records = recordsOf(namespace);
  store.assertWritable(namespace);
  const raw = prepare(store, given);
  if (raw.length > MAX_DOCUMENT_BYTES)
    throw new CommandError(10334, `object to insert too large. size in bytes: ${raw.length}, max size: ${MAX_DOCUMENT_BYTES}`);
  const key = idKeyOf(raw);
  if (records.byId.has(key)) throw duplicateId(namespace, raw);
  const looked = needsLook(namespace) ? typedOf(raw) : undefined;
  if (looked !== undefined) {
    if (options.bypassValidation !== true) validate(namespace, looked);
    checkUnique(namespace, looked);
  }
  const kept = store.slab.keep(raw.chunk, raw.offset, raw.length);
  const position = store.tick();
  const sizeBefore = records.sizeBytes;
  const slot = records.insert(key, kept, position);
  store.changed(namespace, key, slot, undefined, sizeBefore);
  if (looked !== undefined) takeKeys(namespace, looked, slot);
  store.log(position, {
    op: "i",
    ns: fullName(namespace.db, namespace.name),
    uuid: records.uuid,
    o: slot.head,
    session: options.session,
    stmtId: options.stmtId,
  });
  if (definitionOf(namespace).options.capped) makeRoom(store, namespace);
  return slot;
}

/** Replaces a document. False when nothing changed. */
export function replaceDocument(store: Store, namespace: Namespace, slot: Slot, bytes: Buffer, options: WriteOptions = {}): boolean {
  const records = recordsOf(namespace);
  const before = slot.head;
  if (bytes.equals(bytesOf(before))) return false;
  if (bytes.length > MAX_DOCUMENT_BYTES)
    throw new CommandError(10334, `object to insert too large. size in bytes: ${bytes.length}, max size: ${MAX_DOCUMENT_BYTES}`);
  if (needsLook(namespace)) {
    const after = typedOf(rawOf(bytes));
    if (options.bypassValidation !== true) validate(namespace, after, typedOf(before));
    checkUnique(namespace, after, slot);
    freeKeys(namespace, typedOf(before), slot);
    takeKeys(namespace, after, slot);
  }
  const kept = store.slab.keep(bytes, 0, bytes.length);
  const position = store.tick();
  store.changed(namespace, idKeyOf(before), slot, before, records.sizeBytes);
  records.replace(slot, kept, position);
  store.log(position, {
    op: "u",
    ns: fullName(namespace.db, namespace.name),
    uuid: records.uuid,
    ...(options.partial === true ? told(store, before, slot.head) : { o: slot.head }),
    session: options.session,
    stmtId: options.stmtId,
  });
  return true;
}

/** The oplog's form of an update of some fields. */
function told(store: Store, before: Raw, after: Raw): { readonly o: Raw; readonly o2?: Buffer } {
  const diff = store.updateDiffs ? diffOf(typedOf(before), typedOf(after)) : undefined;
  return diff === undefined ? { o: after } : { o: rawOf(encode({ $v: new Int32(2), diff })), o2: idDocument(after) };
}

export function removeDocument(store: Store, namespace: Namespace, slot: Slot, options: WriteOptions = {}): void {
  const records = recordsOf(namespace);
  const before = slot.head;
  const id = idDocument(before);
  const position = store.tick();
  store.changed(namespace, idKeyOf(before), slot, before, records.sizeBytes);
  forget(namespace, slot, position);
  store.log(position, {
    op: "d",
    ns: fullName(namespace.db, namespace.name),
    uuid: records.uuid,
    o: rawOf(id),
    session: options.session,
    stmtId: options.stmtId,
  });
}

function forget(namespace: Namespace, slot: Slot, position: number): void {
  const records = recordsOf(namespace);
  if (hasUniques(namespace)) freeKeys(namespace, typedOf(slot.head), slot);
  records.remove(idKeyOf(slot.head), slot, position);
}

/** Capped collections lose their oldest documents; each member of a set does so itself, so the log does not say it. */
function makeRoom(store: Store, namespace: Namespace): void {
  const records = recordsOf(namespace);
  const { size, max } = definitionOf(namespace).options;
  const [mostBytes, most] = [toNumber(size ?? Number.POSITIVE_INFINITY), max === undefined ? Number.POSITIVE_INFINITY : toNumber(max)];
  while (records.count > 1 && (records.sizeBytes > mostBytes || (most > 0 && records.count > most))) {
    forget(namespace, records.slots[records.firstLive] as Slot, store.last);
  }
  store.wake();
}

export function recordsOf(namespace: Namespace): Records {
  if (namespace.records === undefined)
    throw new CommandError(166, `Namespace ${fullName(namespace.db, namespace.name)} is a view, not a collection`);
  return namespace.records;
}

/** `_id` first, made when it is missing; empty timestamps at the top become the present. As the server does it. */
function prepare(store: Store, raw: Raw): Raw {
  let first = true;
  let fine = false;
  let stamped = false;
  for (const each of elements(raw.chunk, raw.offset)) {
    if (first && each.name === "_id") fine = true;
    first = false;
    if (each.name === "_id" && (each.type === 4 || each.type === 11 || each.type === 6))
      throw new CommandError(
        2,
        `The '_id' value cannot be of type ${each.type === 4 ? "array" : each.type === 11 ? "regex" : "undefined"}`,
      );
    if (each.type === 17 && each.name !== "_id" && raw.chunk.readBigUInt64LE(each.start) === 0n) stamped = true;
  }
  if (fine && !stamped) return raw;
  const all = [...elements(raw.chunk, raw.offset)];
  const id = all.find(({ name }) => name === "_id");
  const parts = [id === undefined ? encode({ _id: new ObjectId() }).subarray(4, -1) : elementBytes(raw.chunk, id)];
  for (const each of all) {
    if (each.name === "_id") continue;
    const empty = each.type === 17 && raw.chunk.readBigUInt64LE(each.start) === 0n;
    parts.push(empty ? encode({ [each.name]: presentOf(store) }).subarray(4, -1) : elementBytes(raw.chunk, each));
  }
  return rawOf(assemble(parts));
}

const presentOf = (store: Store): Timestamp => timestampOf(store.tickNow());

const validators = new WeakMap<Definition, { readonly test: Matcher | undefined }>();

function validatorOf(namespace: Namespace): Matcher | undefined {
  const definition = definitionOf(namespace);
  const known = validators.get(definition);
  if (known !== undefined) return known.test;
  const { validator, validationLevel, validationAction } = definition.options;
  const off = validationLevel === "off" || validationAction === "warn";
  const test = off ? undefined : compileFilter(validator);
  validators.set(definition, { test });
  return test;
}

const needsLook = (namespace: Namespace): boolean => validatorOf(namespace) !== undefined || hasUniques(namespace);

/** Moderate validation accepts an update of a document that was invalid before. */
function validate(namespace: Namespace, document: Document, before?: Document): void {
  const test = validatorOf(namespace);
  if (test === undefined || test(document)) return;
  if (before !== undefined && definitionOf(namespace).options.validationLevel === "moderate" && !test(before)) return;
  throw new CommandError(121, "Document failed validation", {
    errInfo: { failingDocumentId: document._id, details: { operatorName: "$jsonSchema" } },
  });
}
