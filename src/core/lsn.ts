// Positions in the log and names of its segments, as PostgreSQL writes them: `16/B374D848`, `000000010000001600000002`.
import { LifeboatError } from "./errors.ts";

/** The position as a number of bytes since the log began. What is no position: USAGE. */
export function parseLsn(text: string): bigint {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match === null) throw new LifeboatError("USAGE", `"${text}" is no position in the log (an LSN as 16/B374D848)`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

export const formatLsn = (position: bigint): string =>
  `${(position >> 32n).toString(16)}/${(position & 0xffffffffn).toString(16)}`.toUpperCase();

/** Negative when `a` comes first; positions written with and without leading zeros are equal. */
export function compareLsn(a: string, b: string): number {
  if (a === b) return 0;
  const [left, right] = [parseLsn(a), parseLsn(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

export const maxLsn = (a: string, b: string): string => (compareLsn(a, b) >= 0 ? a : b);

const hex8 = (value: bigint): string => value.toString(16).toUpperCase().padStart(8, "0");

/** Name of the segment of that timeline that holds the byte at the position. */
export function segmentNameAt(timeline: number, position: bigint, segmentBytes: number): string {
  const number = position / BigInt(segmentBytes);
  const perLog = 0x1_0000_0000n / BigInt(segmentBytes);
  return `${hex8(BigInt(timeline))}${hex8(number / perLog)}${hex8(number % perLog)}`;
}

/** Name of a history file. */
export const historyName = (timeline: number): string => `${hex8(BigInt(timeline))}.history`;

/** Timelines before one, oldest first, each with the position at which it was left. */
export type TimelineHistory = readonly { readonly timeline: number; readonly switchedAt: string }[];

/** The timeline that the byte at the position belongs to, on the way to `last` whose history is given. */
export function timelineAt(history: TimelineHistory, last: number, position: bigint): number {
  for (const { timeline, switchedAt } of history) if (position < parseLsn(switchedAt)) return timeline;
  return last;
}
