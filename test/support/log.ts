// Log archives made up for tests of the domain: segments, links and base backups without a database.
import type { BaseFacts, CommitMark, LogSegment, Micros } from "../../src/core/log.ts";
import type { LogBase } from "../../src/core/log-window.ts";
import { formatLsn, segmentNameAt } from "../../src/core/lsn.ts";

export const SEGMENT_BYTES = 16 * 1024 * 1024;
export const SYSTEM = "7400000000000000001";

/** The instant so many seconds (fractions count) after the tests' beginning of time. */
export function at(seconds: number): Micros {
  const micros = Math.round(seconds * 1e6);
  const whole = new Date(Date.UTC(2026, 10, 21) + Math.floor(micros / 1000));
  return whole.toISOString().replace("Z", `${String(((micros % 1000) + 1000) % 1000).padStart(3, "0")}Z`);
}

/** Position so many segments (fractions count) after the first. */
export const lsn = (segments: number): string => formatLsn(BigInt(Math.round(segments * SEGMENT_BYTES)));

export const nameOf = (number: number, timeline = 1): string =>
  segmentNameAt(timeline, BigInt(number) * BigInt(SEGMENT_BYTES), SEGMENT_BYTES);

export const digestOf = (name: string): string => Buffer.from(name.padEnd(32, "x")).toString("hex").slice(0, 64);

export const commitAt = (position: number, seconds: number): CommitMark => ({
  lsn: lsn(position),
  previousEnd: lsn(position),
  at: at(seconds),
});

/** Segment number `number` of a timeline, linked to the one before (or to `after`; undefined: to none), with commits at (position within the segment, seconds). */
export function segmentOf(
  number: number,
  commits: readonly (readonly [offset: number, seconds: number])[],
  change: Partial<LogSegment> & { readonly after?: string | undefined } = {},
): LogSegment {
  const timeline = change.timeline ?? 1;
  const name = nameOf(number, timeline);
  const marks = commits.map(([offset, seconds]) => commitAt(number + offset, seconds));
  const { after: given, ...rest } = change;
  const after = "after" in change || number === 0 ? given : nameOf(number - 1, timeline);
  return {
    format: 1,
    source: "shop",
    name,
    timeline,
    startLsn: lsn(number),
    nextLsn: lsn(number + 1),
    systemIdentifier: SYSTEM,
    records: 100,
    endLsn: lsn(number + 1),
    partial: false,
    firstCommit: marks[0],
    lastCommit: marks.at(-1),
    maxCommitAt: marks
      .map((mark) => mark.at)
      .sort()
      .at(-1),
    archivedAt: "2026-11-21T00:00:00.000Z",
    plain: { sizeBytes: SEGMENT_BYTES, sha256: digestOf(name) },
    stored: { sizeBytes: 1000, sha256: digestOf(`s${name}`) },
    previous: after === undefined ? undefined : { name: after, sha256: digestOf(after) },
    ...rest,
  };
}

export function baseOf(id: string, start: number, end: number, seconds: number, change: Partial<BaseFacts> = {}): LogBase {
  return {
    id,
    facts: {
      systemIdentifier: SYSTEM,
      timeline: 1,
      startLsn: lsn(start),
      endLsn: lsn(end),
      endedAt: at(seconds),
      segmentBytes: SEGMENT_BYTES,
      tablespaces: [],
      pageChecksums: true,
      superuser: "postgres",
      ...change,
    },
  };
}
