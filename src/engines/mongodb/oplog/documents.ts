// Replay of what happened to documents: in the order of the log, many at a time, every document written as the bytes it had.
//
// Every change becomes the whole document that it leads to, or its removal, by `_id`: done twice it is the same as once. What cannot be
// done at once, because the database is further than the log (a document that a later entry removes, a key that another document has
// by now), is remembered, and must have been set right by a later entry, or can be done, when replay ends.
import type { Document } from "mongodb";
import { LifeboatError } from "../../../core/errors.ts";
import { hasBucketCollections } from "../archive/prelude.ts";
import { decode, type Element, elementNamed, elementsOf, integerOf, TYPE } from "../bson/bson.ts";
import { commandWith } from "../bson/raw-insert.ts";
import type { MongoSession } from "../connect/connect.ts";
import { serverCodeOf } from "../connect/translate.ts";
import { type Namespace, visibleName } from "../scope.ts";
import { applyDiff } from "./diff.ts";
import type { Entry } from "./entry.ts";
import { positionOf, type Stamp } from "./position.ts";
import { commandOf, hasEmptyTimestamp, modification, runsOf, type Write } from "./writes.ts";

const BATCH_ENTRIES = 1_000;
const BATCH_BYTES = 16_000_000;
/** Of documents that differences are applied to, so much is held at a time, and one more. */
const HELD_BYTES = 32_000_000;
const DUPLICATE_KEY = 11000;
const UNKNOWN_FIELD = 40_415;

interface Change {
  readonly place: Namespace;
  readonly key: string;
  readonly id: Element;
  readonly stamp: Stamp;
  /** The document itself, how it differs, or that it goes. */
  readonly kind: "document" | "diff" | "delete";
  readonly bytes: Uint8Array;
}

export class DocumentReplay {
  readonly #session: MongoSession;
  #batch: Change[] = [];
  #batchBytes = 0;
  /** What could not be done and has not been set right: by namespace and `_id`. */
  readonly #open = new Map<string, { readonly write: Write; readonly why: string }>();
  applied = 0;

  /** Since 8.3 there is no collection of buckets: they are read and written in the time series itself, as `rawData`. */
  readonly #bucketCollections: boolean;
  readonly #raw = new Map<string, boolean>();

  /** A server puts its own time in the place of an empty timestamp; newer ones leave it when asked to. */
  #keepsTimestamps: boolean;

  constructor(session: MongoSession) {
    this.#session = session;
    this.#keepsTimestamps = session.hello.serverMajor >= 8;
    this.#bucketCollections = hasBucketCollections(session.hello.version);
  }

  /** Takes an `i`, `u` or `d` entry of a collection, with its present place. */
  async take(entry: Entry, given: Namespace): Promise<void> {
    const place = this.#bucketCollections ? given : { ...given, collection: visibleName(given.collection) };
    const change = await this.#changeOf(entry, place);
    if (change === undefined) return;
    this.#batch.push(change);
    this.#batchBytes += change.bytes.length;
    if (this.#batch.length >= BATCH_ENTRIES || this.#batchBytes >= BATCH_BYTES) await this.flush();
  }

  /** Applies waiting changes: before entries of definitions, and at the end. */
  async flush(): Promise<void> {
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    this.#batchBytes = 0;
    await this.#apply(batch);
  }

  async #apply(batch: readonly Change[]): Promise<void> {
    const states = await this.#statesBefore(batch);
    if (states === undefined) {
      const half = batch.length >> 1;
      await this.#apply(batch.slice(0, half));
      return await this.#apply(batch.slice(half));
    }
    const byPlace = new Map<string, Write[]>();
    for (const change of batch) {
      const write = writeOf(change, states);
      if (write === undefined) {
        this.#open.set(change.key, { write: change, why: "the document that it changes is not there" });
        continue;
      }
      states.set(change.key, write.document);
      const name = `${change.place.db}.${change.place.collection}`;
      const writes = byPlace.get(name);
      if (writes === undefined) byPlace.set(name, [write]);
      else writes.push(write);
    }
    for (const writes of byPlace.values()) for (const run of runsOf(writes)) await this.#write(run);
    this.applied += batch.length;
  }

