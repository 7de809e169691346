// The probes of a drill: queries of the restored database.

/** A query of a database, from `checks` of the configuration. */
export type Probe =
  | {
      readonly table: string;
      readonly exists?: true;
      readonly rows?: { readonly min?: number; readonly max?: number };
      readonly newest?: string;
      readonly withinMs?: number;
      readonly indexes?: { readonly min: number };
    }
  | { readonly sql: string; readonly name?: string }
  /** An aggregation pipeline in extended JSON. It passes when the first document of its result has `ok: true`. */
  | { readonly collection: string; readonly aggregate: string; readonly name?: string };

/** A lock on a table that keeps readers or writers waiting, and how long it was seen. */
export interface TableLock {
  readonly table: string;
  /** As the engine calls it: `AccessExclusiveLock`. */
  readonly mode: string;
  readonly heldMs: number;
}
