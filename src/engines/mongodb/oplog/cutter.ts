// Cuts the stream of entries into segments: by age, so that little is lost, and by size, so that each fits into memory.

import { after, type Stamp, segmentName } from "./position.ts";
import { entryDigest, type Slice, writeHeader } from "./segment.ts";

export const SEGMENT_BYTES = 16 * 1024 * 1024;

/** The entry that the oplog held right before what comes next. */
export interface Anchor {
  readonly stamp: Stamp;
  readonly sha256?: string | undefined;
}

export interface CutSegment {
  readonly name: string;
  readonly parts: readonly Uint8Array[];
}

export class Cutter {
  readonly #system: string;
  readonly #maxAgeMs: number;
  #anchor: Anchor;
  #entries: Slice[] = [];
  #sizeBytes = 0;
  #since = 0;

  /** `anchor`: the entry after which this log begins. Without a digest a new recovery window begins. */
  constructor(system: string, anchor: Anchor, maxAgeMs: number) {
    this.#system = system;
    this.#anchor = anchor;
    this.#maxAgeMs = maxAgeMs;
  }

  /** What the next entry follows. */
  get last(): Anchor {
    const entry = this.#entries.at(-1);
    return entry === undefined ? this.#anchor : { stamp: entry.stamp, sha256: entryDigest(entry.bytes) };
  }

  /** Takes the entry; gives the segment that is full without it. */
  add(entry: Slice, now: number): CutSegment | undefined {
    const full = this.#sizeBytes > 0 && this.#sizeBytes + entry.bytes.length > SEGMENT_BYTES ? this.cut() : undefined;
    if (this.#entries.length === 0) this.#since = now;
    this.#entries.push(entry);
    this.#sizeBytes += entry.bytes.length;
    return full;
  }

  /** How long until what is here is old enough; undefined: there is nothing. */
  dueInMs(now: number): number | undefined {
    return this.#entries.length === 0 ? undefined : Math.max(0, this.#since + this.#maxAgeMs - now);
  }

  /** What is here, as a segment; undefined: nothing is. */
  cut(): CutSegment | undefined {
    const [first] = this.#entries;
    if (first === undefined) return undefined;
    const { stamp, sha256 } = this.#anchor;
    const header = writeHeader({ stamp, system: this.#system, previous: sha256 }, new Date(first.wall));
    const parts = [header, ...this.#entries.map(({ bytes }) => bytes)];
    this.#anchor = this.last;
    this.#entries = [];
    this.#sizeBytes = 0;
    return { name: segmentName(after(stamp)), parts };
  }
}
