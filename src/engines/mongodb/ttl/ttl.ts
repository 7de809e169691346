// What the server removes by itself when its time has come: kept from happening while log is replayed, or documents of the past would
// go before a later entry asks for them. Every limit is put off, and set to what it should be as the very last act.
import type { Document } from "mongodb";
import type { MongoSession } from "../connect/connect.ts";
import { isServerCollection, type Namespace, visibleName } from "../scope.ts";
import { documentOf, elementNamed, elementsOf, TYPE, textOf } from "../bson/bson.ts";
import { decode, type Ordered } from "../oplog/ordered.ts";

/** The longest that the server takes: 68 years. */
const NEVER_SECONDS = 2_147_483_647;
const NEVER = { type: TYPE.int32, value: Uint8Array.of(0xff, 0xff, 0xff, 0x7f) };
const FIELD = "expireAfterSeconds";

/** For `collMod`. */
export interface ExpiryChange {
  readonly place: Namespace;
  readonly change: Document;
}

interface Held {
  readonly place: Namespace;
  /** Of the collection itself, as of a time series. */
  whole?: unknown;
  readonly indexes: Map<string, unknown>;
}

export class ExpiryHold {
  readonly #held = new Map<string, Held>();

  /** Puts off what the loaded databases have. */
  async begin(session: MongoSession, databases: readonly string[]): Promise<void> {
    for (const db of databases) {
      const collections = await listed(session, db, { listCollections: 1, cursor: { batchSize: 10_000 } });
      for (const { name, type, options } of collections) {
        if (type === "view" || name.startsWith("system.")) continue;
        const place = { db, collection: String(name) };
        const own = options?.[FIELD];
        if (own !== undefined) {
          this.#of(place).whole = own;
          await session.command(db, { collMod: name, [FIELD]: "off" });
        }
        if (type === "timeseries" || isServerCollection(name)) continue;
        for (const index of await listed(session, db, { listIndexes: name, cursor: { batchSize: 10_000 } })) {
          const seconds = index[FIELD];
          if (seconds === undefined || Number(seconds) >= NEVER_SECONDS) continue;
          this.#of(place).indexes.set(String(index.name), seconds);
          await session.command(db, { collMod: name, index: { name: index.name, [FIELD]: NEVER_SECONDS } });
        }
      }
    }
  }

  /** What a load has put off: for `collMod`, once it may happen. */
  keep(place: Namespace, change: Document): void {
    if (change.index === undefined) this.#of(place).whole = change[FIELD];
    else this.#of(place).indexes.set(String(change.index.name), change.index[FIELD]);
  }

  /** All that is put off now. */
  changes(): ExpiryChange[] {
    return [...this.#held.values()].flatMap(({ place, whole, indexes }) => [
      ...[...indexes].map(([name, seconds]) => ({ place, change: { index: { name, [FIELD]: seconds } } })),
      ...(whole === undefined ? [] : [{ place, change: { [FIELD]: whole } }]),
    ]);
  }

  /** Options of a collection that is made now. */
  hold(place: Namespace, options: Document): Document {
    const { [FIELD]: own, ...rest } = options;
    if (own === undefined) return options;
    this.#of(place).whole = own;
    return rest;
  }

  /** An index that is made now. */
  holdIndex(place: Namespace, index: Uint8Array): Uint8Array {
    const [limit, name] = [elementNamed(index, FIELD), elementNamed(index, "name")];
    if (limit === undefined || name?.type !== TYPE.string) return index;
    this.#of(place).indexes.set(textOf(name), decode(limit));
    return documentOf(elementsOf(index).map((field) => (field.name === FIELD ? { ...field, ...NEVER } : field)));
  }

  /** Options that change now; nothing of them may be left. */
  holdChange(place: Namespace, options: Document): Document {
    const { [FIELD]: own, ...rest } = options;
    if (own !== undefined) this.#of(place).whole = own;
    const index = rest.index as Ordered | undefined;
    const [name, seconds] = [index?.get("name"), index?.get(FIELD)];
    if (index === undefined || seconds === undefined || name === undefined) return rest;
    this.#of(place).indexes.set(String(name), seconds);
    return { ...rest, index: new Map([...index, [FIELD, NEVER_SECONDS]]) };
  }

  forget(place: Namespace): void {
    this.#held.delete(keyOf(place));
  }

  forgetIndex(place: Namespace, name: string): void {
    this.#held.get(keyOf(place))?.indexes.delete(name);
  }

  rename(from: Namespace, to: Namespace): void {
    const held = this.#held.get(keyOf(from));
    this.#held.delete(keyOf(from));
    if (held !== undefined) this.#held.set(keyOf(to), { ...held, place: to });
  }

  /** Sets every limit to what it should be: what is due is removed from now on, as at the source. */
  async release(session: MongoSession): Promise<void> {
    for (const { place, change } of this.changes()) await session.command(place.db, { collMod: place.collection, ...change });
    this.#held.clear();
  }

  #of(place: Namespace): Held {
    const known = this.#held.get(keyOf(place));
    if (known !== undefined) return known;
    const held: Held = { place: { ...place, collection: visibleName(place.collection) }, indexes: new Map() };
    this.#held.set(keyOf(place), held);
    return held;
  }
}

const keyOf = ({ db, collection }: Namespace): string => `${db}.${visibleName(collection)}`;

async function listed({ command }: MongoSession, db: string, document: Document): Promise<Document[]> {
  const { cursor } = await command(db, document);
  const found: Document[] = [...cursor.firstBatch];
  let id = cursor.id;
  while (Number(id) !== 0) {
    const collection = String(cursor.ns).slice(db.length + 1);
    const next = await command(db, { getMore: id, collection }, { promoteLongs: false } as Document);
    found.push(...next.cursor.nextBatch);
    id = next.cursor.id;
  }
  return found;
}
