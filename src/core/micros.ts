// Instants to the microsecond, as PostgreSQL stamps commits: text that compares as text. A Date knows milliseconds only.
import type { Micros } from "./log.ts";

/** The instant of a Date; its microseconds are zero. */
export const microsOf = (at: Date): Micros => at.toISOString().replace("Z", "000Z");

/** The Date at or just before the instant. */
export const dateOfMicros = (at: Micros): Date => new Date(`${at.slice(0, 23)}Z`);

/**
 * An ISO 8601 instant with up to six digits after the second, UTC unless it says otherwise; undefined when it is none.
 * More digits are cut off, as PostgreSQL's own clock would.
 */
export function parseMicros(text: string): Micros | undefined {
  const match = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d+))?)?\s?(Z|[+-]\d{2}:?\d{2})?)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, day, minute = "00:00", second = "00", fraction = "", zone = "Z"] = match;
  const at = new Date(`${day}T${minute}:${second}${zone.toUpperCase()}`);
  if (Number.isNaN(at.getTime())) return undefined;
  return `${at.toISOString().slice(0, 20)}${fraction.padEnd(6, "0").slice(0, 6)}Z`;
}

export const maxMicros = (a: Micros | undefined, b: Micros | undefined): Micros | undefined =>
  a === undefined ? b : b === undefined || a >= b ? a : b;
