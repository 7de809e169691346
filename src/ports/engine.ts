// The engine port: reads and writes a source's data.

import type { ErasedKeys } from "../core/erasure.ts";
import type { Fingerprint, Omission } from "../core/fingerprint.ts";
import type { Check } from "../core/verdict.ts";
import type { Chosen } from "./chosen.ts";
import type { CompareOptions } from "./compare.ts";
import type { Connection, DatabaseFacts, Work } from "./connection.ts";
import type { DumpInProgress, DumpOptions } from "./dump.ts";
import type { ErasureEngine } from "./erasure.ts";
import type { LogReplay } from "./log.ts";
import type { RowEngine } from "./merge.ts";
import type { PhysicalEngine } from "./physical.ts";
import type { Probe, ProbeWork, TableLock } from "./probe.ts";
import type { Answer, Question, QuestionLimits } from "./question.ts";
import type { ReferenceReader } from "./references.ts";
import type { Undone } from "./resource.ts";
import type { CreateDatabaseOptions, Keeping, Replacement, RestoreTarget, TakeNameOptions } from "./restore-target.ts";
import type { Duty, Rights } from "./rights.ts";
import type { RowHistory } from "./row-history.ts";

export interface LoadOptions extends Work {
  /** Chosen tables (with dependent objects), as the user wrote them. Default: all. */
  readonly tables?: readonly string[] | undefined;
  /** The archive holds chosen tables alone: foreign keys to others are left out where those are not in the database. */
  readonly chosen?: boolean | undefined;
  /** The source's definitions, as its fingerprint has them: an empty schema of every new database that is not among them is dropped. */
  readonly definitions?: Fingerprint["schema"] | undefined;
  /** Log will be replayed onto the loaded data, and may contain chosen tables that were created after the backup. */
  readonly logFollows?: boolean | undefined;
  readonly dataOnly?: boolean | undefined;
  /** Loads rows alone, into tables created with the definitions of this database. Only for engines that move table by table. */
  readonly definitionsOf?: Connection | undefined;
  /** Drops each object of the archive before creating it. Only for engines that rename databases. */
  readonly replace?: boolean | undefined;
  /** Tables, named in full, that are removed together with those that are replaced. Only with `replace`. */
  readonly removes?: readonly string[] | undefined;
  /**
   * Called before the first change to tables in use, while no other session can write to them: the load continues when it resolves. Not
   * called where none of them exists. Only for engines that rename databases.
   */
  readonly beforeChange?: ((change: TablesChange) => Promise<void>) | undefined;
  /**
   * Rows that are erased when they are loaded: where other rows would keep that from happening, a load into tables in use is ERASURE_BLOCKED
   * and changes nothing. Only for engines that rename databases.
   */
  readonly erased?: readonly ErasedKeys[] | undefined;
  /** Restores ownership and privileges too, which requires the roles. Default: true when every role in the archive exists. */
  readonly owners?: boolean | undefined;
  /** The job that loads. Objects that the load makes outside the database have the job id in their names, and carry the mark. */
  readonly loader?: { readonly jobId: string; readonly mark: string } | undefined;
  /** The target is scratch, in a cell or on a server without one. Objects that could reach out of it are left out. */
  readonly isolation?: Isolation | undefined;
  /** Code in the archive may run with the privileges of the connection, even those of a superuser. */
  readonly asSuperuser?: boolean | undefined;
  /** Plain bytes of the backup's part `roles`: the description that the target's roles are compared with, and created from. */
  readonly roles?: Uint8Array | undefined;
  /**
   * Creates the roles that the backup describes or names and the server lacks. Existing roles are never changed. `ordinary`: superusers
   * of the source become ordinary roles. Default: no role is created.
   */
  readonly createRoles?: "ordinary" | "with superusers" | undefined;
}

/** Tables that a load is about to change, named in full. */
export interface TablesChange {
  readonly present: readonly string[];
  /** Tables that do not exist yet. */
  readonly absent: readonly string[];
}

export type Isolation = "cell" | "none";

