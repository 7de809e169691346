// The engine port: what speaks to a source's data. Postgres now; anything that can dump, load and fingerprint later.

import type { Fingerprint, Omission } from "../core/fingerprint.ts";
import type { LogSpan } from "../core/log.ts";
import type { BackupKind, Consistency } from "../core/manifest.ts";
import type { Check } from "../core/verdict.ts";
import type { Connection, DatabaseFacts, Work } from "./connection.ts";
import type { LogReplay } from "./log.ts";
import type { PhysicalEngine } from "./physical.ts";
import type { Undone } from "./resource.ts";

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
  /** Absent: `snapshot`. */
  readonly consistency?: Consistency | undefined;
  /** Once the parts have ended: where it lies in the log; of engines whose log can be replayed onto a dump. */
  logSpan?(): LogSpan | undefined;
  readonly parts: readonly DumpPart[];
  /** The fingerprint from the same snapshot, computed while the parts are read; resolves after the last part has ended. */
  fingerprint(): Promise<Fingerprint>;
  /** Gives the snapshot back and ends every child, whatever happened. Safe to call twice. */
  end(): Promise<void>;
}

export interface LoadOptions extends Work {
  /** Chosen tables (with what belongs to them), as the user wrote them; absent: everything. */
  readonly tables?: readonly string[] | undefined;
  /** Log is replayed onto what is loaded, and may hold chosen tables that came about after the backup. */
  readonly logFollows?: boolean | undefined;
  readonly dataOnly?: boolean | undefined;
  /** Drop what the archive would create before creating it. */
  readonly replace?: boolean | undefined;
  /** Restore ownership and privileges too (needs the roles to exist). Default: true when every role named in the archive exists. */
  readonly owners?: boolean | undefined;
  /** Of the job that loads: what the load makes beside the database has the job in its name, and carries the mark. */
  readonly loader?: { readonly jobId: string; readonly mark: string } | undefined;
  /** The target is scratch, in a cell that reaches nothing, or on a server without one: what could reach out of it is left out. */
  readonly isolation?: Isolation | undefined;
  /** What the archive holds may run with the rights of the connection, also where those are a superuser's. */
  readonly asSuperuser?: boolean | undefined;
  /** Create roles that the archive names and the server lacks, without login: for a server that is thrown away. */
  readonly createRoles?: boolean | undefined;
}

export type Isolation = "cell" | "none";

export interface LoadResult {
  /** Errors the tool met and went on from; empty for a clean restore. Any entry keeps the verdict from passing. */
  readonly problems: readonly string[];
  /** What was left out on purpose, as owners whose roles do not exist here. */
  readonly notRestored: readonly Omission[];
  /** Those of them that the engine left out because of what they could do; a comparison must not take them for lost. */
  readonly leftOut?: readonly Omission[] | undefined;
  /** What was left out may be why the tool met problems. */
  readonly uncertain?: boolean | undefined;
  /** The role that the archive's code ran as, where it was not the connection's own. */
  readonly loadedAs?: string | undefined;
  /** The same database with fewer rights: what was restored is read through it, until `release`. Absent: through the target itself. */
  readonly reader?: Connection | undefined;
  /**
   * Lets happen what the load keeps from happening until the copy has been compared: documents that are due may go. Called once, at
   * the end; gives what could not be done. Absent: nothing is held.
   */
  release?(): Promise<readonly string[]>;
  /**
   * What `release` would let happen, for whoever changes the copy before that: the engine's own `settle` keeps it up to date, its replay
   * takes it over and lets it happen at its own end, so that there is no moment in between.
   */
  readonly held?: object | undefined;
}

export interface SettleOptions extends LoadOptions {
  /** Of the load. Absent: nothing is held afterwards. */
  readonly held?: object | undefined;
}

