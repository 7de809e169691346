// Replay of what happened to collections, views and indexes. Everything done twice is the same as once: what a later state has in the
// way is removed, because the log makes it again.
import type { Document } from "mongodb";
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import { documentOf as documentFrom, type Element, elementNamed, elementsOf, type Ordered, orderedOf, TYPE, textOf } from "../bson/bson.ts";
import type { MongoSession } from "../connect/connect.ts";
import { serverCodeOf } from "../connect/translate.ts";
import { bucketsOf, isBuckets, type Namespace, splitNamespace, visibleName } from "../scope.ts";
import type { ExpiryHold } from "../ttl/ttl.ts";
import type { DocumentReplay } from "./documents.ts";
import type { Entry } from "./entry.ts";
import type { Names } from "./names.ts";
import { positionOf } from "./position.ts";

const NOT_FOUND = 26;
const EXISTS = 48;
const INDEX_NOT_FOUND = 27;
const INDEX_CONFLICTS = new Set([85, 86]);
const DUPLICATE_KEY = 11000;

/** The entry that asks for something; undefined: the dump does. */
type Origin = Pick<Entry, "stamp"> | undefined;

interface OpenIndex {
  readonly entry: Origin;
  readonly place: Namespace;
  readonly index: Uint8Array;
  readonly why: string;
}

type Handler = (entry: Entry, db: string, value: Element, fields: readonly Element[]) => Promise<void>;

export class DefinitionReplay {
  readonly #session: MongoSession;
  readonly #names: Names;
  readonly #documents: DocumentReplay;
  readonly #expiry: ExpiryHold;
  /** Unique indexes that the present documents do not allow: a later entry drops them, or changes the documents. */
  readonly #open = new Map<string, OpenIndex>();
  readonly #handlers: Readonly<Record<string, Handler>>;

