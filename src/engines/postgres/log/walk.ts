// Follows the records of one segment from page to page: lengths, back pointers and checksums, as PostgreSQL's own reader does
// (xlogreader.c). Positions in here are byte offsets from the start of the segment; those before it are negative.
//
// A segment holds up to a quarter of a million records: the loop works on numbers and allocates nothing per record.
import { CRC_BEGIN, finishCrc, updateCrc } from "./crc32c.ts";
import { type Effect, effectOnDatabases } from "./database-effects.ts";
import {
  CONTINUES,
  continuedBytes,
  faultOfPage,
  flagsOfPage,
  LONG_HEADER_BYTES,
  OVERWRITES,
  type PageExpectation,
  SHORT_HEADER_BYTES,
  timelineOfPage,
  word,
} from "./page.ts";
import { commitsTransaction, endsTransaction, HEAD_BYTES, transactionTime } from "./transaction-time.ts";

const RECORD_HEADER_BYTES = 24;
/** The checksum covers the record's data, then its header up to the checksum itself. */
const CHECKED_HEADER_BYTES = 20;
const RESOURCE_LOG = 0;
const SWITCH = 0x40;
const KIND_MASK = 0xf0;

/** A record of which the end is not seen yet. */
export interface OpenRecord {
  readonly at: number;
  readonly totalBytes: number;
  seenBytes: number;
  /** Of the data behind the header. */
  crc: number;
  /** Its first bytes. */
  readonly head: Uint8Array;
}

/** Where the records of the segment before left off. */
export interface WalkStart {
  /** Where the last complete record began, and where it ended. */
  readonly last: number;
  readonly end: number;
  readonly open: OpenRecord | undefined;
}

/**
 * Told of every complete record. `micros`: the time it is stamped with if it ends a transaction, else NaN. `effect`: what its replay does
 * at once to a whole database (database-effects.ts). `xid`: of its transaction, 0 without one. `commits`: it ends a transaction whose changes
 * stay. True stops the walk.
 */
export type Visit = (at: number, previousEnd: number, micros: number, effect: Effect, xid: number, commits: boolean) => boolean;

export interface WalkEnd {
  /** `full`: up to the segment's end. `stopped`: by the visitor. `fault`: nothing readable follows. */
  readonly how: "full" | "stopped" | "fault";
  readonly records: number;
  /** Where the last complete record began (NaN: none is known) and where it ended. */
  readonly last: number;
  readonly end: number;
  /** A record that runs on behind the segment; `unknown`: one whose beginning was not seen. */
  readonly open: OpenRecord | "unknown" | undefined;
  /** Whether the records ran on from `start`. */
  readonly linked: boolean;
  readonly fault: { readonly at: number; readonly why: string } | undefined;
}

export interface SegmentMemory {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly pageBytes: number;
  readonly expect: PageExpectation;
}

export class Walk {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #pageBytes: number;
  readonly #expect: PageExpectation;
  readonly #visit: Visit;
  #timeline = 1;
  #last = Number.NaN;
  #end = 0;
  #records = 0;
  #linked = false;
  /** The first record that begins here has yet to name the one before it. */
  #unproven = false;
  #fault: { at: number; why: string } | undefined;
  #stopped = false;
  #open: OpenRecord | "unknown" | undefined;

  constructor(memory: SegmentMemory, visit: Visit) {
    this.#bytes = memory.bytes;
    this.#words = memory.words;
    this.#pageBytes = memory.pageBytes;
    this.#expect = memory.expect;
    this.#visit = visit;
  }

