// Commit times: microseconds since 2000-01-01 in the log, ISO text with six digits everywhere else.
// Whole microseconds since 1970 stay below 2^53 until the year 2255, so a plain number holds them exactly.
import { LifeboatError } from "../../../core/errors.ts";
import type { Micros } from "../../../core/log.ts";

/** Microseconds from 1970-01-01 to 2000-01-01. */
const POSTGRES_EPOCH = 946_684_800_000_000;
const TWO_32 = 4_294_967_296;
const FORM = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{3})(\d{3})Z$/;

/** Microseconds since 1970 from the two halves of the log's signed integer. NaN when they cannot be held exactly. */
export function microsFromHalves(low: number, high: number): number {
  const micros = (high | 0) * TWO_32 + (low >>> 0) + POSTGRES_EPOCH;
  return Number.isSafeInteger(micros) ? micros : Number.NaN;
}

export function formatMicros(micros: number): Micros {
  const ms = Math.floor(micros / 1000);
  const rest = micros - ms * 1000;
  return new Date(ms).toISOString().replace("Z", `${String(rest).padStart(3, "0")}Z`);
}

/** Throws USAGE for anything but the one form. */
export function parseMicros(text: Micros): number {
  const match = FORM.exec(text);
  const ms = match ? Date.parse(`${match[1]}.${match[2]}Z`) : Number.NaN;
  if (!match || Number.isNaN(ms)) throw new LifeboatError("USAGE", `${JSON.stringify(text)} is not an instant with six digits of a second`);
  return ms * 1000 + Number(match[3]);
}
