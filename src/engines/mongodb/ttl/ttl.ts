// Suspends the expiry of documents (TTL) during load and replay. Otherwise the server would remove restored documents before they are
// compared, or before a later oplog entry refers to them. The limits of the source are set as the last act.
import type { Document } from "mongodb";
import type { Connection } from "../../../ports/connection.ts";
import { decode, documentOf, elementNamed, elementsOf, type Ordered, TYPE, textOf } from "../bson/bson.ts";
import { type MongoSession, withMongo } from "../connect/connect.ts";
import { isRefusal } from "../connect/translate.ts";
import { isServerCollection, type Namespace, visibleName } from "../scope.ts";

/** The longest expiry that the server accepts: 68 years. */
export const NEVER_SECONDS = 2_147_483_647;
const NEVER = { type: TYPE.int32, value: Uint8Array.of(0xff, 0xff, 0xff, 0x7f) };
const MAJORITY = { w: "majority", wtimeout: 60_000 };
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

/** Whether the server removes documents of the collection that have expired. Where it does not say, it counts as yes. */
export async function isExpiring(session: MongoSession, { db, collection }: Namespace): Promise<boolean> {
  const [own, indexes] = [
    await listed(session, db, { listCollections: 1, filter: { name: collection }, cursor: {} }),
    await listed(session, db, { listIndexes: collection, cursor: { batchSize: 10_000 } }),
  ];
  const limits = [...own.map(({ options }) => options?.[FIELD]), ...indexes.map((index) => index[FIELD])];
  if (!limits.some((limit) => limit !== undefined && limit !== "off" && Number(limit) < NEVER_SECONDS)) return false;
  try {
    const { ttlMonitorEnabled } = await session.command("admin", { getParameter: 1, ttlMonitorEnabled: 1 });
    return ttlMonitorEnabled !== false;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return true;
  }
}

/**
 * Sets the expiry that a load suspended to that of the source; from then on the server removes expired documents. Called after the copy
 * has been compared. Returns what the server refused.
 */
export async function releaseExpiry(target: Connection, hold: ExpiryHold, signal: AbortSignal | undefined): Promise<string[]> {
  const changes = hold.changes();
  const refused: string[] = [];
  if (changes.length === 0) return refused;
  await withMongo(target, { signal }, async (session) => {
    for (const { place, change } of changes) {
      try {
        await session.command(place.db, { collMod: place.collection, ...change, writeConcern: MAJORITY });
      } catch (error) {
        if (!isRefusal(error)) throw error;
        refused.push(`the expiry of documents of ${place.db}.${place.collection} could not be set: ${error.message}`);
      }
    }
  });
  return refused;
}
