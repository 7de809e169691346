// Reads log segments: what a segment holds, whether it follows another one, and where in it an instant or a position lies.
import type { CommitMark, LogChange, Micros, SegmentFacts } from "../../../core/log.ts";
import { compareLsn, formatLsn } from "../../../core/lsn.ts";
import { CLOSES, ERASES, PLACES } from "./database-effects.ts";
import { readHistory } from "./history.ts";
import { formatMicros, parseMicros } from "./micros.ts";
import { logFileKind, segmentNames } from "./names.ts";
import { openSegment } from "./open-segment.ts";
import { tailOf } from "./tail.ts";

export { compareLsn, logFileKind, readHistory, segmentNames };

/**
 * Follows every record of a segment, checksums included. A record belongs to the segment in which it ends. A `name` that ends in
 * `.partial` says that the segment may end before its file does: the first unreadable byte is then its end. In any other, it is
 * INTEGRITY. `before`: facts of the segment before it; with them `linked` says whether the records run on from exactly there.
 * Without them, or not linked, a record that runs into the segment is passed over, and not counted.
 */
export function readSegment(name: string, bytes: Uint8Array, before?: SegmentFacts): { facts: SegmentFacts; linked: boolean } {
  const segment = openSegment(name, bytes, before);
  let first: [number, number, number] | undefined;
  let last: [number, number, number] | undefined;
  let greatest = Number.NEGATIVE_INFINITY;
  let placesAt: number | undefined;
  const end = segment.walk((at, previousEnd, micros, effect) => {
    if (effect === PLACES) placesAt = at;
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
    ...(placesAt === undefined ? {} : { placesAt: segment.lsn(placesAt) }),
    ...(given.partial ? {} : { tail: tailOf(end, header.start) }),
  };
  return { facts, linked: end.linked };
}

/**
 * Where replay to the instant stops: before the first commit or abort record stamped later, among those that end in the segment and
 * begin at or after `from`; or already before a DROP DATABASE that no transaction of the instant's past comes after, because its replay
 * removes the files at once, and its transaction ends later. INTEGRITY as for `readSegment`, as far as it had to read.
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
  let closing: readonly [at: number, previousEnd: number] | undefined;
  let erasing: readonly [at: number, previousEnd: number] | undefined;
  let found: CommitMark | undefined;
  segment.walk((begin, previousEnd, micros, effect) => {
    if (begin < earliest) return false;
    if (effect === CLOSES || effect === ERASES) closing ??= [begin, previousEnd];
    if (effect === ERASES) erasing ??= closing;
    if (micros <= instant) {
      closing = undefined;
      erasing = undefined;
    }
    if (!(micros > instant)) return false;
    found = segment.mark(...(erasing ?? ([begin, previousEnd] as const)), micros);
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

/** Whether a tablespace is created by a record that begins at or after `from`, and before `to` where that is given. Damage ends the search. */
export function createsTablespace(name: string, bytes: Uint8Array, from: string, to?: string): boolean {
  const segment = openSegment(`${name}.partial`, bytes, undefined);
  const [earliest, end] = [segment.offset(from), to === undefined ? Number.POSITIVE_INFINITY : segment.offset(to)];
  let found = false;
  segment.walk((begin, _previousEnd, _micros, effect) => {
    found = effect === PLACES && begin >= earliest && begin < end;
    return found || begin >= end;
  });
  return found;
}

/** The ends of transactions in the segment, in log order. */
export function changesIn(name: string, bytes: Uint8Array, before: SegmentFacts | undefined): LogChange[] {
  const segment = openSegment(name, bytes, before);
  const found: { at: number; end: number; micros: number; xid: number; commits: boolean }[] = [];
  let open: (typeof found)[number] | undefined;
  const { end } = segment.walk((at, previousEnd, micros, _effect, xid, commits) => {
    if (open !== undefined) open.end = previousEnd;
    open = Number.isNaN(micros) ? undefined : { at, end: at, micros, xid, commits };
    if (open !== undefined) found.push(open);
    return false;
  });
  if (open !== undefined) open.end = end;
  return found.map(({ at, end: until, micros, xid, commits }) => ({
    lsn: segment.lsn(at),
    end: segment.lsn(until),
    at: formatMicros(micros),
    id: xid === 0 ? undefined : `transaction ${xid}`,
    changes: commits,
  }));
}
