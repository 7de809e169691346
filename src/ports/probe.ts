// The probes of a drill: queries of the restored database.
import type { Work } from "./connection.ts";

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

export interface ProbeWork extends Work {
  /** For each probe. Default: 5 minutes. */
  readonly timeoutMs?: number | undefined;
  /**
   * The server has run since the instant of the data and removes what expires: where a collection's documents do, too few of them do not
   * fail, and an upper limit does not pass. Default: false.
   */
  readonly mayHaveExpired?: boolean | undefined;
  /** A probe of an object that does not exist, and one that finds no row, fails instead of being inconclusive. Default: false. */
  readonly absentFails?: boolean | undefined;
}