  run(start: WalkStart | undefined): WalkEnd {
    let at = this.#begin(start);
    while (at >= 0 && at < this.#bytes.length) at = this.#step(at);
    const how = this.#fault ? "fault" : this.#stopped ? "stopped" : "full";
    return {
      how,
      records: this.#records,
      last: this.#last,
      end: this.#end,
      open: this.#open,
      linked: this.#linked && !this.#unproven,
      fault: this.#fault,
    };
  }

  /** Enters the first page: takes up the record that runs into it, or passes over it when its beginning is not known. */
  #begin(start: WalkStart | undefined): number {
    if (!this.#enterPage(0)) return -1;
    const flags = flagsOfPage(this.#words, 0);
    const continues = (flags & CONTINUES) !== 0;
    const open = start?.open;
    const runsOn = open ? continues && continuedBytes(this.#words, 0) === open.totalBytes - open.seenBytes : !continues;
    if (start && (runsOn || (open && flags & OVERWRITES))) {
      this.#linked = true;
      this.#last = start.last;
      this.#end = start.end;
      if (open && runsOn) return this.#continue(open, 0);
      // A record follows at once: its back pointer is the proof.
      this.#unproven = true;
      return LONG_HEADER_BYTES;
    }
    return continues ? this.#skip() : LONG_HEADER_BYTES;
  }

  /** One record, or the header of one page. Gives where the next one begins, or -1 at the end of the walk. */
  #step(at: number): number {
    if (at % this.#pageBytes === 0) {
      if (!this.#enterPage(at)) return -1;
      if (flagsOfPage(this.#words, at) & CONTINUES) return this.#fail(at, "a record continues there that did not begin");
      return at + SHORT_HEADER_BYTES;
    }
    const words = this.#words;
    const totalBytes = word(words, at);
    if (totalBytes < RECORD_HEADER_BYTES) return this.#fail(at, "no record begins there");
    const pageEnd = at - (at % this.#pageBytes) + this.#pageBytes;
    if (at + totalBytes > pageEnd) return this.#beginSpanning(at, totalBytes, pageEnd);
    const data = updateCrc(CRC_BEGIN, words, this.#bytes, at + RECORD_HEADER_BYTES, at + totalBytes);
    const crc = finishCrc(updateCrc(data, words, this.#bytes, at, at + CHECKED_HEADER_BYTES));
    if (crc !== word(words, at + 20)) return this.#fail(at, "the checksum of the record that begins there does not match");
    return this.#complete(at, (at + totalBytes + 7) & ~7, this.#bytes, words, at);
  }

  #beginSpanning(at: number, totalBytes: number, pageEnd: number): number {
    const open: OpenRecord = { at, totalBytes, seenBytes: 0, crc: CRC_BEGIN, head: new Uint8Array(HEAD_BYTES) };
    this.#take(open, at, pageEnd);
    return this.#continue(open, pageEnd);
  }

  /** Continues an open record on the page at an offset and those behind it. */
  #continue(open: OpenRecord, firstPage: number): number {
    for (let page = firstPage; page < this.#bytes.length; page += this.#pageBytes) {
      if (page > 0 && !this.#enterPage(page)) return -1;
      const body = page + (page === 0 ? LONG_HEADER_BYTES : SHORT_HEADER_BYTES);
      const flags = flagsOfPage(this.#words, page);
      // The server crashed before it wrote the rest: it never counted as written, and a note about it follows.
      if (flags & OVERWRITES) return body;
      const left = open.totalBytes - open.seenBytes;
      if ((flags & CONTINUES) === 0 || continuedBytes(this.#words, page) !== left) {
        return this.#fail(page, "the record that runs into this page does not continue there");
      }
      const to = Math.min(body + left, page + this.#pageBytes);
      this.#take(open, body, to);
      if (open.seenBytes === open.totalBytes) return this.#closeSpanning(open, (to + 7) & ~7);
    }
    // Its end is not in sight; which record it follows can be said already, and is proven with the rest of it.
    if (open.seenBytes >= RECORD_HEADER_BYTES) {
      const previous = this.#previousOf(new Int32Array(open.head.buffer), 0);
      this.#prove(previous);
      if (Number.isNaN(this.#last)) this.#last = previous;
    }
    this.#open = open;
    return -1;
  }

  #closeSpanning(open: OpenRecord, end: number): number {
    const { head } = open;
    const words = new Int32Array(head.buffer);
    const crc = finishCrc(updateCrc(open.crc, words, head, 0, CHECKED_HEADER_BYTES));
    if (crc !== word(words, 20)) return this.#fail(open.at, "the checksum of the record that begins there does not match");
    return this.#complete(open.at, end, head, words, 0);
  }

  /** Adds bytes of a page to an open record: its head is kept, its data only summed up. */
  #take(open: OpenRecord, from: number, to: number): void {
    const { seenBytes, head } = open;
    if (seenBytes < HEAD_BYTES) head.set(this.#bytes.subarray(from, Math.min(to, from + HEAD_BYTES - seenBytes)), seenBytes);
    const data = from + Math.max(0, RECORD_HEADER_BYTES - seenBytes);
    if (data < to) open.crc = updateCrc(open.crc, this.#words, this.#bytes, data, to);
    open.seenBytes += to - from;
  }

  /** A record whose checksum is good. `header`, `words`, `headerAt`: where its first bytes are. */
  #complete(at: number, end: number, header: Uint8Array, words: Int32Array, headerAt: number): number {
    const previous = this.#previousOf(words, headerAt);
    this.#prove(previous);
    if (Number.isNaN(this.#last) ? previous >= at : previous !== this.#last) {
      return this.#fail(at, "the record there does not follow the one before it");
    }
    const info = header[headerAt + 16] as number;
    const resourceManager = header[headerAt + 17] as number;
    let micros = Number.NaN;
    if (endsTransaction(resourceManager, info)) {
      micros = transactionTime(header, headerAt);
      if (Number.isNaN(micros)) return this.#fail(at, "the time of the transaction that ends there cannot be read");
    }
    const effect = effectOnDatabases(resourceManager, info, this.#expect.magic, header, headerAt);
    if (this.#visit(at, this.#end, micros, effect, word(words, headerAt + 4), commitsTransaction(resourceManager, info))) {
      this.#stopped = true;
      return -1;
    }
    const switches = resourceManager === RESOURCE_LOG && (info & KIND_MASK) === SWITCH;
    this.#records++;
    this.#last = at;
    // After a switch the rest of the segment is void, and the record counts as reaching its end.
    this.#end = switches ? this.#bytes.length : end;
    return this.#end;
  }

  /** The first record behind a boundary names the one before it: that is whether the segments belong together. */
  #prove(previous: number): void {
    if (!this.#unproven) return;
    this.#unproven = false;
    if (previous === this.#last) return;
    // Sound, as far as it goes, but after some other segment than the one that was given.
    this.#linked = false;
    this.#last = Number.NaN;
    this.#end = 0;
  }

  /** Where the record before began, as a record's header has it. */
  #previousOf(words: Int32Array, headerAt: number): number {
    const { startLow, startHigh } = this.#expect;
    return (word(words, headerAt + 12) - startHigh) * 4_294_967_296 + (word(words, headerAt + 8) - startLow);
  }

  /** Passes over the rest of a record of which the beginning is in a segment that is not at hand. */
  #skip(): number {
    let left = 0;
    for (let page = 0; page < this.#bytes.length; page += this.#pageBytes) {
      if (page > 0 && !this.#enterPage(page)) return -1;
      const body = page + (page === 0 ? LONG_HEADER_BYTES : SHORT_HEADER_BYTES);
      const flags = flagsOfPage(this.#words, page);
      if (page > 0 && flags & OVERWRITES) return body;
      const named = continuedBytes(this.#words, page);
      if (page > 0 && ((flags & CONTINUES) === 0 || named !== left)) {
        return this.#fail(page, "the record that runs into this page does not continue there");
      }
      const to = Math.min(body + named, page + this.#pageBytes);
      left = named - (to - body);
      if (left === 0) {
        this.#end = (to + 7) & ~7;
        return this.#end;
      }
    }
    this.#open = "unknown";
    return -1;
  }

  #enterPage(at: number): boolean {
    const why = faultOfPage(this.#words, at, this.#expect, this.#timeline);
    if (why === undefined) this.#timeline = timelineOfPage(this.#words, at);
    else this.#fail(at, why);
    return why === undefined;
  }

  #fail(at: number, why: string): -1 {
    this.#fault = { at, why };
    return -1;
  }
}
