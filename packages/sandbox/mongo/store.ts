// The server's data: namespaces, documents in all their versions, and the oplog of their changes.
import { Binary, type Document, UUID } from "bson";
import { Catalog, type Definition, definitionOf, fullName, type Kind, type Namespace } from "./catalog.ts";
import { CommandError } from "./errors.ts";
import { Oplog } from "./oplog.ts";
import type { Pending, PendingEntry } from "./pending.ts";
import { LATEST, PENDING, type Position, positionAt, secondsOf } from "./position.ts";
import { encode, type Raw, rawOf } from "./raw.ts";
import { type DocumentVersion, idKeyOf, Records, type Slot } from "./versions.ts";

export interface StoreOptions {
  readonly clock: () => Date;
  /** A standalone server has no oplog. */
  readonly logged: boolean;
  readonly oplogBytes: number;
  /** The log tells an update of some fields as a difference where that is smaller. */
  readonly updateDiffs: boolean;
}

export class Store {
  catalog = new Catalog();
  readonly oplog: Oplog;
  readonly slab = new Slab();
  readonly clock: () => Date;
  readonly logged: boolean;
  readonly updateDiffs: boolean;
  /** Position of the newest change; positions only ever rise. */
  last: Position;
  /** First position whose past is known: later than a state that was loaded. */
  epoch: Position;
  #pending: Pending | undefined;
  /** What the clock said when the newest position was given. */
  #tickedMs = 0;
  readonly #watchers = new Set<() => void>();

  /** What `local.system.replset` holds; absent: no set. */
  setConfig: (() => Document) | undefined;

  constructor(options: StoreOptions) {
    this.clock = options.clock;
    this.logged = options.logged;
    this.updateDiffs = options.updateDiffs;
    this.oplog = new Oplog(options.oplogBytes);
    this.last = positionAt(Math.floor(options.clock().getTime() / 1000), 0);
    this.epoch = this.last;
  }

  /** The next position: of this second, or right after the newest where the clock stands still or went back. */
  tick(): Position {
    return this.#pending === undefined ? this.tickNow() : PENDING;
  }

