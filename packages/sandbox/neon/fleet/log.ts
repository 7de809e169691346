// The WAL of one line, read from the files of its server, running or not: where it ends, and when each commit happened.
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Micros, SegmentFacts } from "../../../../src/core/log.ts";
import { formatLsn, parseLsn, segmentNameAt } from "../../../../src/core/lsn.ts";
import { firstCommitAfter, readSegment, recordAt } from "../../../../src/engines/postgres/log/segments.ts";
import { SEGMENT_BYTES } from "./host.ts";

const SIZE = BigInt(SEGMENT_BYTES);
/** Header of a segment's first page: its own position is at byte 8. */
const OWN_POSITION_AT = 8;

interface Segment {
  readonly facts: SegmentFacts;
  /** Of the segment before it. */
  readonly before: SegmentFacts | undefined;
  /** Only of the one that is being written: they may be others already. */
  readonly bytes?: Uint8Array;
}

export class LineLog {
  readonly #directory: string;
  readonly timeline: number;
  readonly #first: bigint;
  /** Facts of the full segments, in order. They never change. */
  readonly #full: SegmentFacts[] = [];

  /** `directory`: the server's pg_wal. `from`: any position in the first segment that belongs to this timeline. */
  constructor(directory: string, timeline: number, from: bigint) {
    this.#directory = directory;
    this.timeline = timeline;
    this.#first = (from / SIZE) * SIZE;
  }

  /** Where the segments of this timeline begin. */
  get first(): bigint {
    return this.#first;
  }

  /** End of the last record that is written out. */
  async end(): Promise<bigint> {
    const segments = await this.#segments();
    return parseLsn(segments.at(-1)?.facts.endLsn ?? "");
  }

  /**
   * Where replay stops before the first commit or abort, in the order of the log, that is stamped later than the instant and
   * begins in [from, until); undefined when there is none.
   */
  async beforeFirstCommitAfter(at: Micros, from: bigint, until: bigint): Promise<bigint | undefined> {
    for (const { facts, before, ...segment } of await this.#segments()) {
      if (facts.maxCommitAt === undefined || facts.maxCommitAt <= at || parseLsn(facts.nextLsn) <= from) continue;
      const found = firstCommitAfter(nameOf(facts), await this.#bytes(facts, segment.bytes), before, at, formatLsn(from));
      if (found !== undefined) return parseLsn(found.lsn) < until ? parseLsn(found.previousEnd) : undefined;
    }
    return undefined;
  }

  /** Where replay stops before the first record that begins at or after a position; undefined when none does. */
  async beforeRecordAt(position: bigint): Promise<bigint | undefined> {
    for (const { facts, before, ...segment } of await this.#segments()) {
      if (parseLsn(facts.nextLsn) <= position) continue;
      const found = recordAt(nameOf(facts), await this.#bytes(facts, segment.bytes), before, formatLsn(position));
      if (found !== undefined) return parseLsn(found.previousEnd);
    }
    return undefined;
  }

  /** All segments in order; those that have become full are noted, the one that is being written is read anew. */
  async #segments(): Promise<Segment[]> {
    for (;;) {
      const index = this.#full.length;
      const start = this.#first + BigInt(index) * SIZE;
      // Read first: what this says of the next segment cannot become wrong while this one is read.
      const full = await this.#isBegun(start + SIZE);
      const bytes = await readFile(this.#path(start));
      // A concurrent reader of this WAL may have been quicker.
      if (this.#full.length !== index) continue;
      const name = segmentNameAt(this.timeline, start, SEGMENT_BYTES);
      const before = this.#full.at(-1);
      if (full) {
        this.#full.push(readSegment(name, bytes, before).facts);
        continue;
      }
      const { facts } = readSegment(`${name}.partial`, bytes, before);
      return [...this.#full.map((facts, at) => ({ facts, before: this.#full[at - 1] })), { facts, before, bytes }];
    }
  }

  async #bytes(facts: SegmentFacts, atHand: Uint8Array | undefined): Promise<Uint8Array> {
    return atHand ?? (await readFile(this.#path(parseLsn(facts.startLsn))));
  }

  #path(position: bigint): string {
    return join(this.#directory, segmentNameAt(this.timeline, position, SEGMENT_BYTES));
  }

  /** Servers write in order: once a segment has its first page, the one before is full. */
  async #isBegun(start: bigint): Promise<boolean> {
    const file = await open(this.#path(start)).catch(() => undefined);
    if (file === undefined) return false;
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, OWN_POSITION_AT);
      return bytesRead === 8 && buffer.readBigUInt64LE() === start;
    } finally {
      await file.close();
    }
  }
}

/** By its name, a reader knows that a segment may end before its file does. */
const nameOf = (facts: SegmentFacts): string => (facts.partial ? `${facts.name}.partial` : facts.name);
