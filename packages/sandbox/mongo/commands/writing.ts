// insert, update, delete, findAndModify.
import { type Document, Int32 } from "bson";
import type { Namespace } from "../catalog.ts";
import { type Command, collectionOf, type Handlers, isTrue } from "../command.ts";
import { CommandError } from "../errors.ts";
import { findSource } from "../find.ts";
import { compileProjection } from "../project.ts";
import { findField, type Raw, rawOf, typedOf } from "../raw.ts";
import { presentOf } from "../snapshot.ts";
import { insertMeasurement, isSeries } from "../timeseries-write.ts";
import { deleteMatching, type UpdateOutcome, updateMatching } from "../update.ts";
import { insertDocument, type WriteOptions } from "../writes.ts";

/** Runs statement after statement; a failure is reported by its number, and ends an ordered command. */
function each(command: Command, statements: readonly Raw[], act: (statement: Raw, index: number) => void): Document[] {
  const errors: Document[] = [];
  for (const [index, statement] of statements.entries()) {
    try {
      act(statement, index);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      errors.push({ index: new Int32(index), code: new Int32(error.code), errmsg: error.message, ...error.fields });
      if (command.body.ordered !== false) break;
    }
  }
  return errors;
}

const withErrors = (errors: readonly Document[]): Document => (errors.length === 0 ? {} : { writeErrors: errors });

const retryable = new WeakMap<Command, Document>();

function sessionOf(command: Command): Document | undefined {
  const { lsid, txnNumber } = command.body;
  if (txnNumber === undefined || command.transaction !== undefined) return undefined;
  const session = retryable.get(command) ?? { lsid, txnNumber };
  retryable.set(command, session);
  return session;
}

function writeOptions(command: Command, statement: number): WriteOptions {
  const session = sessionOf(command);
  return {
    session,
    stmtId: session === undefined ? undefined : statement,
    bypassValidation: isTrue(command.body.bypassDocumentValidation),
  };
}

function insert(command: Command): Document {
  const { store, db } = command;
  const name = collectionOf(command);
  const documents = command.sequences.get("documents") ?? [];
  if (documents.length === 0) throw new CommandError(73, "Write batch sizes must be between 1 and 100000. Got 0 operations.");
  const namespace = store.ensure(db, name);
  let n = 0;
  const errors = each(command, documents, (raw, index) => {
    if (isSeries(namespace)) insertMeasurement(store, namespace, raw, writeOptions(command, index));
    else insertDocument(store, namespace, raw, writeOptions(command, index));
    n++;
  });
  return { n: new Int32(n), ...withErrors(errors) };
}

function update(command: Command): Document {
  const { store, db } = command;
  const name = collectionOf(command);
  let [n, nModified] = [0, 0];
  const upserted: Document[] = [];
  const errors = each(command, command.sequences.get("updates") ?? [], (raw, index) => {
    const statement = typedOf(raw);
    const replacement = replacementOf(raw, "u");
    const outcome = updateMatching(store, {
      db,
      name,
      statement,
      replacement,
      options: writeOptions(command, index),
      variables: command.body.let,
    });
    n += outcome.matched + (outcome.upsertedId === undefined ? 0 : 1);
    nModified += outcome.modified;
    if (outcome.upsertedId !== undefined) upserted.push({ index: new Int32(index), _id: outcome.upsertedId.value });
  });
  return { n: new Int32(n), nModified: new Int32(nModified), ...(upserted.length === 0 ? {} : { upserted }), ...withErrors(errors) };
}

/** The bytes of a field that is a document: a replacement is kept as it came. */
function replacementOf(raw: Raw, field: string): Raw | undefined {
  const element = findField(raw, field);
  return element?.type === 3 ? { chunk: raw.chunk, offset: element.start, length: element.end - element.start } : undefined;
}

function remove(command: Command): Document {
  const { store, db } = command;
  const name = collectionOf(command);
  let n = 0;
  const errors = each(command, command.sequences.get("deletes") ?? [], (raw, index) => {
    const { q, limit, collation } = typedOf(raw);
    n += deleteMatching(store, { db, name, filter: q, single: isTrue(limit), collation, options: writeOptions(command, index) });
  });
  return { n: new Int32(n), ...withErrors(errors) };
}

function findAndModify(command: Command): Document {
  const { store, db, body, raw } = command;
  const name = collectionOf(command);
  const found = findSource(store, db, name, { filter: body.query, sort: body.sort, limit: 1 }, presentOf(command)).next();
  const project = body.fields === undefined ? (document: Document) => document : compileProjection(body.fields);
  const shown = (document: Raw | undefined): Document | null => (document === undefined ? null : project(typedOf(document)));
  const old = found === undefined ? undefined : rawOf(Buffer.from(encodeRaw(found)));
  if (isTrue(body.remove)) {
    const filter = old === undefined ? body.query : { _id: typedOf(old)._id };
    const n = old === undefined ? 0 : deleteMatching(store, { db, name, filter, single: true, options: writeOptions(command, 0) });
    return { lastErrorObject: { n: new Int32(n) }, value: shown(old) };
  }
  const statement = {
    q: old === undefined ? (body.query ?? {}) : { ...body.query, _id: typedOf(old)._id },
    u: body.update,
    upsert: body.upsert,
    arrayFilters: body.arrayFilters,
  };
  const replacement = replacementOf(rawOf(raw), "update");
  const outcome = updateMatching(store, { db, name, statement, replacement, options: writeOptions(command, 0) });
  return { lastErrorObject: lastError(outcome), value: isTrue(body.new) ? shown(after(store.find(db, name), outcome)) : shown(old) };
}

const encodeRaw = (raw: Raw): Buffer => raw.chunk.subarray(raw.offset, raw.offset + raw.length);
const after = (namespace: Namespace | undefined, { slot }: UpdateOutcome): Raw | undefined =>
  namespace === undefined ? undefined : slot?.head;

function lastError({ matched, upsertedId }: UpdateOutcome): Document {
  const upserted = upsertedId === undefined ? {} : { upserted: upsertedId.value };
  return { n: new Int32(matched + (upsertedId === undefined ? 0 : 1)), updatedExisting: matched > 0, ...upserted };
}

export const WRITING: Handlers = { insert, update, delete: remove, findAndModify, findandmodify: findAndModify };
