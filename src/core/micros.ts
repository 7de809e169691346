// Instants to the microsecond, as PostgreSQL stamps commits: text that compares as text. A Date knows milliseconds only.
import type { Micros } from "./log.ts";

/** The instant of a Date; its microseconds are zero. */
export const microsOf = (at: Date): Micros => at.toISOString().replace("Z", "000Z");

/** The Date at or just before the instant. */
export const dateOfMicros = (at: Micros): Date => new Date(`${at.slice(0, 23)}Z`);

export const maxMicros = (a: Micros | undefined, b: Micros | undefined): Micros | undefined =>
  a === undefined ? b : b === undefined || a >= b ? a : b;
