// A segment's bytes made ready to be followed: its first page read, its name held against it, its place after another one found.
import { LifeboatError } from "../../../core/errors.ts";
import type { CommitMark, SegmentFacts } from "../../../core/log.ts";
import { formatLsn, parseLsn } from "../../../core/lsn.ts";
import { formatMicros } from "./micros.ts";
import { isSegmentSize, parseSegmentName, type SegmentName, segmentStart } from "./names.ts";
import { magicOf, readSegmentHeader, type SegmentHeader } from "./page.ts";
import { startAfter } from "./tail.ts";
import { type Visit, Walk, type WalkEnd } from "./walk.ts";

export interface OpenSegment {
  readonly given: SegmentName;
  readonly header: SegmentHeader;
  /** Throws INTEGRITY at damage, unless the segment may end anywhere. */
  walk(visit: Visit): WalkEnd;
  lsn(offset: number): string;
  offset(lsn: string): number;
  mark(at: number, previousEnd: number, micros: number): CommitMark;
}

/** Positions of its walk are offsets from the start of the segment. Throws INTEGRITY, or USAGE for a name that is none. */
export function openSegment(name: string, bytes: Uint8Array, before: SegmentFacts | undefined): OpenSegment {
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
