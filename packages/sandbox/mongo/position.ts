// Positions in time: seconds and an increment in one number, so that versions are compared without an allocation.
import { Timestamp } from "bson";

/** Increments of one second; a busier second runs on into the next. 31 + 20 bits fit into a number exactly. */
const PER_SECOND = 2 ** 20;

export type Position = number;

export interface Instant {
  readonly t: number;
  readonly i: number;
}

/** Later than every position: the present. */
export const LATEST: Position = Number.MAX_VALUE;
/** Of uncommitted writes of a transaction: only a read at this position sees them. */
export const PENDING: Position = Number.POSITIVE_INFINITY;

export const positionAt = (t: number, i: number): Position => t * PER_SECOND + Math.min(i, PER_SECOND - 1);
export const secondsOf = (position: Position): number => Math.floor(position / PER_SECOND);
export const instantOf = (position: Position): Instant => ({ t: secondsOf(position), i: position % PER_SECOND });
export const timestampOf = (position: Position): Timestamp => new Timestamp(instantOf(position));
export const positionOf = (timestamp: Timestamp): Position => positionAt(timestamp.getHighBitsUnsigned(), timestamp.getLowBitsUnsigned());