  constructor(session: MongoSession, names: Names, documents: DocumentReplay, expiry: ExpiryHold) {
    this.#session = session;
    this.#names = names;
    this.#documents = documents;
    this.#expiry = expiry;
    const nothing: Handler = async () => {};
    this.#handlers = {
      create: (entry, db, { value }, fields) => this.#create(entry, db, textOf({ value }), fields.slice(1)),
      drop: (entry, db, value) => this.#drop(entry, db, textOf(value)),
      dropDatabase: (entry, db) => this.#dropAll(entry, db),
      renameCollection: (entry, _db, _value, fields) => this.#rename(entry, fields),
      createIndexes: (entry, db, value, fields) => this.#createIndexes(entry, db, textOf(value), [withoutFirst(fields)]),
      dbCheck: nothing, // a member's comparison of its data with the others'
      startIndexBuild: nothing, // counts when it is committed
      abortIndexBuild: nothing,
      commitIndexBuild: (entry, db, value) => this.#createIndexes(entry, db, textOf(value), indexesIn(entry)),
      dropIndexes: (entry, db, value) => this.#dropIndex(entry, db, textOf(value)),
      deleteIndexes: (entry, db, value) => this.#dropIndex(entry, db, textOf(value)),
      deleteIndex: (entry, db, value) => this.#dropIndex(entry, db, textOf(value)),
      collMod: (entry, db, value, fields) => this.#modify(entry, db, textOf(value), fields.slice(1)),
    };
  }

  /** Applies a `c` entry other than a transaction. Throws LOG_INVALID for an unknown command. */
  async take(entry: Entry): Promise<void> {
    const fields = elementsOf(entry.o);
    const [command] = fields;
    const { db } = splitNamespace(entry.ns);
    const handler = command === undefined ? undefined : this.#handlers[command.name];
    if (command === undefined || handler === undefined) {
      throw invalid(entry, `the command ${command?.name ?? "in it"} is not known`);
    }
    await handler(entry, db, command, fields);
  }

  /** An entry of `system.views`: what the server keeps of views. */
  async takeView(entry: Entry): Promise<void> {
    const { op, o, o2 } = entry;
    const id = elementNamed(op === "u" ? (o2 ?? o) : o, "_id");
    const place = id?.type === TYPE.string ? this.#names.place(textOf(id)) : undefined;
    if (place === undefined) return;
    const viewOn = elementNamed(o, "viewOn");
    // A time series has a view in front of its buckets, which is made and dropped with them.
    if (viewOn?.type === TYPE.string && isBuckets(textOf(viewOn))) return;
    if (op === "d") {
      if (!(await this.#isTimeSeries(place))) await this.#dropPlace(entry, place);
      return;
    }
    const options = Object.fromEntries([...orderedOf(o)].filter(([name]) => name !== "_id"));
    if (options.viewOn === undefined) throw invalid(entry, "it changes a view in a way that is not known");
    await this.#make(entry, place, options);
  }

  /** Takes an index of the dump that its documents do not allow yet. */
  wait(place: Namespace, index: Uint8Array): void {
    this.#open.set(`${keyOf(place)} ${nameIn(index)}`, { entry: undefined, place, index, why: "" });
  }

  /** Builds the indexes that wait. Throws LOG_INVALID for one that the documents do not allow. */
  async finish(): Promise<void> {
    for (const { entry, place, index } of this.#open.values()) {
      const problem = await this.#build(entry, place, index);
      if (problem !== undefined) throw invalid(entry, problem);
    }
  }

  async #create(entry: Entry, db: string, collection: string, fields: readonly Element[]): Promise<void> {
    const place = this.#names.place(`${db}.${visibleName(collection)}`);
    if (place === undefined || collection === "system.views") return;
    const options: Document = {};
    for (const [name, value] of orderedOf(entry.o)) if (fields.some((field) => field.name === name)) options[name] = value;
    for (const name of ["idIndex", "autoIndexId", "temp", "uuid"]) delete options[name];
    if (isBuckets(collection)) {
      // What a time series is made of follows from its options; the server makes the buckets themselves.
      for (const name of ["validator", "validationLevel", "validationAction", "clusteredIndex"]) delete options[name];
      if (options.timeseries === undefined) throw invalid(entry, "the buckets that it makes are of no time series");
    }
    await this.#make(entry, place, this.#expiry.hold(place, options));
  }

  async #make(entry: Entry, place: Namespace, options: Document): Promise<void> {
    const command = { create: place.collection, ...options };
    if ((await this.#run(entry, place.db, command, [EXISTS])) !== EXISTS) return;
    await this.#dropPlace(entry, place); // of a later state: all that it holds comes again
    await this.#run(entry, place.db, command, []);
  }

  async #drop(entry: Entry, db: string, collection: string): Promise<void> {
    const place = this.#names.place(`${db}.${visibleName(collection)}`);
    if (place !== undefined && collection !== "system.views") await this.#dropPlace(entry, place);
  }

  async #dropPlace(entry: Entry, place: Namespace): Promise<void> {
    await this.#run(entry, place.db, { drop: place.collection }, [NOT_FOUND]);
    this.#forget(place);
  }

  #forget(place: Namespace): void {
    this.#documents.forget(place);
    this.#documents.forget({ ...place, collection: bucketsOf(place.collection) });
    this.#expiry.forget(place);
    for (const [key, open] of this.#open) if (same(open.place, place)) this.#open.delete(key);
  }

  /** Its collections' own entries came before; what is still there, as views, goes now. */
  async #dropAll(entry: Entry, db: string): Promise<void> {
    const own = this.#names.database(db);
    if (own === undefined || this.#names.chosen) return;
    const reply = await this.#session.command(own, { listCollections: 1, nameOnly: true, cursor: { batchSize: 100_000 } });
    for (const { name } of reply.cursor.firstBatch as { name: string }[]) {
      if (!name.startsWith("system.")) await this.#dropPlace(entry, { db: own, collection: name });
    }
  }

  async #rename(entry: Entry, fields: readonly Element[]): Promise<void> {
    const [from, to] = ["renameCollection", "to"].map((name) => fields.find((field) => field.name === name));
    if (from?.type !== TYPE.string || to?.type !== TYPE.string) throw invalid(entry, "it does not say what is renamed");
    const [source, target] = [this.#names.place(textOf(from)), this.#names.place(textOf(to))];
    if (source === undefined && target === undefined) return;
    if (source === undefined) {
      if (target !== undefined) throw invalid(entry, `${textOf(to)} comes about by renaming ${textOf(from)}, which is not restored`);
      return;
    }
    if (target === undefined) return this.#dropPlace(entry, source);
    const full = ({ db, collection }: Namespace): string => `${db}.${collection}`;
    // A collection that has the name already is of a later state, or was dropped by this entry.
    const command = { renameCollection: full(source), to: full(target), dropTarget: true };
    const code = await this.#run(entry, "admin", command, [NOT_FOUND]);
    if (code === NOT_FOUND) return; // a later state, which has renamed it already
    this.#forget(target);
    this.#expiry.rename(source, target);
  }

  async #createIndexes(entry: Entry, db: string, collection: string, indexes: readonly Uint8Array[]): Promise<void> {
    const place = this.#names.place(`${db}.${visibleName(collection)}`);
    if (place === undefined) return;
    const where = { ...place, collection };
    for (const index of indexes) {
      const held = this.#expiry.holdIndex(where, index);
      const problem = await this.#build(entry, where, held);
      if (problem !== undefined) this.#open.set(`${keyOf(where)} ${nameIn(index)}`, { entry, place: where, index: held, why: problem });
    }
  }

  /** What keeps a unique index from being; undefined: it is there. */
  async #build(entry: Origin, place: Namespace, index: Uint8Array): Promise<string | undefined> {
    const indexes = [collatedOf(orderedOf(index))];
    const act = (): Promise<Document> => this.#session.command(place.db, { createIndexes: place.collection, indexes });
    try {
      await act();
    } catch (error) {
      const code = serverCodeOf(error) ?? 0;
      if (code === DUPLICATE_KEY) return messageOf(error);
      if (!INDEX_CONFLICTS.has(code)) throw this.#failed(entry, error);
      await this.#run(entry, place.db, { dropIndexes: place.collection, index: nameIn(index) }, [NOT_FOUND, INDEX_NOT_FOUND]);
      await act().catch((second: unknown) => {
        throw this.#failed(entry, second);
      });
    }
    return undefined;
  }

  async #dropIndex(entry: Entry, db: string, collection: string): Promise<void> {
    const place = this.#names.place(`${db}.${visibleName(collection)}`);
    const name = elementNamed(entry.o, "index");
    if (place === undefined) return;
    if (name?.type !== TYPE.string) throw invalid(entry, "it does not say which index goes");
    const where = { ...place, collection };
    await this.#run(entry, place.db, { dropIndexes: collection, index: textOf(name) }, [NOT_FOUND, INDEX_NOT_FOUND]);
    this.#open.delete(`${keyOf(where)} ${textOf(name)}`);
    this.#expiry.forgetIndex(where, textOf(name));
  }

  async #modify(entry: Entry, db: string, collection: string, fields: readonly Element[]): Promise<void> {
    const place = this.#names.place(`${db}.${visibleName(collection)}`);
    if (place === undefined) return;
    const all: Ordered = orderedOf(entry.o);
    const options = Object.fromEntries([...all].filter(([name]) => fields.some((field) => field.name === name)));
    const held = this.#expiry.holdChange(place, options);
    if (Object.keys(held).length === 0) return;
    await this.#run(entry, place.db, { collMod: place.collection, ...held }, [NOT_FOUND, INDEX_NOT_FOUND]);
  }

  async #isTimeSeries({ db, collection }: Namespace): Promise<boolean> {
    const reply = await this.#session.command(db, { listCollections: 1, filter: { name: collection }, cursor: {} });
    return (reply.cursor.firstBatch as { type?: string }[]).some(({ type }) => type === "timeseries");
  }

  /** Runs it; gives the server's code where it is one of those that are allowed for. */
  async #run(entry: Origin, db: string, command: Document, allowed: readonly number[]): Promise<number | undefined> {
    try {
      await this.#session.command(db, command);
      return undefined;
    } catch (error) {
      const code = serverCodeOf(error);
      if (code !== undefined && allowed.includes(code)) return code;
      throw this.#failed(entry, error);
    }
  }

  /** What is the server's or the network's stays so; what it says of the command is the entry's. */
  #failed(entry: Origin, error: unknown): unknown {
    const told = this.#session.translate(error);
    return isLifeboatError(told) ? told : invalid(entry, messageOf(error), error);
  }
}

