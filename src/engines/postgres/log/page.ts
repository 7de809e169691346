// Headers of the log's pages (PostgreSQL's xlog_internal.h). The first page of a segment has a long one, which says whose log it is.

/** The magic number of each major version whose log is understood; a newer one may lay its bytes out in another way. */
const MAJORS: ReadonlyMap<number, number> = new Map([
  [0xd106, 13],
  [0xd10d, 14],
  [0xd110, 15],
  [0xd113, 16],
  [0xd116, 17],
  [0xd118, 18],
]);

/** The page begins with the rest of a record that began before it. */
export const CONTINUES = 0x0001;
const LONG = 0x0002;
/** What would continue here was lost in a crash: the record that began before is void, and a new one follows. */
export const OVERWRITES = 0x0008;
const ALL_FLAGS = 0x000f;

export const LONG_HEADER_BYTES = 40;
export const SHORT_HEADER_BYTES = 24;

/** What the first page says of its segment. */
export interface SegmentHeader {
  readonly magic: number;
  readonly serverMajor: number;
  readonly systemIdentifier: string;
  readonly segmentBytes: number;
  readonly pageBytes: number;
  readonly start: bigint;
}

/** Undefined when the bytes do not begin as a segment of a known version does; `words` are 32-bit little-endian. */
export function readSegmentHeader(words: Int32Array): SegmentHeader | undefined {
  if (words.length * 4 < LONG_HEADER_BYTES) return undefined;
  const magic = word(words, 0) & 0xffff;
  const serverMajor = MAJORS.get(magic);
  const pageBytes = word(words, 36);
  if (serverMajor === undefined || ((word(words, 0) >>> 16) & LONG) === 0) return undefined;
  if (pageBytes < 1024 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0) return undefined;
  return {
    magic,
    serverMajor,
    systemIdentifier: long(words, 24).toString(),
    segmentBytes: word(words, 32),
    pageBytes,
    start: long(words, 8),
  };
}

/** The version number that the bytes carry where a segment's would be: for a message about one that is not known. */
export function magicOf(words: Int32Array): string {
  return words.length === 0 ? "none" : (word(words, 0) & 0xffff).toString(16).toUpperCase().padStart(4, "0");
}

/** What a page has to be, as far as the pages before it tell. */
export interface PageExpectation {
  readonly magic: number;
  readonly startLow: number;
  readonly startHigh: number;
  readonly timeline: number;
}

/** What is wrong with the header of the page at an offset of the segment, or undefined. `timelineBefore`: that of the page before. */
export function faultOfPage(words: Int32Array, at: number, expect: PageExpectation, timelineBefore: number): string | undefined {
  const first = word(words, at);
  const flags = first >>> 16;
  if ((first & 0xffff) !== expect.magic || (flags & ~ALL_FLAGS) !== 0) return "there is no page of the log there";
  if (((flags & LONG) !== 0) !== (at === 0)) return "its page header is of the wrong kind";
  if (word(words, at + 8) !== (expect.startLow + at) >>> 0 || word(words, at + 12) !== expect.startHigh) {
    return "the page there belongs to another position";
  }
  const timeline = word(words, at + 4);
  if (timeline < timelineBefore || timeline > expect.timeline) return "the page there belongs to another timeline";
  const continues = (flags & CONTINUES) !== 0;
  if (continues !== word(words, at + 16) > 0) return "its page header contradicts itself";
  return undefined;
}

export function flagsOfPage(words: Int32Array, at: number): number {
  return word(words, at) >>> 16;
}

export function timelineOfPage(words: Int32Array, at: number): number {
  return word(words, at + 4);
}

/** How much of the record that continues on this page is still to come, this page included. */
export function continuedBytes(words: Int32Array, at: number): number {
  return word(words, at + 16);
}

/** The unsigned 32-bit integer at an offset that is a multiple of 4. */
export function word(words: Int32Array, at: number): number {
  return (words[at >> 2] as number) >>> 0;
}

function long(words: Int32Array, at: number): bigint {
  return (BigInt(word(words, at + 4)) << 32n) | BigInt(word(words, at));
}