export interface LoadResult {
  /** Errors that did not stop the tool. Empty for a clean restore. Any entry prevents a pass. */
  readonly problems: readonly string[];
  /** Objects that were left out on purpose, such as owners whose roles do not exist here. */
  readonly notRestored: readonly Omission[];
  /** The ones that were left out for isolation. A comparison must not count them as lost. */
  readonly leftOut?: readonly Omission[] | undefined;
  /** Of these, what could not be loaded through no fault of the backup: nothing is proven of it. */
  readonly prevented?: readonly Omission[] | undefined;
  /** Results of comparisons that the load itself made: the roles, which a fingerprint does not cover. */
  readonly checks?: readonly Check[] | undefined;
  /** The problems may be a consequence of the objects left out. */
  readonly uncertain?: boolean | undefined;
  /** The role that ran the archive's code, where it was not the connection's role. */
  readonly loadedAs?: string | undefined;
  /** A connection to the same database with fewer privileges, used to read the restored data until `release`. Default: the target. */
  readonly reader?: Connection | undefined;
  /**
   * Ends the suspension of changes (TTL deletion) that the load made so that the copy could be compared. Called once, at the end. Returns
   * what could not be done. Absent: nothing is suspended.
   */
  release?(): Promise<readonly string[]>;
  /**
   * The suspended changes, for steps that change the copy before `release`. The engine's `settle` updates them; its replay takes them over
   * and ends the suspension itself, so that there is no moment in between.
   */
  readonly held?: object | undefined;
}

export interface SettleOptions extends LoadOptions {
  /** The suspended changes of the load. Absent: none. */
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

/** The fingerprint of a live database at one instant. */
export interface FingerprintAt {
  readonly fingerprint: Fingerprint;
  /** The position in the source's log. The fingerprint covers exactly the changes before it. */
  readonly position: string;
  readonly at: Date;
}

export interface Engine {
  readonly name: string;
  /** Point-in-time recovery by base backups and a log archive. With neither this nor `log`, only restore points can be restored. */
  readonly physical?: PhysicalEngine | undefined;
  /** Point-in-time recovery by dumps and a log archive. */
  readonly log?: LogReplay | undefined;
  /** Rows compared by primary key, and merged. Absent: not supported. */
  readonly rows?: RowEngine | undefined;
  /** The history of one row. Absent: not supported. */
  readonly history?: RowHistory | undefined;
  /** Rows found by the hashes of their keys, and erased. Absent: not supported. */
  readonly erasure?: ErasureEngine | undefined;
  /**
   * Whether a database with data can be renamed. Otherwise a restore into an unused name loads into that name directly, and one that
   * replaces data, chosen tables and rows alone included, moves table by table.
   */
  readonly renamesDatabases: boolean;

  /** Connects, finds the tools, and refuses early what cannot work. Throws SOURCE_*, TOOL_*. */
  inspect(connection: Connection, work?: Work): Promise<DatabaseFacts>;

  /** Compares the privileges of the connection's role with its duties. `tables`: those that it backs up. Default: all. Absent: not supported. */
  rights?(
    connection: Connection,
    duties: readonly Duty[],
    work?: Work & { readonly tables?: readonly string[] | undefined },
  ): Promise<Rights>;

  /** Says what a backup of the tables that the patterns choose would hold. TABLE_UNKNOWN as the backup. */
  chosen(connection: Connection, patterns: readonly string[], work?: Work): Promise<Chosen>;

  beginDump(connection: Connection, options: DumpOptions): Promise<DumpInProgress>;

  /** Loads an archive file (plain bytes, a private copy that may be written to) into an existing database. */
  load(target: Connection, archiveFile: string, options: LoadOptions): Promise<LoadResult>;

  /**
   * Applies the changes made while a dump of consistency `oplog` was read, so that the loaded database is consistent. Called after the
   * loaded data has been compared. Returns a check of kind `data`: whether it reached exactly the end of the recorded changes.
   */
  settle?(target: Connection, archiveFile: string, options: SettleOptions): Promise<Check>;

  /** Fingerprints a live database with the algorithm of a dump. */
  fingerprint(connection: Connection, scope: Fingerprint["scope"], work?: FingerprintWork): Promise<Fingerprint>;

  /**
   * Fingerprints a live source at one log position. Undefined: the server cannot provide one. Reads all data once.
   */
  fingerprintAt?(connection: Connection, scope: Fingerprint["scope"], work?: Work): Promise<FingerprintAt | undefined>;

  /**
   * Returns every difference as a check, and always at least one check. `tables`: only these were restored, so only their content is
   * compared. `ignoreOwners`: owners and privileges were left out on purpose.
   */
  compare(expected: Fingerprint, actual: Fingerprint, options?: CompareOptions): readonly Check[];

  /** Runs the probes. `newest … within` counts back from `asOf` (the instant of the snapshot), not from now. */
  probe(connection: Connection, probes: readonly Probe[], asOf: Date, work?: ProbeWork): Promise<readonly Check[]>;

  /** Lists the roles in the part `roles`. INTEGRITY. Absent: the engine has no such part. */
  rolesIn?(roles: Uint8Array): readonly ContentsEntry[];

  /** Returns the statements that create the described roles missing on the target's server, one text per role. Absent: as above. */
  missingRoles?(target: RestoreTarget, roles: Uint8Array, work?: Work): Promise<readonly string[]>;

