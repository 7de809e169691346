// The log archive: what is known of each stored log segment, and which window of it is proven without a gap.
import type { ByteFacts } from "./byte-facts.ts";

/**
 * An instant to the microsecond, as PostgreSQL stamps its commits: ISO 8601 UTC with exactly six digits,
 * `2026-11-21T06:00:00.123456Z`. Compares as text.
 */
export type Micros = string;

/** A commit or abort record: where it begins, where the record before it ends, and the time it is stamped with. */
export interface CommitMark {
  readonly lsn: string;
  /** End of the record before: what replay has reached when it stops before this one. */
  readonly previousEnd: string;
  readonly at: Micros;
}

/** What the engine learns from reading one log segment. Positions as the engine writes them (`0/16B3740`). */
export interface SegmentFacts {
  /** The engine's own name: `000000010000000000000042`. */
  readonly name: string;
  readonly timeline: number;
  /** First position of the segment's file, and the one after its last byte. */
  readonly startLsn: string;
  readonly nextLsn: string;
  readonly systemIdentifier: string;
  /** Cut at any length, and named by its first position. Absent: all segments of this log are of one size, and their names count them. */
  readonly free?: true | undefined;
  /** Complete records that end in it, all with a good checksum. */
  readonly records: number;
  /** End of the last complete record; in a partial segment, how far it is valid. */
  readonly endLsn: string;
  /** Filled only up to `endLsn`: more of it is to come. */
  readonly partial: boolean;
  /** First and last commit or abort record that ends in it, and the latest time among all of them (they are not monotonic). */
  readonly firstCommit?: CommitMark | undefined;
  readonly lastCommit?: CommitMark | undefined;
  readonly maxCommitAt?: Micros | undefined;
  /** State of a record that runs on into the next segment; opaque, for whoever reads that one. */
  readonly tail?: unknown;
}

/**
 * A segment as it is stored: the little file beside its bytes, written after them. It is the commit mark of a segment.
 * `previous` is there only when the records were followed across the boundary from exactly those bytes: a chain of digests.
 */
export interface LogSegment extends SegmentFacts {
  readonly format: 1;
  readonly source: string;
  readonly archivedAt: string;
  readonly plain: ByteFacts;
  readonly stored: ByteFacts;
  readonly previous?: { readonly name: string; readonly sha256: string } | undefined;
}

/** Where a backup lies in the log, so that the log can be replayed onto it. It is consistent from `endLsn` on. */
export interface LogSpan {
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly startLsn: string;
  readonly endLsn: string;
  /** The server's clock just after `endLsn`: every commit before `endLsn` was stamped earlier. */
  readonly endedAt: Micros;
}

/** Where a base backup begins and ends in the log, and what else its recovery needs to know. */
export interface BaseFacts extends LogSpan {
  readonly segmentBytes: number;
  readonly tablespaces: readonly { readonly oid: string; readonly location: string }[];
  /** Whether data pages carry checksums of their own. */
  readonly pageChecksums: boolean;
  /** The first superuser of the cluster (its name may not be `postgres`): as whom a recovered server is entered. */
  readonly superuser: string;
}

/** Anything in the log archive that makes a range of time unreachable. */
export interface LogFlaw {
  readonly kind: "missing" | "damaged" | "unlinked" | "other-system";
  /** Segment or range of segments. */
  readonly segment: string;
  /** Instants that cannot be reached because of it, as far as they are known. */
  readonly from?: Micros | undefined;
  readonly to?: Micros | undefined;
  /** One sentence. */
  readonly message: string;
}

/** A proven window: from the end of a base backup, through segments of which each links to the one before. */
export interface RecoveryWindow {
  readonly earliest: Micros;
  readonly latest: Micros;
}
