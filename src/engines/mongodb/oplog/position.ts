// Positions in the oplog, and names of its segments.
//
// A position is MongoDB's timestamp, written as the log ports write positions: seconds and increment in hexadecimal, `6920A1F3/1`.
// Timestamps have gaps, so "the next position" is simply the next increment: no position is between.
import { LifeboatError } from "../../../core/errors.ts";
import { formatLsn, parseLsn } from "../../../core/lsn.ts";

/** A timestamp as one number: seconds in the upper 32 bits, increment in the lower. */
export type Stamp = bigint;

/** The oplog is read with majority concern: what was read is never rolled back, and there is only one history. */
export const TIMELINE = 1;

export const stampOf = (position: string): Stamp => parseLsn(position);
export const positionOf = (stamp: Stamp): string => formatLsn(stamp);

/** The position right after an entry's own. */
export const after = (stamp: Stamp): Stamp => stamp + 1n;

const hex = (value: bigint, digits: number): string => value.toString(16).toUpperCase().padStart(digits, "0");

/** Timeline and first position that it covers: `00000001` and 16 digits. */
export const segmentName = (start: Stamp): string => `${hex(BigInt(TIMELINE), 8)}${hex(start, 16)}`;

const NAME = /^00000001[0-9A-F]{16}$/;

export const logFileKind = (name: string): "segment" | undefined => (NAME.test(name) ? "segment" : undefined);

/** The first position that a segment covers, from its name. */
export function startOfSegment(name: string): string {
  if (!NAME.test(name)) throw new LifeboatError("USAGE", `${JSON.stringify(name)} is not the name of a segment of the oplog`);
  return positionOf(BigInt(`0x${name.slice(8)}`));
}