  /** Lists the contents of an archive. Reads only the bytes of its table of contents. */
  contents(archive: AsyncIterable<Uint8Array>): Promise<readonly ContentsEntry[]>;

  /**
   * Runs one read-only question in a scratch database, with the privilege to read alone where the server allows such a role. Throws
   * QUERY_REFUSED for a question that is invalid, writes, or exceeds its time.
   */
  ask(scratch: Connection, question: Question, limits: QuestionLimits, work?: Work): Promise<Answer>;

  /**
   * Throws SOURCE_WRITE_REFUSED unless the two connections provably reach different databases; any doubt counts as the same one. Throws
   * SOURCE_UNREACHABLE when the source does not answer.
   */
  assertSeparate(source: Connection, target: Connection, work?: Work): Promise<void>;

  /** Resolves `--into`: a database name on the source's server, or a URL, which requires no source. Throws RESTORE_TARGET_INVALID. */
  resolveTarget(source: Connection | undefined, into: string): RestoreTarget;

  /** Examines a target. `occupants` names some user objects; it is empty for an empty database. */
  stateOf(target: RestoreTarget, work?: Work): Promise<{ readonly exists: boolean; readonly occupants: readonly string[] }>;

  /**
   * Throws RESTORE_TARGET_INVALID, TABLE_UNKNOWN, USAGE or LOAD_FAILED when a load of the archive into the target would be refused, as far as
   * the beginning of the archive and the target say it. Without an archive, the target alone is asked. Changes nothing. Absent: every backup
   * fits every target.
   */
  assertFits?(target: RestoreTarget, archive: AsyncIterable<Uint8Array> | undefined, options: FitOptions): Promise<void>;

  /**
   * Creates an empty database, with encoding and locale of the archive `like` if given. An archive of several databases keeps their names:
   * the result is the server, and another name throws RESTORE_TARGET_INVALID unless `tables` chooses from one of them. Throws
   * SOURCE_PERMISSION for a missing privilege.
   */
  createDatabase(server: Connection, name: string, options?: CreateDatabaseOptions): Promise<Connection>;

  /**
   * Drops a database that `createDatabase` made with exactly this mark, ending its sessions. Throws SCRATCH_FAILED with the reason for a
   * database of that name without the mark, and leaves it unchanged.
   */
  dropDatabase(server: Connection, name: string, options: Work & { readonly mark: string }): Promise<Undone>;

  /**
   * Drops the role that the job's load made with exactly this mark, if it exists. Throws SCRATCH_FAILED for a role without the mark.
   * Absent: loads make no role.
   */
  dropLoader?(server: Connection, jobId: string, options: Work & { readonly mark: string }): Promise<Undone>;

  /** Reads columns that refer to other databases. Absent: it cannot be asked. */
  readonly references?: ReferenceReader;

  /** Watches locks of other sessions until `end`, which never rejects. Absent: the engine has none, or does not show them. */
  watchLocks?(connection: Connection, work?: Work): Promise<{ end(): Promise<readonly TableLock[]> }>;

  /**
   * Gives a finished database its final name and removes its mark; when it has the name already, only the mark is removed. Another
   * database with the name is replaced in one short step: its owner, privileges and settings are carried over, and its sessions are
   * ended. Returns true when the replaced database held data and is kept as `keep` says.
   */
  takeName(server: Connection, finished: string, name: string, options?: TakeNameOptions): Promise<boolean>;

  /**
   * Throws CAPABILITY_MISSING or RESTORE_TARGET_INVALID when the contents of the target cannot be kept in a database of that name.
   * Changes nothing. Absent: they always can.
   */
  assertReplaceable?(target: RestoreTarget, keep: string, work?: Work): Promise<void>;

  /**
   * Ends a `takeName` with this mark that crashed or failed: undoes it while production is unchanged, else completes it. Returns undefined
   * when none had begun. Absent: `takeName` is atomic.
   */
  endReplacement?(
    server: Connection,
    finished: string,
    name: string,
    options: Work & { readonly keep: Keeping },
  ): Promise<Replacement | undefined>;
}

export interface FitOptions
  extends Pick<LoadOptions, "tables" | "dataOnly" | "replace" | "removes" | "erased" | "chosen" | "asSuperuser" | "signal"> {
  /** Into the present database. */
  readonly existing: boolean;
}

export interface FingerprintWork extends Work {
  /** The connection that reads the rows: `LoadResult.reader`. */
  readonly reader?: Connection | undefined;
  /** The algorithm of the fingerprint that this one is compared with. Default: the best that the server can do. */
  readonly algorithm?: string | undefined;
}
