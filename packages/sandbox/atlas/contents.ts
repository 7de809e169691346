// What a state of a server holds, by database: for listings, archives, exports and restores of single collections.
import { bytesOf } from "../mongo/raw.ts";
import type { MongoState, StateCollection } from "../mongo/state.ts";

export interface CollectionContents {
  readonly db: string;
  readonly name: string;
  readonly kind: StateCollection["kind"];
  readonly options: StateCollection["options"];
  readonly indexes: StateCollection["indexes"];
  count(): number;
  /** Whole documents, as they are stored. */
  documents(): Iterable<Uint8Array>;
}

const INTERNAL = new Set(["admin", "config", "local"]);

export function databasesOf(state: MongoState): string[] {
  return [...new Set(state.collections.map((each) => each.db))].filter((db) => !INTERNAL.has(db)).sort();
}

export function collectionsOf(state: MongoState, db: string): CollectionContents[] {
  return state.collections
    .filter((each) => each.db === db)
    .map((each) => ({
      db,
      name: each.name,
      kind: each.kind,
      options: each.options,
      indexes: each.indexes,
      count: () => [...each.documents()].length,
      *documents() {
        for (const raw of each.documents()) yield bytesOf(raw);
      },
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function sizeOf(state: MongoState): number {
  let bytes = 0;
  for (const collection of state.collections) for (const raw of collection.documents()) bytes += raw.length;
  return bytes;
}