  /** The same, but never pending. */
  tickNow(): Position {
    this.#tickedMs = this.clock().getTime();
    const now = positionAt(Math.floor(this.#tickedMs / 1000), 1);
    this.last = now > this.last ? now : this.last + 1;
    return this.last;
  }

  /** Writes an entry at a position; databases that are not replicated have none. */
  log(position: Position, request: PendingEntry): void {
    if (!this.logged || request.ns.startsWith("local.")) return;
    if (this.#pending !== undefined) {
      this.#pending.requested.push(request);
      return;
    }
    // Of the same reading of the clock as the position, and never before its second: the clock may have gone back.
    this.oplog.append({ position, wallMs: Math.max(this.#tickedMs, secondsOf(position) * 1000), ...request });
    this.wake();
  }

  /** An entry of a change to definitions: of no collection's documents. */
  logCommand(position: Position, db: string, command: Document, uuid?: Buffer, o2?: Document): void {
    this.log(position, { op: "c", ns: `${db}.$cmd`, uuid, o: rawOf(encode(command)), o2: o2 === undefined ? undefined : encode(o2) });
  }

  /** An entry of a document that is not kept here as one: a view's definition. */
  logDocument(position: Position, op: "i" | "u" | "d", ns: string, document: Document, id: Document): void {
    this.log(position, { op, ns, o: rawOf(encode(document)), o2: op === "d" ? undefined : encode(id) });
  }

  /** A document that another collection has, taken over without copying its bytes. */
  copyDocument(namespace: Namespace, raw: Raw): void {
    const records = namespace.records as Records;
    const position = this.tick();
    records.insert(idKeyOf(raw), raw, position);
    this.log(position, { op: "i", ns: fullName(namespace.db, namespace.name), uuid: records.uuid, o: raw });
  }

  /** An entry that changes nothing. */
  logNoop(message: Document): Position {
    const position = this.tick();
    this.log(position, { op: "n", ns: "", o: rawOf(encode(message)) });
    return position;
  }

  /** Calls the listener at every change of the oplog or of a capped collection. Returns a function that ends that. */
  watch(listener: () => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  wake(): void {
    for (const listener of [...this.#watchers]) listener();
  }

  /** Runs writes that are pending: to be committed or undone later. */
  during<T>(pending: Pending, act: () => T): T {
    this.#pending = pending;
    try {
      return act();
    } finally {
      this.#pending = undefined;
    }
  }

  /** Throws where a transaction may not write. */
  assertWritable(namespace: Namespace): void {
    if (this.#pending === undefined) return;
    const { options } = definitionOf(namespace);
    if (options.capped === true || options.timeseries !== undefined) {
      throw new CommandError(263, `Cannot write to ${fullName(namespace.db, namespace.name)} in a transaction`);
    }
  }

  /** Remembers, of a pending write, what was there before. */
  changed(namespace: Namespace, key: string, slot: Slot, before: DocumentVersion | undefined, sizeBefore: number): void {
    if (this.#pending === undefined) return;
    (namespace.records as Records).pending = true;
    this.#pending.changes.push({ namespace, key, slot, before, sizeBefore });
  }

  /** Forgets all data and its history. Positions keep rising. */
  reset(): void {
    this.catalog = new Catalog();
    this.oplog.clear();
    this.wake();
  }

  find(db: string, name: string, at: Position = LATEST): Namespace | undefined {
    return this.catalog.find(db, name, at);
  }

  /** The collection; creates a missing one. */
  ensure(db: string, name: string): Namespace {
    const known = this.catalog.find(db, name);
    if (known !== undefined) return known;
    // Even within a transaction a collection exists at once.
    const pending = this.#pending;
    this.#pending = undefined;
    try {
      return this.create(db, name, "collection", {});
    } finally {
      this.#pending = pending;
    }
  }

  /** Makes a namespace and logs it. `uuid`: one that a restore keeps. */
  create(db: string, name: string, kind: Kind, options: Document, uuid?: Buffer): Namespace {
    if (this.catalog.find(db, name) !== undefined) throw new CommandError(48, `Collection ${fullName(db, name)} already exists.`);
    checkName(db, name);
    const other = this.catalog.at().find((one) => one.db !== db && one.db.toLowerCase() === db.toLowerCase());
    if (other !== undefined)
      throw new CommandError(13297, `db already exists with different case already have: [${other.db}] trying to create [${db}]`);
    const position = this.tick();
    const id = kind === "collection" ? (uuid ?? newUuid()) : undefined;
    const indexes = id === undefined || options.clusteredIndex !== undefined ? [] : [idIndex(options)];
    const definition: Definition = { from: position, options, indexes };
    const records = id === undefined ? undefined : new Records(id);
    const made = this.catalog.add({ db, name, kind, records, from: position, to: LATEST, definitions: [definition] });
    if (kind === "collection") {
      const shown = { create: name, ...options, ...(indexes[0] === undefined ? {} : { idIndex: indexes[0] }) };
      this.logCommand(position, db, shown, id);
    }
    return made;
  }

  /** A definition that follows the present one. */
  define(namespace: Namespace, change: Partial<Pick<Definition, "options" | "indexes">>, position: Position): void {
    this.catalog.define(namespace, { ...definitionOf(namespace), ...change, from: position });
  }
}

export const newUuid = (): Buffer => Buffer.from(new UUID().buffer);
export const uuidValue = (uuid: Buffer): Binary => new Binary(uuid, 4);

function idIndex(options: Document): Document {
  const { collation } = options;
  return { v: 2, key: { _id: 1 }, name: "_id_", ...(collation === undefined ? {} : { collation }) };
}

function checkName(db: string, name: string): void {
  if (db === "" || /[/\\. "$*<>:|?\0]/.test(db) || db.length > 63) throw new CommandError(73, `Invalid database name: '${db}'`);
  const bad = name === "" || name.includes("\0") || name.startsWith(".") || (name.includes("$") && !name.startsWith("oplog.$"));
  if (bad) throw new CommandError(73, `Invalid collection name: ${name}`);
  if (fullName(db, name).length > 255) throw new CommandError(73, `Fully qualified namespace is too long: ${fullName(db, name)}`);
}

// The bytes of documents: large buffers that are only appended to, so that a document costs no buffer of its own.

const SLAB_BYTES = 2 * 1024 * 1024;

export class Slab {
  #chunk = Buffer.alloc(0);
  #used = 0;

  /** Keeps a copy; bytes once kept never change. */
  keep(source: Buffer, offset: number, length: number): Raw {
    if (length > SLAB_BYTES / 8) {
      const own = Buffer.allocUnsafeSlow(length);
      source.copy(own, 0, offset, offset + length);
      return { chunk: own, offset: 0, length };
    }
    if (this.#used + length > this.#chunk.length) {
      this.#chunk = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#used = 0;
    }
    source.copy(this.#chunk, this.#used, offset, offset + length);
    const raw = { chunk: this.#chunk, offset: this.#used, length };
    this.#used += length;
    return raw;
  }
}
