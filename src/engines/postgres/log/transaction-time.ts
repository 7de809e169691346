// The time that a record is stamped with, where replay may stop by time: commits and aborts, also of prepared transactions.
// (PREPARE itself and restore points carry times too, but PostgreSQL does not stop before them: recoveryStopsBefore in xlogrecovery.c.)
import { microsFromHalves } from "./micros.ts";

/** Head of a record that the time can be read from: 24 bytes of header, at most 13 before the data, the data's first 8. */
export const HEAD_BYTES = 48;

const RESOURCE_TRANSACTION = 1;
const OPERATION_MASK = 0x70;
/** COMMIT, ABORT, COMMIT_PREPARED, ABORT_PREPARED. */
const STAMPED = new Set([0x00, 0x20, 0x30, 0x40]);
/** COMMIT, COMMIT_PREPARED. */
const COMMITS = new Set([0x00, 0x30]);

const DATA_SHORT = 255;
const DATA_LONG = 254;
const ORIGIN = 253;
const TOP_LEVEL_TRANSACTION = 252;

/** Whether a record of this kind ends a transaction. */
export function endsTransaction(resourceManager: number, info: number): boolean {
  return resourceManager === RESOURCE_TRANSACTION && STAMPED.has(info & OPERATION_MASK);
}

export function commitsTransaction(resourceManager: number, info: number): boolean {
  return resourceManager === RESOURCE_TRANSACTION && COMMITS.has(info & OPERATION_MASK);
}

/**
 * Microseconds since 1970 of a transaction's end, from its record's first bytes. NaN when they are not laid out as such a record
 * is: it never refers to blocks, so its data follows the short headers directly.
 */
export function transactionTime(bytes: Uint8Array, recordAt: number): number {
  let at = recordAt + 24;
  for (;;) {
    const id = bytes[at];
    if (id === ORIGIN) at += 3;
    else if (id === TOP_LEVEL_TRANSACTION) at += 5;
    else if (id === DATA_SHORT) return (bytes[at + 1] as number) < 8 ? Number.NaN : timeAt(bytes, at + 2);
    else if (id === DATA_LONG) return timeAt(bytes, at + 5);
    else return Number.NaN;
    if (at > recordAt + 32) return Number.NaN;
  }
}

function timeAt(bytes: Uint8Array, at: number): number {
  return microsFromHalves(halfAt(bytes, at), halfAt(bytes, at + 4));
}

function halfAt(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return a | (b << 8) | (c << 16) | (d << 24);
}