/** One line of a backup's contents. */
export interface ContentsEntry {
  readonly kind: string;
  readonly schema: string;
  readonly name: string;
  readonly owner: string;
  readonly hasData: boolean;
  /** Kinds of code of this entry that a load runs, in words: `check constraint`. Absent: none. */
  readonly code?: readonly string[] | undefined;
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
  | { readonly sql: string; readonly name?: string }
  /** A pipeline in extended JSON; it passes when the first document of its result has `ok: true`. */
  | { readonly collection: string; readonly aggregate: string; readonly name?: string };

/** What a live database equals at one instant. */
export interface FingerprintAt {
  readonly fingerprint: Fingerprint;
  /** Position in the source's log: all before it is in, and nothing from it on. */
  readonly position: string;
  readonly at: Date;
}

/** What the role of a source is configured to do: `backup` reads a database, `archive` copies its cluster and receives its log. */
export type Duty = "backup" | "archive";

/** What a source's role may do, against its duties. */
export interface Rights {
  readonly role: string;
  /** What a duty asks for and the role lacks, as the end of a sentence, with the statement that grants it. */
  readonly missing: readonly { readonly what: string; readonly grant: string }[];
  /** What the role may do beyond all duties, as sentences: never a reason to fail. */
  readonly excess: readonly string[];
  /** What a restore beside the source, on its own server, asks for and the role lacks: never a reason to fail. */
  readonly without?: Rights["missing"][number] | undefined;
}

export interface Engine {
  readonly name: string;
  /** Point-in-time recovery by base backups and a log archive. With neither this nor `log`, restore points are all there is. */
  readonly physical?: PhysicalEngine | undefined;
  /** Point-in-time recovery by dumps and a log archive that is replayed onto them. */
  readonly log?: LogReplay | undefined;
  /**
   * A filled database can be given another name. Without it a restore into a name where nothing is fills that name at once,
   * and one that replaces something moves table by table.
   */
  readonly renamesDatabases: boolean;

  /** Connects, finds the tools, and refuses beforehand what cannot work: SOURCE_*, TOOL_*. */
  inspect(connection: Connection, work?: Work): Promise<DatabaseFacts>;

  /** Compares the rights of the connection's role with what its duties require. Absent: an engine without such a comparison. */
  rights?(connection: Connection, duties: readonly Duty[], work?: Work): Promise<Rights>;

  beginDump(connection: Connection, options: DumpOptions): Promise<Dump>;

  /** Loads an archive file (plain bytes, a private copy that may be written to) into an existing database. */
  load(target: Connection, archiveFile: string, options: LoadOptions): Promise<LoadResult>;

  /**
   * Applies what changed while a dump of consistency `oplog` was being read: afterwards the loaded database is of one instant.
   * Called after what was loaded has been compared. Check of kind `data`: whether it came exactly to the end of what was kept.
   */
  settle?(target: Connection, archiveFile: string, options: SettleOptions): Promise<Check>;

  /** The same algorithm as a dump's, over a live database. */
  fingerprint(connection: Connection, scope: Fingerprint["scope"], work?: FingerprintWork): Promise<Fingerprint>;

  /**
   * The fingerprint of a live source at one instant that its log can name. Undefined where the server cannot give one. Reads
   * everything once.
   */
  fingerprintAt?(connection: Connection, scope: Fingerprint["scope"], work?: Work): Promise<FingerprintAt | undefined>;

  /**
   * Every difference as a check, and at least one check; never an empty list. `tables`: only these were restored, so only
   * their content is compared. `ignoreOwners`: owners and privileges were left out on purpose.
   */
  compare(expected: Fingerprint, actual: Fingerprint, options?: CompareOptions): readonly Check[];

  /** Asks the probes. `newest … within` counts back from `asOf` (the snapshot's instant), not from now. */
  probe(connection: Connection, probes: readonly Probe[], asOf: Date, work?: Work): Promise<readonly Check[]>;

  /** Reads only as many bytes of an archive as its table of contents needs. */
  contents(archive: AsyncIterable<Uint8Array>): Promise<readonly ContentsEntry[]>;

  /**
   * Throws SOURCE_WRITE_REFUSED unless the two connections are proven to reach two different databases. Every doubt is
   * "the same"; a source that does not answer throws SOURCE_UNREACHABLE.
   */
  assertSeparate(source: Connection, target: Connection, work?: Work): Promise<void>;

