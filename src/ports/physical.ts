// Point-in-time recovery of a whole server: base backups, and log replay to an exact position.

import type { ByteFacts } from "../core/byte-facts.ts";
import type { Omission } from "../core/fingerprint.ts";
import type { BaseFacts } from "../core/log.ts";
import type { Connection, DatabaseFacts, Work } from "./connection.ts";
import type { LogEngine } from "./log.ts";
import type { Maker, Resource, Undone } from "./resource.ts";

/** One archive of a base backup. */
export interface BasePart {
  /** `base`, `tablespace-16400`, `manifest`. */
  readonly name: string;
  /** `tar`, or `backup-manifest`. */
  readonly content: string;
  /**
   * Has the commit gate of a dump's parts. With `plain`, the bytes are already one zstd frame made by the server, and `plain()` returns
   * the facts of its content once they have ended.
   */
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly plain?: (() => ByteFacts) | undefined;
}

export interface BaseDump {
  readonly facts: DatabaseFacts;
  readonly startedAt: Date;
  readonly notIncluded: readonly Omission[];
  /**
   * The parts of one stream, in order: each must be read to its end before the next. The *last* part ends only after every file was
   * checked against the server's manifest.
   */
  readonly parts: AsyncIterable<BasePart>;
  /** Returns the log range once the parts have ended. */
  ended(): BaseFacts;
  end(): Promise<void>;
}

export interface RecoveryOrder extends Work {
  /** The data directory to create: an absolute path that does not exist or is empty. */
  readonly directory: string;
  readonly maker: Maker;
  readonly serverMajor: number;
  readonly base: BaseFacts;
  /** The plain archives of the base backup, in order. */
  readonly parts: AsyncIterable<{ readonly name: string; readonly sizeBytes: number; readonly bytes: AsyncIterable<Uint8Array> }>;
  /** Returns a file of the log by its exact name. Undefined: there is none. */
  readonly fetchLog: (name: string, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Replay stops before the record at this position. Absent: all log is replayed. */
  readonly stopBefore?: string | undefined;
  /** The exact position that replay must reach. Any other throws RECOVERY_SHORT. */
  readonly expectedEnd: string;
  /** The timeline of the target. */
  readonly timeline: number;
  /** Temporary for the job: settings for speed, and a supervisor that ends the server. */
  readonly temporary: boolean;
  /** The plain size of all parts, for a check of free space before anything is created. */
  readonly sizeBytes?: number | undefined;
  /** Called, and awaited, before the directory is created. */
  readonly declare?: ((resource: Resource) => Promise<void>) | undefined;
  /** Runs and times the stages, `unpack` and `replay`. */
  readonly step?: (<T>(name: string, run: () => Promise<T>) => Promise<T>) | undefined;
}

export interface Recovered {
  /** The position at which replay ended and the new timeline began. */
  readonly reachedLsn: string;
  readonly newTimeline: number;
  readonly directory: string;
  /** The declared resource, to withdraw after `stop` or `remove`. */
  readonly resource: Resource;
  /** Returns a connection to the running server and the given database. */
  connection(database: string): Connection;
  readonly databases: readonly string[];
  /** Databases that take no connections, and so cannot be read. A temporary copy opens them. */
  readonly closed: readonly string[];
  /** How the server was isolated, in words for the evidence. */
  readonly isolation: string;
  /** Shuts the server down cleanly and keeps the data directory. */
  stop(): Promise<void>;
  /** After `stop`: returns how a user starts the server, and what to do before. Starts it on request, if possible. */
  next(options: { readonly start: boolean }): Promise<readonly string[]>;
  /** Ends the server and deletes its directory. */
  remove(): Promise<void>;
}

/** A copy that moves forward through its history. `to`: the first position; consistent, so at or after the end of the base. */
export interface ForwardOrder extends Omit<RecoveryOrder, "stopBefore" | "expectedEnd"> {
  readonly to: string;
}

export interface Forward {
  /** The declared resource, to withdraw after `remove`. */
  readonly resource: Resource;
  /** A read-only connection to a database as of the present position. */
  connection(database: string): Connection;
  /** The databases of the present position. */
  databases(): Promise<readonly string[]>;
  /** Replays up to the position, which is never before the present one. */
  advance(to: string): Promise<void>;
  remove(): Promise<void>;
}

/** An engine whose log is replayed onto a copy of the whole server. */
export interface PhysicalEngine extends LogEngine {
  /** Returns the names of the segments between two positions of a timeline, both included. */
  segmentNames(timeline: number, fromLsn: string, toLsn: string, segmentBytes: number): string[];
  beginBase(connection: Connection, options: Work & { readonly label: string }): Promise<BaseDump>;
  /** Restores a base backup, replays to the exact position, and promotes the running server. Throws INTEGRITY, RECOVERY_SHORT, TOOL_*, DISK_FULL. */
  recover(order: RecoveryOrder): Promise<Recovered>;
  /**
   * Restores a base backup and replays to the position; the server answers there and waits. Throws as `recover`; RECOVERY_SHORT where the
   * server takes no questions at that position.
   */
  beginForward(order: ForwardOrder): Promise<Forward>;
  /** Removes the remains of a crashed recovery when its note carries the job's proof. Throws SCRATCH_FAILED otherwise. */
  undo(resource: Resource, maker: Maker): Promise<Undone>;
}
