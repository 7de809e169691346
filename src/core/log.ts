// The log archive: the facts of each stored log segment, and the recovery window that is proven without a gap.
import type { ByteFacts } from "./byte-facts.ts";

/**
 * An instant to the microsecond, the precision of PostgreSQL's commit timestamps: ISO 8601 UTC with exactly six digits,
 * `2026-11-21T06:00:00.123456Z`. It compares as text.
 */
export type Micros = string;

/** A commit or abort record: its position, the end of the record before it, and its timestamp. */
export interface CommitMark {
  readonly lsn: string;
  /** The end of the record before, which is how far replay has come when it stops before this one. */
  readonly previousEnd: string;
  readonly at: Micros;
}

/** The end of a transaction, or an entry of an oplog: what takes data from one state to the next. */
export interface LogChange {
  readonly lsn: string;
  /** The position after it. */
  readonly end: string;
  readonly at: Micros;
  /** What people know it by: `transaction 4711`, `delete in shop.users`. Absent: it has no name. */
  readonly id?: string | undefined;
  /** False: it was rolled back, or changes no data. Replay by time stops before it nevertheless. */
  readonly changes: boolean;
}

/** The facts that the engine reads from one log segment. Positions are in the engine's notation (`0/16B3740`). */
export interface SegmentFacts {
  /** The engine's name of it: `000000010000000000000042`. */
  readonly name: string;
  readonly timeline: number;
  /** The first position of the segment's file, and the position after its last byte. */
  readonly startLsn: string;
  readonly nextLsn: string;
  readonly systemIdentifier: string;
  /** The segment has any length and is named by its first position. Absent: all segments have one size, and their names are numbers. */
  readonly free?: true | undefined;
  /** The number of complete records that end in it, all with a valid checksum. */
  readonly records: number;
  /** The end of the last complete record. In a partial segment: how far it is valid. */
  readonly endLsn: string;
  /** Filled only up to `endLsn`; more will follow. */
  readonly partial: boolean;
  /** The first and last commit or abort record that ends in it, and the latest timestamp of all (they are not monotonic). */
  readonly firstCommit?: CommitMark | undefined;
  readonly lastCommit?: CommitMark | undefined;
  readonly maxCommitAt?: Micros | undefined;
  /** The last record that creates a tablespace: a replay would write to the place that the source has for it, and stops before. */
  readonly placesAt?: string | undefined;
  /** The state of a record that continues in the next segment. Opaque; passed to the reader of that segment. */
  readonly tail?: unknown;
}

/**
 * A stored segment, as described by the JSON file beside its bytes, which is written after them and is its commit mark. `previous` is
 * present only when records were followed across the boundary from exactly those bytes, so that the segments form a chain of digests.
 */
export interface LogSegment extends SegmentFacts {
  readonly format: 1;
  readonly source: string;
  readonly archivedAt: string;
  readonly plain: ByteFacts;
  readonly stored: ByteFacts;
  readonly previous?: { readonly name: string; readonly sha256: string } | undefined;
}

/** The position of a backup in the log, so that log can be replayed onto it. The backup is consistent from `endLsn` on. */
export interface LogSpan {
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly startLsn: string;
  readonly endLsn: string;
  /** The server's clock just after `endLsn`. Every commit before `endLsn` has an earlier timestamp. */
  readonly endedAt: Micros;
}

/** The begin and end of a base backup in the log, and the other facts that its recovery requires. */
export interface BaseFacts extends LogSpan {
  readonly segmentBytes: number;
  readonly tablespaces: readonly { readonly oid: string; readonly location: string }[];
  /** Whether data pages have checksums. */
  readonly pageChecksums: boolean;
  /** The first superuser of the cluster (its name may not be `postgres`), used to connect to a recovered server. */
  readonly superuser: string;
}

/** A flaw in the log archive that makes a range of time unreachable. */
export interface LogFlaw {
  readonly kind: "missing" | "damaged" | "unlinked" | "other-system";
  /** The segment or range of segments. */
  readonly segment: string;
  /** The instants that it makes unreachable, as far as they are known. */
  readonly from?: Micros | undefined;
  readonly to?: Micros | undefined;
  /** One sentence. */
  readonly message: string;
}

/** The reachable instants: from the end of a base backup, through segments that each link to the one before. */
export interface RecoveryWindow {
  readonly earliest: Micros;
  readonly latest: Micros;
}