  /** Forgets open changes of a collection that is dropped or made anew. */
  forget({ db, collection }: Namespace): void {
    const prefix = prefixOf({ db, collection });
    this.#raw.delete(prefix);
    for (const key of this.#open.keys()) if (key.startsWith(prefix)) this.#open.delete(key);
  }

  /** Throws LOG_INVALID for what no later entry has set right. */
  async finish(): Promise<void> {
    await this.flush();
    for (let before = Number.POSITIVE_INFINITY; this.#open.size > 0 && this.#open.size < before; ) {
      before = this.#open.size;
      for (const { write } of [...this.#open.values()])
        if (write.document !== undefined) for (const run of runsOf([write])) await this.#write(run);
    }
    const [left] = this.#open.values();
    if (left !== undefined) throw invalid(left.write.stamp, left.why);
  }

  async #changeOf(entry: Entry, place: Namespace): Promise<Change | undefined> {
    const { op, o, o2, stamp } = entry;
    const id = elementNamed(op === "u" ? (o2 ?? o) : o, "_id");
    if (id === undefined) throw invalid(stamp, "it does not say of which document it is");
    const about = { place, id, stamp, key: prefixOf(place) + idKey(id) };
    if (op === "d") return { ...about, kind: "delete", bytes: o.subarray(0, 0) };
    if (op === "i") return { ...about, kind: "document", bytes: o };
    const version = integerOf(elementNamed(o, "$v"));
    const diff = version === 2 ? elementNamed(o, "diff") : undefined;
    if (diff?.type === TYPE.document) return { ...about, kind: "diff", bytes: diff.value };
    const operators = elementsOf(o).filter(({ name }) => name.startsWith("$") && name !== "$v");
    if (version === undefined && operators.length === 0) return { ...about, kind: "document", bytes: o };
    if (version === 2 || operators.some(({ name }) => name !== "$set" && name !== "$unset")) {
      throw invalid(stamp, "its update is of a kind that is not known");
    }
    await this.#setAndUnset(about, operators);
    return undefined;
  }

  /** How servers before 5.0 say it: paths that are set and unset, which the server itself follows best. */
  async #setAndUnset(about: Pick<Change, "place" | "id" | "stamp" | "key">, operators: readonly Element[]): Promise<void> {
    await this.flush();
    const { db, collection } = about.place;
    const statement = modification(about.id, operators);
    const reply = await commandWith(this.#session, db, { update: collection, bypassDocumentValidation: true }, "updates", [statement]);
    const [error] = (reply.writeErrors as { errmsg: string }[] | undefined) ?? [];
    if (error !== undefined) throw invalid(about.stamp, error.errmsg);
    if (Number(reply.n) === 0) this.#open.set(about.key, { write: about, why: "the document that it changes is not there" });
    this.applied += 1;
  }

  /** Documents as they are before the batch, for those of which it only tells a difference. Undefined: they are too large to be held together. */
  async #statesBefore(batch: readonly Change[]): Promise<Map<string, Uint8Array | undefined> | undefined> {
    let heldBytes = 0;
    const known = new Set<string>();
    const wanted = new Map<string, { readonly place: Namespace; readonly ids: Map<string, Element> }>();
    for (const { kind, key, place, id } of batch) {
      if (kind !== "diff") known.add(key);
      if (known.has(key)) continue;
      const name = prefixOf(place);
      const group = wanted.get(name) ?? { place, ids: new Map() };
      group.ids.set(key, id);
      wanted.set(name, group);
    }
    const states = new Map<string, Uint8Array | undefined>();
    for (const { place, ids } of wanted.values()) {
      const { client } = this.#session;
      const filter = { _id: { $in: [...ids.values()].map(decode) } } as Record<string, unknown>;
      try {
        for await (const found of client
          .db(place.db)
          .collection(place.collection)
          .find(filter, { raw: true, ...(await this.#rawData(place)) })) {
          // The driver's buffer is used again; what is kept must be our own.
          const bytes = Uint8Array.from(found as unknown as Uint8Array);
          const id = elementNamed(bytes, "_id");
          if (id !== undefined) states.set(prefixOf(place) + idKey(id), bytes);
          heldBytes += bytes.length;
          if (heldBytes > HELD_BYTES && batch.length > 1) return undefined;
        }
      } catch (error) {
        throw this.#session.translate(error, { otherwise: "LOAD_FAILED" });
      }
      // The log continues from what could not be written yet, and not from the present document.
      for (const key of ids.keys()) {
        const waiting = this.#open.get(key)?.write.document;
        if (waiting !== undefined) states.set(key, waiting);
      }
    }
    return states;
  }

  async #rawData(place: Namespace): Promise<{ readonly rawData?: true }> {
    if (this.#bucketCollections) return {};
    const key = prefixOf(place);
    let raw = this.#raw.get(key);
    if (raw === undefined) {
      const command = { listCollections: 1, filter: { name: place.collection }, cursor: {} };
      const reply = await this.#session.command(place.db, command);
      raw = (reply.cursor.firstBatch as { type?: string }[]).some(({ type }) => type === "timeseries");
      this.#raw.set(key, raw);
    }
    return raw ? { rawData: true } : {};
  }

  /** Nothing is altered without a word. */
  #assertKept(run: readonly Write[]): void {
    const altered = this.#keepsTimestamps ? undefined : run.find(({ document }) => document !== undefined && hasEmptyTimestamp(document));
    if (altered === undefined) return;
    throw invalid(altered.stamp, "its document has an empty timestamp, and a server older than MongoDB 8 would put the present one there");
  }

  #keeping(field: string): Document {
    return this.#keepsTimestamps && field !== "deletes" ? { bypassEmptyTsReplacement: true } : {};
  }

  /** Writes of one kind into one collection, in order. */
  async #write(run: readonly Write[]): Promise<void> {
    const [first] = run;
    if (first === undefined) return;
    const { db, collection } = first.place;
    this.#assertKept(run);
    const { command, field, statement } = commandOf(first);
    const how = { ordered: true, ...(await this.#rawData(first.place)) };
    for (let from = 0; from < run.length; ) {
      const statements = run.slice(from).map(statement);
      const send = (): Promise<Document> =>
        commandWith(this.#session, db, { ...command(collection), ...how, ...this.#keeping(field) }, field, statements);
      const reply = await send().catch((error: unknown) => {
        if (serverCodeOf(error) !== UNKNOWN_FIELD || !this.#keepsTimestamps) throw error;
        this.#keepsTimestamps = false;
        this.#assertKept(run);
        return send();
      });
      const [error] = (reply.writeErrors as { index: number; code: number; errmsg: string }[] | undefined) ?? [];
      const done = error === undefined ? run.length - from : error.index;
      for (const { key } of run.slice(from, from + done)) this.#open.delete(key);
      from += done;
      const refused = run[from];
      if (error === undefined || refused === undefined) continue;
      if (error.code !== DUPLICATE_KEY) throw invalid(refused.stamp, error.errmsg);
      this.#open.set(refused.key, { write: refused, why: error.errmsg });
      from += 1;
    }
  }
}

function writeOf(change: Change, states: ReadonlyMap<string, Uint8Array | undefined>): Write | undefined {
  const { place, key, id, stamp, kind, bytes } = change;
  if (kind === "delete") return { place, key, id, stamp };
  if (kind === "document") return { place, key, id, stamp, document: bytes };
  const before = states.get(key);
  if (before === undefined) return undefined;
  try {
    return { place, key, id, stamp, document: applyDiff(before, bytes) };
  } catch (error) {
    if (!(error instanceof LifeboatError)) throw error;
    throw invalid(stamp, error.message);
  }
}

const prefixOf = ({ db, collection }: Namespace): string => `${db}.${collection}\0`;

/** Equal for two values that the server takes for the same `_id`. */
export function idKey(id: Element): string {
  const number = integerOf(id);
  if (number !== undefined && Number.isSafeInteger(number)) return `number ${number}`;
  return `${id.type} ${Buffer.from(id.value.buffer, id.value.byteOffset, id.value.byteLength).toString("latin1")}`;
}

const invalid = (stamp: Stamp, why: string): LifeboatError =>
  new LifeboatError("LOG_INVALID", `the entry at ${positionOf(stamp)} of the oplog cannot be applied: ${why}`);
