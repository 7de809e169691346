// The database that a restore fills, and how it gets its name.
import type { Connection, Work } from "./connection.ts";

/** The destination of a restore. */
export interface RestoreTarget {
  /** A database on the server, through which the target is created and renamed. */
  readonly server: Connection;
  readonly database: string;
  readonly connection: Connection;
}

export interface CreateDatabaseOptions extends Work {
  /** Set first. Until the database has its final name, a clean-up recognises it by the mark. Absent: it is never dropped. */
  readonly mark?: string | undefined;
  /** The file of the archive that will be loaded. */
  readonly like?: string | undefined;
  /** The chosen tables, as for the load. */
  readonly tables?: readonly string[] | undefined;
  /** The whole server is scratch, so the name does not matter. */
  readonly ownServer?: boolean | undefined;
}

export interface TakeNameOptions extends Work {
  /** The database in which the replaced data is kept. */
  readonly keep?: Keeping | undefined;
}

/** The database in which a restore keeps what it replaces. */
export interface Keeping {
  readonly name: string;
  /** The mark by which `dropDatabase` recognises it. */
  readonly mark: string;
  /** Replaces only the tables of the finished database; others stay. Only for engines that move table by table. */
  readonly only?: boolean | undefined;
}

export interface Replacement {
  readonly outcome: "done" | "undone";
  /** The replaced database held data. */
  readonly kept: boolean;
}
