// The merge port: rows of two databases compared by primary key, and what differs brought into the live one.
import type { ErasedKeys } from "../core/erasure.ts";
import type { MergedTable, MergeFindings, MergeRefusal } from "../core/merge-plan.ts";
import type { Connection, Work } from "./connection.ts";

export interface RowSelection extends Work {
  /** Names or patterns, as the user wrote them. Default: every table. */
  readonly tables?: readonly string[] | undefined;
  /** A condition in the engine's own language; rows for which it does not hold are left out on both sides. Throws USAGE when it is invalid. */
  readonly where?: string | undefined;
}

export interface RowDifference {
  /** The key as text, one value per column of the key. */
  readonly key: readonly string[];
  readonly change: "only then" | "only now" | "changed";
  /** Hashes of the row, comparable within one comparison. Null: there is no such row. */
  readonly past: string | null;
  readonly now: string | null;
}

export interface ComparedTable {
  readonly table: string;
  /** Columns of the key. */
  readonly key: readonly string[];
  readonly rows: { readonly past: number; readonly now: number };
  /** Whether any row differs. Known without reading one of them. */
  readonly differs: boolean;
  /** Every differing row, in an order of the engine's own. May be iterated once, and one table at a time. */
  differences(): AsyncIterable<RowDifference>;
}

/** Two states, each read at one instant. */
export interface RowComparison {
  /** Compares the tables one after another. */
  compared(): AsyncIterable<ComparedTable>;
  /** Tables that cannot be compared by key. */
  readonly refusals: readonly MergeRefusal[];
  /** Releases both snapshots. Safe to call twice. */
  end(): Promise<void>;
}

export interface MergeOptions extends RowSelection {
  /** Rows that only the live database has are deleted. Default: false. */
  readonly deleteExtra?: boolean | undefined;
  /** Foreign keys bring further rows along. Default: true. */
  readonly follow?: boolean | undefined;
}

export interface UndoOptions extends Work {
  /** Rows with these keys are not brought back; a remark counts them. Default: none. */
  readonly erased?: readonly ErasedKeys[] | undefined;
}

export interface ApplyOptions extends Work {
  /**
   * Stores the undo set: a change set that brings back the state before. Called before the first change, while the rows are locked; the
   * merge continues when it resolves. `changes` can be iterated again where the first try failed. Called again when the merge begins anew, and not when there is nothing to do.
   */
  storeUndo(changes: AsyncIterable<Uint8Array>): Promise<void>;
  /** Throws when the merge must not be committed. Called last. */
  assertAlive(): Promise<void>;
  /** Rows that were changed since they were compared are overwritten too. Default: false. */
  readonly overwriteChanged?: boolean | undefined;
}

export interface Merging {
  readonly findings: MergeFindings;
  /** Applies the changes as a whole, or throws and has changed nothing. Throws LOAD_FAILED for a violated constraint. */
  apply(options: ApplyOptions): Promise<readonly MergedTable[]>;
  /** Releases all sessions that were opened. Safe to call twice. */
  end(): Promise<void>;
}

export interface RowEngine {
  /** Compares the tables of two databases by primary key. Throws TABLE_UNKNOWN. */
  beginComparison(past: Connection, now: Connection, selection: RowSelection): Promise<RowComparison>;

  /** Compares a restored copy with the live database. The copy is scratch: temporary objects are made in it. */
  beginMerge(past: Connection, now: Connection, options: MergeOptions): Promise<Merging>;

  /** Examines a change set that an earlier merge stored. Throws INTEGRITY for what is not one. */
  beginUndo(now: Connection, changes: AsyncIterable<Uint8Array>, options: UndoOptions): Promise<Merging>;
}
