// Where what the log says of the source's collections belongs in the restored databases.
import type { Connection } from "../../../ports/connection.ts";
import { databaseOf, isServerDatabase } from "../connect/url.ts";
import { chooserOf, isOwnDatabase, type Namespace, oneDatabaseOf, type SourceScope, splitNamespace } from "../scope.ts";

/** What the server makes on the way to something else, and renames or drops at the end. */
const PASSING = /^tmp(\.agg_out\.|\.mr\.|.{5}\.(create|renameCollection|convertToCapped))/;

export interface Names {
  /** Those of the source that are restored, by their names there; none: all of a user's. */
  readonly databases: readonly string[];
  /** Where a collection of the source lies now; undefined: it is none of those that are restored. */
  place(ns: string): Namespace | undefined;
  /** The name that a database of the source has now; undefined: it is not restored. */
  database(db: string): string | undefined;
  /** Only chosen collections are restored. */
  readonly chosen: boolean;
}

export const isPassing = (collection: string): boolean => PASSING.test(collection);

/**
 * `dumped`: the databases that the dump holds, as they are called at the source. A target that names a database stands for the only
 * one; of a source of several that came back whole, databases that were made after the dump are restored too.
 */
export function namesFor(
  target: Connection,
  dumped: readonly string[],
  tables: readonly string[] | undefined,
  { databases: chosen, several = dumped.length !== 1 }: SourceScope,
): Names {
  const into = databaseOf(target);
  // Chosen collections that go into one database may be of one that came about after the dump.
  const one = several && into !== undefined && tables !== undefined ? oneDatabaseOf(tables) : undefined;
  const databases = one !== undefined ? [one] : several && into === undefined && tables === undefined ? (chosen ?? []) : dumped;
  const wanted = databases.length === 0 ? undefined : new Set(databases);
  const [only] = dumped;
  const chooses = chooserOf(several || only === undefined ? {} : { database: only }, tables);
  const database = (db: string): string | undefined => {
    if (db === "" || isServerDatabase(db) || isOwnDatabase(db) || wanted?.has(db) === false) return undefined;
    return into ?? db;
  };
  return {
    databases,
    chosen: tables !== undefined,
    database,
    place(ns) {
      const name = splitNamespace(ns);
      const db = database(name.db);
      if (db === undefined || name.collection === "") return undefined;
      if (tables !== undefined && !chooses(name) && !isPassing(name.collection)) return undefined;
      return { ...name, db };
    },
  };
}
