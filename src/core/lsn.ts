// Log positions and segment names in PostgreSQL's notation: `16/B374D848`, `000000010000001600000002`.
import { LifeboatError } from "./errors.ts";

/** Returns the position in bytes since the log began. Throws USAGE for an invalid position. */
export function parseLsn(text: string): bigint {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match === null) throw new LifeboatError("USAGE", `"${text}" is not a valid log position (an LSN such as 16/B374D848)`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

export const formatLsn = (position: bigint): string =>
  `${(position >> 32n).toString(16)}/${(position & 0xffffffffn).toString(16)}`.toUpperCase();

/** Compares two positions, ignoring leading zeros. Negative when `a` comes first. */
export function compareLsn(a: string, b: string): number {
  if (a === b) return 0;
  const [left, right] = [parseLsn(a), parseLsn(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

export const maxLsn = (a: string, b: string): string => (compareLsn(a, b) >= 0 ? a : b);

const hex8 = (value: bigint): string => value.toString(16).toUpperCase().padStart(8, "0");

/** Returns the name of the segment of the timeline that holds the byte at the position. */
export function segmentNameAt(timeline: number, position: bigint, segmentBytes: number): string {
  const number = position / BigInt(segmentBytes);
  const perLog = 0x1_0000_0000n / BigInt(segmentBytes);
  return `${hex8(BigInt(timeline))}${hex8(number / perLog)}${hex8(number % perLog)}`;
}

/** Returns the name of a history file. */
export const historyName = (timeline: number): string => `${hex8(BigInt(timeline))}.history`;

/** The ancestors of a timeline, oldest first, each with the position at which it was left. */
export type TimelineHistory = readonly { readonly timeline: number; readonly switchedAt: string }[];

/** Returns the timeline of the byte at the position, among `last` and its ancestors in the history. */
export function timelineAt(history: TimelineHistory, last: number, position: bigint): number {
  for (const { timeline, switchedAt } of history) if (position < parseLsn(switchedAt)) return timeline;
  return last;
}
