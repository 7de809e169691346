// The history of one row: how an engine reads a row from a stored archive, from a database, and from its log.
import type { RowChangeFacts, RowFound } from "../core/row-history.ts";
import type { Connection, Work } from "./connection.ts";

/** A row as a user names it. */
export interface RowName {
  readonly table: string;
  /** A value for a key of one column, else `column=value` for each. Of documents: the `_id`, as extended JSON or as text. */
  readonly key: readonly string[];
}

export interface ArchiveOptions {
  /** Definitions of the table for an archive of rows alone: `RowFound.like` of another one. */
  readonly like?: object | undefined;
}

export interface RowHistory {
  /**
   * Picks the row out of an archive and reads all of its bytes. Undefined: this archive must be loaded first. Throws USAGE for a key that
   * does not fit the table, INTEGRITY and DUMP_INCOMPLETE for damaged bytes.
   */
  inArchive(archive: AsyncIterable<Uint8Array>, row: RowName, options?: ArchiveOptions): Promise<RowFound | undefined>;
  /** Opens a session that reads the row. Throws SOURCE_*. */
  open(connection: Connection, row: RowName, work?: Work): Promise<RowReader>;
  /** Tells which transactions of a log may have written the row. Absent: the engine's log tells the row itself. */
  writes?(): WriteLog;
  /** Follows the row through the log without a server. Absent: the log alone does not tell it. */
  follow?(order: FollowOrder): AsyncIterable<RowStep>;
}

export interface RowReader {
  /** Throws USAGE for a key that does not fit the table, SOURCE_*. */
  read(): Promise<RowFound>;
  /** Where the row lay when it was read last, for `WriteLog.watch`. */
  place(): object;
  /** The name of a replication origin. */
  originName(id: number): Promise<string | undefined>;
  end(): Promise<void>;
}

/** A transaction that may have written the row. */
export interface RowWrite {
  /** The position of its commit record, and the end of that record. */
  readonly lsn: string;
  readonly end: string;
  readonly xid: number;
  /** The number of the replication origin that it came from. Undefined: it was made here. */
  readonly origin?: number | undefined;
}

export interface WriteLog {
  /**
   * Follows the row from here on. `no database`: until there may be one. Undefined: it is not known where the row is, so that every
   * transaction may write it.
   */
  watch(place: object | "no database" | undefined): void;
  /** Reads the next segment of the log. Yields transactions in the order of their commits. */
  take(bytes: Uint8Array): Iterable<RowWrite>;
}

export interface FollowOrder extends Work {
  readonly archive: AsyncIterable<Uint8Array>;
  readonly row: RowName;
  /** The databases of the archive, as they are called at the source. */
  readonly databases: readonly string[];
  /** The plain bytes of the log, segment by segment. */
  readonly segments: AsyncIterable<{ readonly name: string; readonly bytes: Uint8Array }>;
  /** The position at which the archive was complete. */
  readonly from: string;
}

/** What an entry of the log made of the row. The first one is of the archive, without a change. */
export type RowStep = ({ readonly found: RowFound } | { readonly unknown: string }) & {
  /** Absent: of the archive. */
  readonly change?: RowChangeFacts | undefined;
  /** The position after the entry. */
  readonly end?: string | undefined;
};
