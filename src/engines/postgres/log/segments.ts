// Reads log segments: what a segment holds, whether it follows another one, and where in it an instant or a position lies.
import { LifeboatError } from "../../../core/errors.ts";
import type { CommitMark, Micros, SegmentFacts } from "../../../core/log.ts";
import { compareLsn, formatLsn, parseLsn } from "../../../core/lsn.ts";
import { readHistory } from "./history.ts";
import { formatMicros, parseMicros } from "./micros.ts";
import { isSegmentSize, logFileKind, parseSegmentName, type SegmentName, segmentNames, segmentStart } from "./names.ts";
import { magicOf, readSegmentHeader, type SegmentHeader } from "./page.ts";
import { startAfter, tailOf } from "./tail.ts";
import { type Visit, Walk, type WalkEnd } from "./walk.ts";

export { compareLsn, logFileKind, readHistory, segmentNames };

/**
 * Follows every record of a segment, checksums included. A record belongs to the segment in which it ends. A `name` that ends in
 * `.partial` says that the segment may end before its file does: whatever cannot be read is then its end. In any other, it is
 * INTEGRITY. `before`: facts of the segment before it; with them `linked` says whether the records run on from exactly there.
 * Without them, or not linked, a record that runs into the segment is passed over, and not counted.
 */
export function readSegment(name: string, bytes: Uint8Array, before?: SegmentFacts): { facts: SegmentFacts; linked: boolean } {
  const segment = openSegment(name, bytes, before);
  let first: [number, number, number] | undefined;
  let last: [number, number, number] | undefined;
  let greatest = Number.NEGATIVE_INFINITY;
  const end = segment.walk((at, previousEnd, micros) => {
    if (Number.isNaN(micros)) return false;
    first ??= [at, previousEnd, micros];
    if (last === undefined) last = [at, previousEnd, micros];
    else {
      last[0] = at;
      last[1] = previousEnd;
      last[2] = micros;
    }
    if (micros > greatest) greatest = micros;
    return false;
  });
  const { header, given } = segment;
  const facts: SegmentFacts = {
    name: given.name,
    timeline: given.timeline,
    startLsn: formatLsn(header.start),
    nextLsn: formatLsn(header.start + BigInt(bytes.length)),
    systemIdentifier: header.systemIdentifier,
    records: end.records,
    endLsn: segment.lsn(end.end),
    partial: given.partial,
    ...(first && last
      ? { firstCommit: segment.mark(...first), lastCommit: segment.mark(...last), maxCommitAt: formatMicros(greatest) }
      : {}),
    ...(given.partial ? {} : { tail: tailOf(end, header.start) }),
  };
  return { facts, linked: end.linked };
}

/**
 * The first commit or abort record stamped later than the instant, among those that end in the segment and begin at or after
 * `from`. INTEGRITY as for `readSegment`, as far as it had to read.
 */
export function firstCommitAfter(
  name: string,
  bytes: Uint8Array,
  before: SegmentFacts | undefined,
  at: Micros,
  from?: string,
): CommitMark | undefined {
  const segment = openSegment(name, bytes, before);
  const instant = parseMicros(at);
  const earliest = from === undefined ? Number.NEGATIVE_INFINITY : segment.offset(from);
  let found: CommitMark | undefined;
  segment.walk((begin, previousEnd, micros) => {
    if (!(micros > instant) || begin < earliest) return false;
    found = segment.mark(begin, previousEnd, micros);
    return true;
  });
  return found;
}

/** The record that begins at or first after a position, of those that end in the segment, and where the one before it ends. */
export function recordAt(
  name: string,
  bytes: Uint8Array,
  before: SegmentFacts | undefined,
  lsn: string,
): { readonly lsn: string; readonly previousEnd: string } | undefined {
  const segment = openSegment(name, bytes, before);
  const wanted = segment.offset(lsn);
  let found: { readonly lsn: string; readonly previousEnd: string } | undefined;
  segment.walk((begin, previousEnd) => {
    if (begin < wanted) return false;
    found = { lsn: segment.lsn(begin), previousEnd: segment.lsn(previousEnd) };
    return true;
  });
  return found;
}

interface OpenSegment {
  readonly given: SegmentName;
  readonly header: SegmentHeader;
  /** Throws INTEGRITY at damage, unless the segment may end anywhere. */
  walk(visit: Visit): WalkEnd;
  lsn(offset: number): string;
  offset(lsn: string): number;
  mark(at: number, previousEnd: number, micros: number): CommitMark;
}

function openSegment(name: string, bytes: Uint8Array, before: SegmentFacts | undefined): OpenSegment {
  const given = parseSegmentName(name);
  if (given === undefined) throw new LifeboatError("USAGE", `${JSON.stringify(name)} is not the name of a log segment`);
  const memory = aligned(bytes);
  const words = new Int32Array(memory.buffer, memory.byteOffset, memory.byteLength >> 2);
  const header = readSegmentHeader(words);
  if (header === undefined) throw damaged(name, `it does not begin as a log segment of PostgreSQL 13 to 18 (magic ${magicOf(words)})`);
  if (!isSegmentSize(header.segmentBytes) || header.segmentBytes !== bytes.length) {
    throw damaged(name, `it has ${bytes.length} bytes, and says that segments have ${header.segmentBytes}`);
  }
  const { start } = header;
  if (start !== segmentStart(given, bytes.length))
    throw damaged(name, `it holds the log from ${formatLsn(start)} on, which is another segment's`);
  const lsn = (offset: number): string => formatLsn(start + BigInt(offset));
  const follows =
    before !== undefined &&
    before.nextLsn === formatLsn(start) &&
    before.systemIdentifier === header.systemIdentifier &&
    before.timeline <= given.timeline;
  const from = follows ? startAfter(before, start) : undefined;
  return {
    given,
    header,
    lsn,
    walk(visit) {
      const startLow = Number(start & 0xffffffffn);
      const expect = { magic: header.magic, startLow, startHigh: Number(start >> 32n), timeline: given.timeline };
      const end = new Walk({ bytes: memory, words, pageBytes: header.pageBytes, expect }, visit).run(from);
      if (end.fault && (!given.partial || end.fault.at === 0)) {
        throw damaged(name, `at ${lsn(end.fault.at)}: ${end.fault.why}`, { lsn: lsn(end.fault.at) });
      }
      return end;
    },
    offset: (position) => Number(parseLsn(position) - start),
    mark: (at, previousEnd, micros) => ({ lsn: lsn(at), previousEnd: lsn(previousEnd), at: formatMicros(micros) }),
  };
}

/** Words can only be read where the memory is aligned; a buffer from a pool may not be. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
}

function damaged(name: string, why: string, details: Record<string, unknown> = {}): LifeboatError {
  return new LifeboatError("INTEGRITY", `the log segment ${name} is damaged: ${why}`, { details: { segment: name, ...details } });
}
