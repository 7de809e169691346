// The log of an engine that has one which can be archived: receiving it, reading it, and finding an instant in it.
// PostgreSQL's write-ahead log, and MongoDB's oplog.

import type { CommitMark, Micros, SegmentFacts } from "../core/log.ts";
import type { Connection, Work } from "./connection.ts";
import type { Resource } from "./resource.ts";

/** A file of the log as the receiver hands it over: whole, or as far as it is filled now. */
export interface LogFile {
  /** As `readSegment` takes it: a partial one's ends in `.partial`. */
  readonly name: string;
  readonly kind: "segment" | "partial" | "history";
  /** The file's plain bytes at full size. */
  read(): Promise<Uint8Array>;
  /** Called when it is safely stored: a whole one may then be forgotten here. */
  stored(): Promise<void>;
}

export interface ReceiverOptions extends Work {
  /** A directory that survives restarts: what was received and not yet stored lies there. */
  readonly directory: string;
  /** Name of the replication slot; also the receiver's `application_name`, for `synchronous_standby_names`. */
  readonly slot: string;
  /** How much log the server may keep back for us before the slot is given up, so that its disk does not fill. Absent: without limit. */
  readonly maxBehindBytes?: number | undefined;
  /** How often a segment that is not full yet is handed over. */
  readonly partialEveryMs: number;
  /** The newest segment that is stored: where a log that no slot keeps for us goes on, when the directory is lost. */
  readonly last?: SegmentFacts | undefined;
  /** Where the newest backup begins that the log could be replayed onto: nothing stored yet, log is wanted from here on. */
  readonly wantedFrom?: string | undefined;
  /** Called, and awaited, before the slot comes to be. */
  readonly declare?: ((resource: Resource) => Promise<void>) | undefined;
  /** Things a user should know: a slot that keeps log back, a server that was away. */
  readonly onNotice: (notice: { readonly code: string; readonly message: string }) => void;
}

/** Continuous log archiving. Yields files in log order, for ever, until told to stop; then the last partial one. */
export interface LogReceiver {
  files(): AsyncIterable<LogFile>;
  /** Ends the child; what was received stays in the directory. */
  end(): Promise<void>;
}

/** What the source's server says about archiving. */
export interface LogState {
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** Absent: segments are cut at any length. */
  readonly segmentBytes?: number | undefined;
  readonly currentLsn: string;
  /** PostgreSQL's. */
  readonly walLevel?: string | undefined;
  readonly slot?: {
    readonly exists: boolean;
    readonly active: boolean;
    /** Log that the server keeps back for the slot. */
    readonly keptBytes: number;
    /** `reserved`, `extended`, `unreserved`, `lost`. */
    readonly state: string;
    /** First position still to be had from it. */
    readonly restartLsn?: string | undefined;
    readonly limitBytes?: number | undefined;
  };
  /** What keeps archiving from working, or endangers the source; each with the setting to change. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
}

export interface LogEngine {
  /** `slot`: also look at this replication slot. */
  logState(connection: Connection, slot?: string, work?: Work): Promise<LogState>;
  openReceiver(connection: Connection, options: ReceiverOptions): Promise<LogReceiver>;
  /** Makes the source write one tiny commit, so that the log proves the present instant. False where that cannot be (a standby). */
  emitCommit(connection: Connection, work?: Work): Promise<boolean>;
  /** Drops the slot; one that is not there, or a log that has none, is no error. */
  dropSlot(connection: Connection, slot: string, work?: Work): Promise<void>;

  /** Of a log whose segments are cut at any length: the first position that it covers, from the segment's name. */
  readonly startOfSegment?: ((name: string) => string) | undefined;
  /** Whether a name is one of a segment, of a history file, or neither. */
  logFileKind(name: string): "segment" | "history" | undefined;
  /**
   * Follows every record of a segment, checksums included. `before`: facts of the segment before it; with them,
   * `linked` says whether the records run on from exactly there. Damaged bytes: INTEGRITY.
   */
  readSegment(name: string, bytes: Uint8Array, before?: SegmentFacts): { readonly facts: SegmentFacts; readonly linked: boolean };
  /** The first commit or abort record stamped later than the instant, among those that end in the segment and begin at or after `from`. */
  firstCommitAfter(name: string, bytes: Uint8Array, before: SegmentFacts | undefined, at: Micros, from?: string): CommitMark | undefined;
  /** Where the record that begins at or first after the position begins, and where the one before it ends; undefined: not in this segment. */
  recordAt(
    name: string,
    bytes: Uint8Array,
    before: SegmentFacts | undefined,
    lsn: string,
  ): { readonly lsn: string; readonly previousEnd: string } | undefined;
  /** Compares two positions. */
  compareLsn(a: string, b: string): number;
  /** Reads a history file: the timelines before this one, and where each was left, oldest first. */
  readHistory(bytes: Uint8Array): readonly { readonly timeline: number; readonly switchedAt: string }[];
}

/** An engine whose log is replayed onto a loaded dump, in a running server. */
export interface LogReplay extends LogEngine {
  /** LOG_INVALID, RECOVERY_SHORT. What is applied twice is the same as once, so a replay may begin again. */
  replay(order: ReplayOrder): Promise<Replayed>;
}

export interface ReplayOrder extends Work {
  /** Where the dump was loaded. */
  readonly target: Connection;
  /** What of the log is applied: the databases that the dump holds, as they are called at the source. */
  readonly databases: readonly string[];
  /** Chosen tables, as for the load; absent: everything. */
  readonly tables?: readonly string[] | undefined;
  /** Plain bytes of the log, segment after segment. */
  readonly segments: AsyncIterable<{ readonly name: string; readonly bytes: Uint8Array }>;
  /** First position to apply: the end of the dump. */
  readonly from: string;
  /** Replay ends before the entry that begins here; absent: applies all there is. */
  readonly stopBefore?: string | undefined;
  /** What must have been reached: anything else is RECOVERY_SHORT. */
  readonly expectedEnd: string;
  /** What the load of the dump holds (`LoadResult.held`): let go as the very last act, as the log says it was at the end. */
  readonly held?: object | undefined;
}

export interface Replayed {
  readonly reachedLsn: string;
  readonly entries: number;
  readonly applied: number;
}
