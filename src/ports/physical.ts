// Point-in-time recovery of a whole server: base backups, and replay of the log that follows them to an exact position.

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

export interface RecoveryOrder extends Work {
  /** Data directory to make: absolute; absent or empty. */
  readonly directory: string;
  readonly maker: Maker;
  readonly serverMajor: number;
  readonly base: BaseFacts;
  /** The plain archives of the base backup, one after another. */
  readonly parts: AsyncIterable<{ readonly name: string; readonly sizeBytes: number; readonly bytes: AsyncIterable<Uint8Array> }>;
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
  /** What was declared: to be withdrawn after `stop` or `remove`. */
  readonly resource: Resource;
  /** Of the running server, while it runs; the database is the one named. */
  connection(database: string): Connection;
  readonly databases: readonly string[];
  /** How the server was kept from everything else, in words for evidence. */
  readonly isolation: string;
  /** Shuts the server down cleanly and keeps the data directory. */
  stop(): Promise<void>;
  /** After `stop`: what a user runs to start the server, and what to see to before; starts it when asked to, if that can be. */
  next(options: { readonly start: boolean }): Promise<readonly string[]>;
  /** Ends the server and removes everything. */
  remove(): Promise<void>;
}

/** An engine whose log is replayed onto a copy of the whole server. */
export interface PhysicalEngine extends LogEngine {
  /** Names of the segments from one position to another on a timeline, both ends included. */
  segmentNames(timeline: number, fromLsn: string, toLsn: string, segmentBytes: number): string[];
  beginBase(connection: Connection, options: Work & { readonly label: string }): Promise<BaseDump>;
  /** Base backup, then replay to the exact position, promoted and running. INTEGRITY, RECOVERY_SHORT, TOOL_*, DISK_FULL. */
  recover(order: RecoveryOrder): Promise<Recovered>;
  /** Removes what a crashed recovery left, where its note carries the job's proof. SCRATCH_FAILED for what is not the job's. */
  undo(resource: Resource, maker: Maker): Promise<Undone>;
}
