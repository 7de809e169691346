// A segment of the archived oplog: a run of consecutive entries.
//
// Its plain bytes are raw BSON documents one after another, which `bsondump` reads as they are. The first is the *anchor*: the last
// entry of the segment before it, repeated, which lies just before the segment's own first position. It is there to prove the link:
// between an entry and the one that the oplog gave right after it, in the same reading, there is nothing. The first segment of a
// stretch has no anchor. A segment says of itself what it covers: its name holds the first position (16 hexadecimal digits after
// the timeline), and it ends right after its last entry. So a missing one leaves a hole between two positions.
import { createHash } from "node:crypto";
import { LifeboatError } from "../../../core/errors.ts";
import type { CommitMark, Micros, SegmentFacts } from "../../../core/log.ts";
import { maxMicros } from "../../../core/micros.ts";
import { walkDocuments } from "../archive/documents.ts";
import { assertWellFormed } from "./elements.ts";
import { stampAndWall } from "./entry.ts";
import { after, positionOf, type Stamp, startOfSegment, stampOf, TIMELINE } from "./position.ts";

/** What the next segment must begin with: carried in the facts, and kept in the segment's JSON. */
export interface Tail {
  readonly position: string;
  /** SHA-256 of the last entry. */
  readonly sha256: string;
  /** Which set of servers it came from, as they say themselves. */
}

export interface Slice {
  readonly stamp: Stamp;
  readonly wall: Micros;
  readonly bytes: Uint8Array;
}

/** The digest by which an entry is known again. */
export const entryDigest = (entry: Uint8Array): string => createHash("sha256").update(entry).digest("hex");

/** The segment's own entries, anchor apart. Damaged bytes: INTEGRITY. */
export function entriesIn(name: string, bytes: Uint8Array): { readonly anchor?: Slice | undefined; readonly entries: Slice[] } {
  const start = stampOf(startOfSegment(name));
  const entries: Slice[] = [];
  let anchor: Slice | undefined;
  let previous = -1n;
  try {
    walkDocuments(bytes, (from, to) => {
      const document = bytes.subarray(from, to);
      assertWellFormed(document);
      const slice = { ...stampAndWall(document), bytes: document };
      if (slice.stamp <= previous) throw new LifeboatError("INTEGRITY", `entry ${positionOf(slice.stamp)} does not come after ${positionOf(previous)}`);
      if (slice.stamp < start) {
        if (from > 0) throw new LifeboatError("INTEGRITY", `entry ${positionOf(slice.stamp)} lies before the segment`);
        anchor = slice;
      } else entries.push(slice);
      previous = slice.stamp;
    });
    if (anchor !== undefined && after(anchor.stamp) !== start) {
      throw new LifeboatError("INTEGRITY", `its anchor ${positionOf(anchor.stamp)} is not just before ${positionOf(start)}`);
    }
    if (entries.length === 0) throw new LifeboatError("INTEGRITY", "it holds no entry");
  } catch (error) {
    if (!(error instanceof LifeboatError)) throw error;
    throw new LifeboatError("INTEGRITY", `log segment ${name} is damaged: ${error.message}`, { cause: error });
  }
  return { anchor, entries };
}

/**
 * Reads a segment whole. `linked`: it begins with the very last entry of the one before.
 * The set that it came from is not in its bytes: `before` says it, or the name of the file (`NAME@SYSTEM`, which only the receiver uses).
 */
export function readSegment(given: string, bytes: Uint8Array, before?: SegmentFacts): { readonly facts: SegmentFacts; readonly linked: boolean } {
  const name = given;
  const system = systemIn(bytes);
  const { anchor, entries } = entriesIn(name, bytes);
  const [first, last] = [entries[0] as Slice, entries.at(-1) as Slice];
  let maxCommitAt: Micros | undefined;
  for (const { wall } of entries) maxCommitAt = maxMicros(maxCommitAt, wall);
  const endLsn = positionOf(after(last.stamp));
  const second = entries.at(-2) ?? anchor;
  const facts: SegmentFacts = {
    name,
    timeline: TIMELINE,
    startLsn: startOfSegment(name),
    nextLsn: endLsn,
    systemIdentifier: system,
    free: true,
    records: entries.length,
    endLsn,
    partial: false,
    firstCommit: markOf(first, anchor),
    lastCommit: markOf(last, second),
    maxCommitAt,
    tail: { position: positionOf(last.stamp), sha256: entryDigest(last.bytes) } satisfies Tail,
  };
  return { facts, linked: isLinked(facts, anchor, before) };
}