const withoutFirst = (fields: readonly Element[]): Uint8Array => {
  const kept = fields.slice(1).filter(({ name }) => name !== "ns");
  return documentFrom(kept);
};

function indexesIn(entry: Entry): Uint8Array[] {
  const indexes = elementNamed(entry.o, "indexes");
  if (indexes?.type !== TYPE.array) throw invalid(entry, "it does not say which indexes were built");
  return elementsOf(indexes.value).map(({ value }) => documentFrom(elementsOf(value).filter(({ name }) => name !== "ns")));
}

function nameIn(index: Uint8Array): string {
  const name = elementNamed(index, "name");
  return name?.type === TYPE.string ? textOf(name) : "";
}

/** An entry without a collation means comparison of bytes; a command without one would mean the collection's. */
const collatedOf = (index: Map<string, unknown>): Map<string, unknown> =>
  index.has("collation") || Number(index.get("v") ?? 2) < 2 ? index : new Map([...index, ["collation", { locale: "simple" }]]);

const keyOf = ({ db, collection }: Namespace): string => `${db}.${collection}`;
const same = (a: Namespace, b: Namespace): boolean => a.db === b.db && visibleName(a.collection) === visibleName(b.collection);
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function invalid(entry: Origin, why: string, cause?: unknown): LifeboatError {
  const what =
    entry === undefined ? "an index of the dump cannot be built" : `the entry at ${positionOf(entry.stamp)} of the oplog cannot be applied`;
  return new LifeboatError("LOG_INVALID", `${what}: ${why}`, { cause });
}
