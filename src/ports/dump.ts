// A dump: what is asked for, and one in progress.
import type { Fingerprint, Omission } from "../core/fingerprint.ts";
import type { LogSpan } from "../core/log.ts";
import type { BackupKind, Consistency } from "../core/manifest.ts";
import type { DatabaseFacts, Work } from "./connection.ts";

export interface DumpOptions extends Work {
  readonly kind: Exclude<BackupKind, "base">;
  /** For kind `tables`: names or patterns, as the user wrote them. */
  readonly tables?: readonly string[] | undefined;
  /** For kind `tables`: without what the tables need to be created (types, routines …), for a database that has it. Default: false. */
  readonly alone?: boolean | undefined;
  /** For kind `full`: rows of these tables alone (names or patterns), with every definition. An engine that cannot ignores it. */
  readonly rowsOf?: readonly string[] | undefined;
  /** Password hashes of the roles are part of the backup. A user who cannot read them: an entry of `notIncluded`. Default: false. */
  readonly rolePasswords?: boolean | undefined;
}

export interface DumpPart {
  /** `data`; `roles` and `roles-sql` where the engine knows roles: a description that a load takes, and a script for people. */
  readonly name: string;
  readonly content: string;
  /**
   * The bytes. The commit gate of `data`: the iteration ends *only* after the tool has closed with status 0 and the bytes have passed
   * their own reading check. In every other case it throws the first cause. May be iterated once.
   */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** A dump in progress: one snapshot, the source of both bytes and fingerprint. */
export interface DumpInProgress {
  readonly facts: DatabaseFacts;
  readonly snapshotAt: Date;
  /** Known before any byte flows. */
  readonly notIncluded: readonly Omission[];
  /** Default: `snapshot`. */
  readonly consistency?: Consistency | undefined;
  /** Returns the position in the log once the parts have ended, for engines whose log can be replayed onto a dump. */
  logSpan?(): LogSpan | undefined;
  readonly parts: readonly DumpPart[];
  /** The fingerprint of the same snapshot, computed while the parts are read. Resolves after the last part has ended. */
  fingerprint(): Promise<Fingerprint>;
  /**
   * Returns the number of distinct values by column, as the server's statistics estimate it. `rows`: by table, as fingerprinted. Called
   * after the fingerprint. Absent: the server has no such statistics.
   */
  distinct?(rows: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Readonly<Record<string, number>>>>;
  /** Releases the snapshot and ends every child process. Always called; safe to call twice. */
  end(): Promise<void>;
}
