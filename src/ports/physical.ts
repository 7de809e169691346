// Point-in-time recovery, of engines that have it: base backups, the log that follows them, and replay to an exact position.

import type { ByteFacts } from "../core/byte-facts.ts";
import type { Omission } from "../core/fingerprint.ts";
import type { BaseFacts, CommitMark, Micros, SegmentFacts } from "../core/log.ts";
import type { Connection, DatabaseFacts, Work } from "./connection.ts";
import type { Resource } from "./resource.ts";

/** One archive of a base backup. */
export interface BasePart {
  /** `base`, `tablespace-16400`, `manifest`. */
  readonly name: string;
  /** `tar`, or `backup-manifest`. */
  readonly content: string;
  /**
   * Commit gate as for a dump's parts. With `plain`: the bytes are one zstd frame already, made by the server, and
   * `plain()` says, once they have ended, what they hold.
   */
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly plain?: (() => ByteFacts) | undefined;
}

export interface BaseDump {
  readonly facts: DatabaseFacts;
  readonly startedAt: Date;
  readonly notIncluded: readonly Omission[];
  /**
   * One after another from one stream: each must be read to its end before the next is asked for. The *last* part ends
   * only after every file was checked against the server's manifest.
   */
  readonly parts: AsyncIterable<BasePart>;
  /** Once the parts have ended. */
  ended(): BaseFacts;
  end(): Promise<void>;
}

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
  readonly segmentBytes: number;
  readonly currentLsn: string;
  readonly walLevel: string;
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

export interface RecoveryOrder extends Work {
  /** Data directory to make: absolute; absent or empty. */
  readonly directory: string;
  readonly jobId: string;
  readonly serverMajor: number;
  readonly base: BaseFacts;
  /** The plain archives of the base backup, one after another. */
  readonly parts: AsyncIterable<{ readonly name: string; readonly bytes: AsyncIterable<Uint8Array> }>;
  /** Gives a file of the log that the server asks for, by its exact name; undefined: it is not there. */
  readonly fetchLog: (name: string, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Replay stops before the record that begins here; absent: replays all there is. */
  readonly stopBefore?: string | undefined;
  /** What replay must have reached, to the byte: anything else is RECOVERY_SHORT. */
  readonly expectedEnd: string;
  /** Timeline on which the target lies. */
  readonly timeline: number;
  /** Goes away with the job: settings for speed, and a supervisor that ends it. */
  readonly throwAway: boolean;
  /** Plain bytes of all parts together: whether they fit is looked at before anything is made. */
  readonly sizeBytes?: number | undefined;
  /** Called, and awaited, before the directory comes to be. */
  readonly declare?: ((resource: Resource) => Promise<void>) | undefined;
  /** Runs and times the stages, `unpack` and `replay`. */
  readonly step?: (<T>(name: string, run: () => Promise<T>) => Promise<T>) | undefined;
}

export interface Recovered {
  /** Position at which replay ended and the new timeline began. */
  readonly reachedLsn: string;
  readonly newTimeline: number;
  readonly directory: string;
  /** What was declared: to be struck out after `stop` or `remove`. */
  readonly resource: Resource;
  /** Of the running server, while it runs; the database is the one named. */
  connection(database: string): Connection;
  readonly databases: readonly string[];
  /** Shuts the server down cleanly and keeps the data directory. */
  stop(): Promise<void>;
  /** After `stop`: what a user runs to start the server, and what to see to before; starts it when asked to, if that can be. */
  next(options: { readonly start: boolean }): Promise<readonly string[]>;
  /** Ends the server and removes everything. */
  remove(): Promise<void>;
}

export interface PhysicalEngine {
  /** `slot`: also look at this replication slot. */
  logState(connection: Connection, slot?: string, work?: Work): Promise<LogState>;
  beginBase(connection: Connection, options: Work & { readonly label: string }): Promise<BaseDump>;
  openReceiver(connection: Connection, options: ReceiverOptions): Promise<LogReceiver>;
  /** Makes the source write one tiny commit, so that the log proves the present instant. False where that cannot be (a standby). */
  emitCommit(connection: Connection, work?: Work): Promise<boolean>;
  /** Drops the slot; one that is not there is no error. */
  dropSlot(connection: Connection, slot: string, work?: Work): Promise<void>;

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
  /** Names of the segments from one position to another on a timeline, both ends included. */
  segmentNames(timeline: number, fromLsn: string, toLsn: string, segmentBytes: number): string[];
  /** Compares two positions. */
  compareLsn(a: string, b: string): number;
  /** Reads a history file: the timelines before this one, and where each was left, oldest first. */
  readHistory(bytes: Uint8Array): readonly { readonly timeline: number; readonly switchedAt: string }[];

  /** Base backup, then replay to the exact position, promoted and running. INTEGRITY, RECOVERY_SHORT, TOOL_*, DISK_FULL. */
  recover(order: RecoveryOrder): Promise<Recovered>;
  /** Removes what a crashed recovery left; false: only another host can. */
  undo(resource: Resource): Promise<boolean>;
}
