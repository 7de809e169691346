// What a load withholds until its copy has been compared and is of one instant.
import type { Document } from "mongodb";
import type { Namespace } from "../scope.ts";
import { ExpiryHold } from "../ttl/ttl.ts";

export class LoadHold {
  readonly expiry = new ExpiryHold();
  /**
   * Unique indexes that the documents do not allow, because they were read at several instants. They are built when the oplog of the dump
   * has been applied.
   */
  readonly indexes: { readonly place: Namespace; readonly index: Document }[] = [];

  /** Returns whether the definition of that name, as in fingerprints, is of an index that is still to be built. */
  withholds(definition: string): boolean {
    return this.indexes.some(({ place: { db, collection }, index }) =>
      [collection, `${db}.${collection}`].some((table) => definition === `index ${table} ${String(index.name)}`),
    );
  }
}

/** Returns the hold of a load of this engine. */
export const holdOf = (held: object | undefined): LoadHold | undefined => (held instanceof LoadHold ? held : undefined);
