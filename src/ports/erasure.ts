// The erasure port: rows that were erased are found in any copy by the hashes of their keys, and erased again.
import { hash } from "node:crypto";
import type { ErasedKeys, Reference } from "../core/erasure.ts";
import type { Connection, Work } from "./connection.ts";

export interface KeySelection extends Work {
  /** As the user wrote it. */
  readonly table: string;
  /** Columns or fields that the keys are values of. Default: the primary key. */
  readonly columns?: readonly string[] | undefined;
  /** One of these three. `keys`: one value for each column, as text. */
  readonly keys?: readonly (readonly string[])[] | undefined;
  /** The keys of the live rows for which the condition holds. */
  readonly where?: string | undefined;
  /** Keys that were hashed with this salt before. */
  readonly hashes?: readonly string[] | undefined;
  readonly salt: string;
}

export interface SelectedKeys extends ErasedKeys {
  /** Live rows that match now. */
  readonly live: number;
}

/** Rows that refer to recorded ones, over one foreign key, or to rows that refer to them. */
export interface Follower extends SelectedKeys {
  readonly follows: Reference;
  /** The server refuses to delete what they refer to. Else it deletes them too. */
  readonly refuses: boolean;
}

export interface ErasureOptions extends Work {
  /** Rows of these tables alone (names or patterns). Default: of all that the keys name. */
  readonly tables?: readonly string[] | undefined;
}

/** Rows that stay and refer to erased ones, over one foreign key, which is not valid for them. */
export interface Dangling {
  readonly table: string;
  readonly columns: readonly string[];
  readonly parent: string;
  readonly constraint: string;
  readonly rows: number;
}

export interface ErasureResult {
  /** Rows erased, by table; tables without such a row are left out. */
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
  /** Keys that do not apply because the copy has no such table or column, one sentence each. */
  readonly passedOver: readonly string[];
  /** Stored results of queries over erased rows, which may still show them. */
  readonly stale: readonly string[];
  /** They do not keep a row from being erased: from now on their foreign key is checked for new rows alone. */
  readonly dangling: readonly Dangling[];
}

export interface ErasureEngine {
  /**
   * Reads the keys as the live database writes them, and hashes them. Changes nothing. Throws TABLE_UNKNOWN, and USAGE for a column that
   * does not exist, a value that the column cannot hold, a condition that is not valid or holds for no row. No message contains a key.
   */
  select(live: Connection, selection: KeySelection): Promise<SelectedKeys>;

  /**
   * The foreign keys by which other rows refer to those, directly or over further tables, each with the keys of the live rows. Without these
   * rows the others cannot be erased. Changes nothing. Absent: the engine has no foreign keys.
   */
  followers?(live: Connection, keys: ErasedKeys, work?: Work): Promise<Follower[]>;

  /**
   * Erases the rows, on PostgreSQL in one transaction, without running triggers or rules of the database. Rows that refer to them stay.
   * Throws ERASURE_BLOCKED when the server refuses even so.
   */
  erase(target: Connection, keys: readonly ErasedKeys[], options?: ErasureOptions): Promise<ErasureResult>;
}

/** The hash of a key: SHA-256 over the salt and the JSON array of the texts of its columns, in UTF-8. */
export const hashOfKey = (salt: string, texts: readonly (string | null)[]): string => hash("sha256", salt + JSON.stringify(texts), "hex");
