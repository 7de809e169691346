// Where what the log says of the source's collections belongs in the restored databases.
import type { Connection } from "../../../ports/connection.ts";
import { databaseOf, isServerDatabase } from "../connect/url.ts";
import { chooserOf, isOwnDatabase, type Namespace, type Scope, splitNamespace } from "../scope.ts";

/** What the server makes on the way to something else, and renames or drops at the end. */
const PASSING = /^tmp(\.agg_out\.|\.mr\.|.{5}\.(create|renameCollection|convertToCapped))/;

export interface Names {
  /** Where a collection of the source lies now; undefined: it is none of those that are restored. */
  place(ns: string): Namespace | undefined;
  /** Only chosen collections are restored. */
  readonly chosen: boolean;
}

export const isPassing = (collection: string): boolean => PASSING.test(collection);

/**
 * `databases`: as they are called at the source; none: all of a user's. A target that names a database stands for the only one.
 * `scope`: how patterns name collections.
 */
export function namesFor(target: Connection, databases: readonly string[], tables: readonly string[] | undefined, scope: Scope): Names {
  const into = databaseOf(target);
  const wanted = databases.length === 0 ? undefined : new Set(databases);
  const chooses = chooserOf(scope, tables);
  return {
    chosen: tables !== undefined,
    place(ns) {
      const name = splitNamespace(ns);
      if (name.collection === "" || isServerDatabase(name.db) || isOwnDatabase(name.db)) return undefined;
      if (wanted !== undefined && !wanted.has(name.db)) return undefined;
      if (tables !== undefined && !chooses(name) && !isPassing(name.collection)) return undefined;
      return into === undefined ? name : { ...name, db: into };
    },
  };
}
