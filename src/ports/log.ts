// The log of an engine, PostgreSQL's WAL or MongoDB's oplog: receiving it, reading it, and finding an instant in it.

import type { CommitMark, LogChange, Micros, SegmentFacts } from "../core/log.ts";
import type { Connection, Work } from "./connection.ts";

/** A file of the log as received: whole, or as far as it is filled now. */
export interface LogFile {
  /** The name for `readSegment`. That of a partial one ends in `.partial`. */
  readonly name: string;
  readonly kind: "segment" | "partial" | "history";
  /** The plain bytes of the file, at full size. */
  read(): Promise<Uint8Array>;
  /** Called when it is safely stored. The receiver may then delete a whole one. */
  stored(): Promise<void>;
}

export interface ReceiverOptions extends Work {
  /** A directory that survives restarts, for files that were received and not stored yet. */
  readonly directory: string;
  /** The name of the replication slot and the receiver's `application_name`, for `synchronous_standby_names`. */
  readonly slot: string;
  /** How much log the server may retain before the slot is dropped, so that its disk does not fill. Default: no limit. */
  readonly maxBehindBytes?: number | undefined;
  /** How often a partial segment is delivered. */
  readonly partialEveryMs: number;
  /** The newest stored segment, from which a log without a slot continues when the directory is lost. */
  readonly last?: SegmentFacts | undefined;
  /** The begin of the newest backup that log could be replayed onto. Log is required from here on when none is stored yet. */
  readonly wantedFrom?: string | undefined;
  /** Receives facts that a user should know: a slot that retains log, a server that was unreachable. */
  readonly onNotice: (notice: { readonly code: string; readonly message: string }) => void;
}

/** Continuous log archiving. Yields files in log order until stopped, and then the last partial one. */
export interface LogReceiver {
  files(): AsyncIterable<LogFile>;
  /** Ends the child process. Received files stay in the directory. */
  end(): Promise<void>;
}

/** The state of archiving at the source's server. */
export interface LogState {
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** Absent: segments have any length. */
  readonly segmentBytes?: number | undefined;
  readonly currentLsn: string;
  /** For PostgreSQL. */
  readonly walLevel?: string | undefined;
  /** The tablespaces that a base backup made now would hold beside the data directory. */
  readonly tablespaces?: readonly { readonly oid: string; readonly name: string }[] | undefined;
  readonly slot?: {
    readonly exists: boolean;
    readonly active: boolean;
    /** The log that the server retains for the slot. */
    readonly keptBytes: number;
    /** `reserved`, `extended`, `unreserved`, `lost`. */
    readonly state: string;
    /** The first position that is still available from it. */
    readonly restartLsn?: string | undefined;
    readonly limitBytes?: number | undefined;
  };
  /** What prevents archiving or endangers the source, each with the setting to change. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
}

export interface LogEngine {
  /** Queries the state of archiving, and of the replication slot `slot` if given. */
  logState(connection: Connection, slot?: string, work?: Work): Promise<LogState>;
  openReceiver(connection: Connection, options: ReceiverOptions): Promise<LogReceiver>;
  /** Makes the source write one small commit, so that the log proves the present instant. False: not possible (a standby). */
  emitCommit(connection: Connection, work?: Work): Promise<boolean>;
  /** Drops the slot. A missing slot, or a log without slots, is not an error. */
  dropSlot(connection: Connection, slot: string, work?: Work): Promise<void>;

  /** For a log with segments of any length: returns the first position that a segment covers, from its name. */
  readonly startOfSegment?: ((name: string) => string) | undefined;
  /** Tells whether a name is that of a segment, a history file, or neither. */
  logFileKind(name: string): "segment" | "history" | undefined;
  /**
   * Follows every record of a segment and verifies its checksum. With `before`, the facts of the segment before it, `linked` says whether
   * the records continue exactly there. Throws INTEGRITY for damaged bytes.
   */
  readSegment(name: string, bytes: Uint8Array, before?: SegmentFacts): { readonly facts: SegmentFacts; readonly linked: boolean };
  /** Finds the first commit or abort record later than the instant that ends in the segment and begins at or after `from`. */
  firstCommitAfter(name: string, bytes: Uint8Array, before: SegmentFacts | undefined, at: Micros, from?: string): CommitMark | undefined;
  /** Finds the first record at or after the position, and the end of the one before. Undefined: not in this segment. */
  recordAt(
    name: string,
    bytes: Uint8Array,
    before: SegmentFacts | undefined,
    lsn: string,
  ): { readonly lsn: string; readonly previousEnd: string } | undefined;
  /** Lists the changes that end in the segment, in log order. Throws INTEGRITY for damaged bytes. */
  changesIn(name: string, bytes: Uint8Array, before: SegmentFacts | undefined): readonly LogChange[];
  /** Compares two positions. */
  compareLsn(a: string, b: string): number;
  /** Parses a history file: the ancestor timelines and where each was left, oldest first. */
  readHistory(bytes: Uint8Array): readonly { readonly timeline: number; readonly switchedAt: string }[];
}

/** An engine whose log is replayed onto a loaded dump, in a running server. */
export interface LogReplay extends LogEngine {
  /** Replays log. Idempotent, so it can be repeated. Throws LOG_INVALID, RECOVERY_SHORT. */
  replay(order: ReplayOrder): Promise<Replayed>;
  /** Begins a replay that stops at one position after the other. What the load suspended stays so: the target is thrown away. */
  beginForward(order: Omit<ReplayOrder, "stopBefore" | "expectedEnd">): Promise<ForwardReplay>;
  /** Looks for the instant in the server's own log. Undefined: the log does not reach back to it. Throws SOURCE_*, CAPABILITY_MISSING. */
  serverLog(connection: Connection, at: Micros, work?: Work): Promise<ServerLog | undefined>;
}

/** What the source's own server still holds of its log, without an archive. */
export interface ServerLog {
  /** The position right after the last entry that is not later than the asked instant: data restored to it is the data at that instant. */
  readonly from: string;
  /** The instant of the newest entry, up to which the log is complete. */
  readonly until: Micros;
  /** Reads the log from before `from`, segment by segment; each call reads again. Throws RECOVERY_SHORT where the server dropped it. */
  segments(work?: Work): AsyncIterable<{ readonly name: string; readonly bytes: Uint8Array }>;
}

/** A loaded dump that moves forward through the log. */
export interface ForwardReplay {
  /** Applies the entries before the position, which is never before the present one. Throws RECOVERY_SHORT where the log ends earlier. */
  advance(to: string): Promise<void>;
  end(): Promise<void>;
}

export interface ReplayOrder extends Work {
  /** The server where the dump was loaded. */
  readonly target: Connection;
  /** The databases to apply, by their names at the source: those in the dump. */
  readonly databases: readonly string[];
  /** The chosen tables, as for the load. Default: all. */
  readonly tables?: readonly string[] | undefined;
  /** The plain bytes of the log, segment by segment. */
  readonly segments: AsyncIterable<{ readonly name: string; readonly bytes: Uint8Array }>;
  /** The first position to apply, which is the end of the dump. */
  readonly from: string;
  /** Replay ends before the entry at this position. Absent: all log is applied. */
  readonly stopBefore?: string | undefined;
  /** The position that must be reached. Any other throws RECOVERY_SHORT. */
  readonly expectedEnd: string;
  /** The changes that the load suspended (`LoadResult.held`). Replay ends the suspension as its last step, in the state at the end of the log. */
  readonly held?: object | undefined;
}

export interface Replayed {
  readonly reachedLsn: string;
  readonly entries: number;
  readonly applied: number;
}
