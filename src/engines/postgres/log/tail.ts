// What one segment hands on to the next: where its last record began and ended, and the record that runs on. Small and JSON-able,
// for records of any length; opaque outside of this folder.
import { isLifeboatError } from "../../../core/errors.ts";
import type { SegmentFacts } from "../../../core/log.ts";
import { formatLsn, parseLsn } from "../../../core/lsn.ts";
import { HEAD_BYTES } from "./transaction-time.ts";
import type { WalkEnd, WalkStart } from "./walk.ts";

interface Tail {
  /** Where the last complete record began. */
  readonly last: string;
  readonly open?: {
    readonly lsn: string;
    readonly totalBytes: number;
    readonly seenBytes: number;
    readonly crc: number;
    /** First bytes, hexadecimal. */
    readonly head: string;
  };
}

/** Undefined when nothing can be linked to it: no record is known to have ended before it, or the open one was not seen from its begin. */
export function tailOf(end: WalkEnd, start: bigint): Tail | undefined {
  if (Number.isNaN(end.last) || end.open === "unknown") return undefined;
  const last = formatLsn(start + BigInt(end.last));
  if (end.open === undefined) return { last };
  const { at, totalBytes, seenBytes, crc, head } = end.open;
  const open = { lsn: formatLsn(start + BigInt(at)), totalBytes, seenBytes, crc, head: Buffer.from(head).toString("hex") };
  return { last, open };
}

/** Where to take up the records of the segment that begins at `start`; undefined: the one before does not lead there. */
export function startAfter(before: SegmentFacts, start: bigint): WalkStart | undefined {
  if (before.partial) return undefined;
  // It comes from a file that an attacker may have changed: a value that `tailOf` did not make links to nothing.
  try {
    return readTail(before.tail as Tail, before.endLsn, start);
  } catch (error) {
    if (error instanceof TypeError || isLifeboatError(error, "USAGE")) return undefined;
    throw error;
  }
}

function readTail(tail: Tail, endLsn: string, start: bigint): WalkStart | undefined {
  const offset = (lsn: string): number => Number(parseLsn(lsn) - start);
  const from = { last: offset(tail.last), end: offset(endLsn) };
  if (tail.open === undefined) return { ...from, open: undefined };
  const { lsn, totalBytes, seenBytes, crc } = tail.open;
  if (![totalBytes, seenBytes, crc].every(Number.isSafeInteger) || seenBytes >= totalBytes) return undefined;
  const head = new Uint8Array(HEAD_BYTES);
  head.set(Buffer.from(tail.open.head, "hex").subarray(0, HEAD_BYTES));
  return { ...from, open: { at: offset(lsn), totalBytes, seenBytes, crc, head } };
}
