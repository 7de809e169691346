// The engine port: what speaks to a source's data. Postgres now; anything that can dump, load and fingerprint later.

import type { Fingerprint, Omission } from "../core/fingerprint.ts";
import type { BackupKind } from "../core/manifest.ts";
import type { Check } from "../core/verdict.ts";
import type { Progress } from "./progress.ts";

/** Where a database is. `url` may hold a password: it is never printed, logged or put in argv; `label` is what messages say. */
export interface Connection {
  readonly url: string;
  readonly label: string;
}

export interface Work {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: Progress | undefined;
}

/** What `check` and a backup's first step learn. */
export interface DatabaseFacts {
  readonly serverVersion: string;
  readonly serverMajor: number;
  readonly database: string;
  readonly user: string;
  readonly sizeBytes: number;
  readonly tables: number;
  /** The program that will be used, with its version, as `pg_dump 15.20`. */
  readonly tool: string;
  /** Things a user should know before relying on a backup; never reasons to refuse. */
  readonly warnings: readonly string[];
  /** A value equal for two connections exactly when they reach the same database of the same cluster. */
  readonly identity: string;
}

export interface DumpOptions extends Work {
  readonly kind: Exclude<BackupKind, "base">;
  /** For kind `tables`: names or patterns as the user wrote them. */
  readonly tables?: readonly string[] | undefined;
}

export interface DumpPart {
  readonly name: string;
  readonly content: string;
  /**
   * The bytes. The commit gate: this ends *only* after the tool has closed with status 0 and the bytes have passed
   * their own reading check; in every other case it throws (the first cause). May be iterated once.
   */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** A dump under way: one snapshot, from which bytes and fingerprint both come. */
export interface Dump {
  readonly facts: DatabaseFacts;
  readonly snapshotAt: Date;
  /** Known before any byte flows. */
  readonly notIncluded: readonly Omission[];
  readonly parts: readonly DumpPart[];
  /** The fingerprint from the same snapshot, computed while the parts are read; resolves after the last part has ended. */
  fingerprint(): Promise<Fingerprint>;
  /** Gives the snapshot back and ends every child, whatever happened. Safe to call twice. */
  end(): Promise<void>;
}

export interface LoadOptions extends Work {
  /** Chosen tables (with what belongs to them), as the user wrote them; absent: everything. */
  readonly tables?: readonly string[] | undefined;
  readonly dataOnly?: boolean | undefined;
  /** Drop what the archive would create before creating it. */
  readonly replace?: boolean | undefined;
  /** Restore ownership and privileges too (needs the roles to exist). Default: true when every role named in the archive exists. */
  readonly owners?: boolean | undefined;
}

export interface LoadResult {
  /** Errors the tool met and went on from; empty for a clean restore. Any entry keeps the verdict from passing. */
  readonly problems: readonly string[];
  /** What was left out on purpose, as owners whose roles do not exist here. */
  readonly notRestored: readonly Omission[];
}

/** One line of a backup's contents. */
export interface ContentsEntry {
  readonly kind: string;
  readonly schema: string;
  readonly name: string;
  readonly owner: string;
  readonly hasData: boolean;
}

/** A question asked of a database, from the configuration's `checks`. */
export type Probe =
  | {
      readonly table: string;
      readonly exists?: true;
      readonly rows?: { readonly min?: number; readonly max?: number };
      readonly newest?: string;
      readonly withinMs?: number;
      readonly indexes?: { readonly min: number };
    }
  | { readonly sql: string; readonly name?: string };

export interface Engine {
  readonly name: string;

  /** Connects, finds the tools, and refuses beforehand what cannot work: SOURCE_*, TOOL_*. */
  inspect(connection: Connection, work?: Work): Promise<DatabaseFacts>;

  beginDump(connection: Connection, options: DumpOptions): Promise<Dump>;

  /** Loads an archive file (plain bytes) into an existing database. */
  load(target: Connection, archiveFile: string, options: LoadOptions): Promise<LoadResult>;

  /** The same algorithm as a dump's, over a live database. */
  fingerprint(connection: Connection, scope: Fingerprint["scope"], work?: Work): Promise<Fingerprint>;

  /** Every difference as a check, and at least one check; never an empty list. */
  compare(expected: Fingerprint, actual: Fingerprint): readonly Check[];

  /** Asks the probes. `newest … within` counts back from `asOf` (the snapshot's instant), not from now. */
  probe(connection: Connection, probes: readonly Probe[], asOf: Date, work?: Work): Promise<readonly Check[]>;

  /** Reads only as many bytes of an archive as its table of contents needs. */
  contents(archive: AsyncIterable<Uint8Array>): Promise<readonly ContentsEntry[]>;

  /** Whether the database holds anything of a user's: names a few objects if so. */
  occupants(target: Connection, work?: Work): Promise<readonly string[]>;

  /** Creates an empty database on the server of the connection, and says how to reach it. An existing one: RESTORE_TARGET_NOT_EMPTY unless it is empty. */
  createDatabase(server: Connection, name: string, work?: Work): Promise<Connection>;
  dropDatabase(server: Connection, name: string, work?: Work): Promise<void>;
}
