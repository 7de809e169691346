// The log of one line, read from the files of its server, whether that runs or not: where it ends, and when what was committed.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Micros, SegmentFacts } from "../../../core/log.ts";
import { formatLsn, parseLsn, segmentNameAt } from "../../../core/lsn.ts";
import { firstCommitAfter, readSegment, recordAt } from "../../../engines/postgres/log/segments.ts";
import { SEGMENT_BYTES } from "./grounds.ts";

const SIZE = BigInt(SEGMENT_BYTES);
/** Header of a segment's first page: its own position stands at 8. */
const OWN_POSITION_AT = 8;

export class LineLog {
  readonly #directory: string;
  readonly timeline: number;
  readonly #first: bigint;
  /** Facts of the segments that are full, in order. They never change again. */
  readonly #full: SegmentFacts[] = [];

  /** `directory`: the server's pg_wal. `from`: any position in the first segment that belongs to this timeline. */
  constructor(directory: string, timeline: number, from: bigint) {
    this.#directory = directory;
    this.timeline = timeline;
    this.#first = (from / SIZE) * SIZE;
  }

  /** Path of the segment that holds a position. */
  segment(position: bigint): string {
    return join(this.#directory, segmentNameAt(this.timeline, position, SEGMENT_BYTES));
  }

  /** Where the segments of this timeline begin. */
  get first(): bigint {
    return this.#first;
  }

  /** End of the last record that is written out. */
  async end(): Promise<bigint> {
    const { facts } = await this.#last();
    return parseLsn(facts.endLsn);
  }

  /**
   * Where replay stops before the first commit or abort, in the order of the log, that is stamped later than the instant and
   * begins in [from, until); undefined when there is none.
   */
  async beforeFirstCommitAfter(at: Micros, from: bigint, until: bigint): Promise<bigint | undefined> {
    const last = await this.#last();
    for (const [index, facts] of [...this.#full, last.facts].entries()) {
      const start = parseLsn(facts.startLsn);
      if (start >= until) return undefined;
      if (facts.maxCommitAt === undefined || facts.maxCommitAt <= at || parseLsn(facts.nextLsn) <= from) continue;
      const bytes = facts === last.facts ? last.bytes : await readFile(this.segment(start));
      const name = facts === last.facts ? `${facts.name}.partial` : facts.name;
      const found = firstCommitAfter(name, bytes, this.#full[index - 1], at, formatLsn(from));
      if (found !== undefined) return parseLsn(found.lsn) < until ? parseLsn(found.previousEnd) : undefined;
    }
    return undefined;
  }

  /** Where replay stops before the first record that begins at or after a position; undefined when none does. */
  async beforeRecordAt(position: bigint): Promise<bigint | undefined> {
    const last = await this.#last();
    for (const [index, facts] of [...this.#full, last.facts].entries()) {
      if (parseLsn(facts.nextLsn) <= position) continue;
      const start = parseLsn(facts.startLsn);
      const bytes = facts === last.facts ? last.bytes : await readFile(this.segment(start));
      const name = facts === last.facts ? `${facts.name}.partial` : facts.name;
      const found = recordAt(name, bytes, this.#full[index - 1], formatLsn(position));
      if (found !== undefined) return parseLsn(found.previousEnd);
    }
    return undefined;
  }

  /** Takes note of segments that have become full, and reads the one that is being written. */
  async #last(): Promise<{ facts: SegmentFacts; bytes: Uint8Array }> {
    for (;;) {
      const start = this.#first + BigInt(this.#full.length) * SIZE;
      // Looked at first: what this says of the next segment cannot become untrue while this one is read.
      const full = await this.#isBegun(start + SIZE);
      const bytes = await readFile(this.segment(start));
      const name = segmentNameAt(this.timeline, start, SEGMENT_BYTES);
      const before = this.#full.at(-1);
      if (!full) return { facts: readSegment(`${name}.partial`, bytes, before).facts, bytes };
      this.#full.push(readSegment(name, bytes, before).facts);
    }
  }

  /** Servers write in order: once a segment has its first page, the one before is full. */
  async #isBegun(start: bigint): Promise<boolean> {
    const head = await readFile(this.segment(start)).catch(() => undefined);
    return head !== undefined && head.length > OWN_POSITION_AT + 8 && head.readBigUInt64LE(OWN_POSITION_AT) === start;
  }
}
