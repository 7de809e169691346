// Instants to the microsecond, the precision of PostgreSQL's commit timestamps, as text that compares as text. A Date has milliseconds only.
import type { Micros } from "./log.ts";

/** Converts a Date; its microseconds are zero. */
export const microsOf = (at: Date): Micros => at.toISOString().replace("Z", "000Z");

/** Returns the Date at or just before the instant. */
export const dateOfMicros = (at: Micros): Date => new Date(`${at.slice(0, 23)}Z`);

export const maxMicros = (a: Micros | undefined, b: Micros | undefined): Micros | undefined =>
  a === undefined ? b : b === undefined || a >= b ? a : b;