  /** What `--into` means: a database name on the source's own server, or a URL, which needs no source. RESTORE_TARGET_INVALID. */
  resolveTarget(source: Connection | undefined, into: string): RestoreTarget;

  /** What is there now. `occupants` names a few of a user's objects; none: the database is empty. */
  stateOf(target: RestoreTarget, work?: Work): Promise<{ readonly exists: boolean; readonly occupants: readonly string[] }>;

  /**
   * Whether a backup of these contents can go there at all, known before its bytes are fetched: RESTORE_TARGET_INVALID. `existing`: into
   * the database as it stands. Absent: whatever can be loaded can go anywhere.
   */
  assertFits?(
    target: RestoreTarget,
    contents: readonly ContentsEntry[],
    options: { readonly tables?: readonly string[] | undefined; readonly existing: boolean },
  ): void;

  /**
   * Makes an empty database, with encoding and locale of the archive `like` where one is given. An archive of several databases keeps
   * their names: it gives back the server, and takes no other name (RESTORE_TARGET_INVALID) unless `tables` choose of one of them.
   * A missing right: SOURCE_PERMISSION.
   */
  createDatabase(server: Connection, name: string, options?: CreateDatabaseOptions): Promise<Connection>;

  /**
   * Drops a database that `createDatabase` made with this very mark, ending its sessions. One that has the name and does not carry
   * the mark: SCRATCH_FAILED, which says why it is left as it is.
   */
  dropDatabase(server: Connection, name: string, options: Work & { readonly mark: string }): Promise<Undone>;

  /**
   * Removes from the server the role that the job's load made with this very mark, if it is there; SCRATCH_FAILED for one that does not
   * carry it. Absent: loads make none.
   */
  dropLoader?(server: Connection, jobId: string, options: Work & { readonly mark: string }): Promise<Undone>;

  /**
   * Gives a finished database its final name, and takes its mark away; one that has the name already is only declared finished. A
   * database that has the name already is replaced in one short step, its owner, privileges and settings carried over; sessions of
   * the replaced one are ended. Nothing else is touched. True: what was replaced held something, and is kept as `keep` says.
   */
  takeName(server: Connection, finished: string, name: string, options?: TakeNameOptions): Promise<boolean>;
}

export interface FingerprintWork extends Work {
  /** Reads the rows: `LoadResult.reader`. */
  readonly reader?: Connection | undefined;
}

export interface TakeNameOptions extends Work {
  /** Of engines that rename databases: what a replaced one is called from then on, and the mark by which `dropDatabase` knows it. */
  readonly keep?: { readonly name: string; readonly mark: string } | undefined;
}

export interface CreateDatabaseOptions extends Work {
  /** Put on it before anything else: until it has its final name, that is what a clean-up drops it by. Absent: it is never dropped. */
  readonly mark?: string | undefined;
  /** File of the archive that will be loaded. */
  readonly like?: string | undefined;
  /** Chosen tables of it, as for the load. */
  readonly tables?: readonly string[] | undefined;
  /** The whole server is thrown away afterwards: the name is nobody's wish. */
  readonly ownServer?: boolean | undefined;
}

export interface CompareOptions {
  readonly tables?: readonly string[] | undefined;
  /** As for the load: that no chosen table was there to be compared is no doubt. */
  readonly logFollows?: boolean | undefined;
  readonly dataOnly?: boolean | undefined;
  readonly ignoreOwners?: boolean | undefined;
  /** Left out of the copy on purpose: that they are missing is no difference. */
  readonly leftOut?: readonly Omission[] | undefined;
  /** The copy has just been loaded, and what the load holds (`LoadResult.release`) is still held. */
  readonly held?: boolean | undefined;
  /** The copy came from the log, not from a dump: PostgreSQL logs sequences ahead, so they may continue up to 32 values later. */
  readonly replayed?: boolean | undefined;
}

/** Where a restore goes. */
export interface RestoreTarget {
  /** Some database on the server through which the target is made and named. */
  readonly server: Connection;
  readonly database: string;
  readonly connection: Connection;
}
