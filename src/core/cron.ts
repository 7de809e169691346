// Cron expressions: the slots before, after and between instants. In UTC, where no day is 23 or 25 hours long, unless the expression
// names a time zone as its last word. There, a local time that is left out has its slot at the end of the gap, and one that comes twice
// has one slot.
import { Cron } from "croner";
import { LifeboatError } from "./errors.ts";
import { isTimeZone } from "./time-zone.ts";

const HINT =
  'write five fields, minute hour day month weekday, in UTC: "0 2 * * *" is daily at 02:00, "0 6 * * 0#1" the first Sunday at 06:00; a time zone can follow';

/** Parsed expressions; a configuration has a handful. Only the schedule is used, without a clock or timer. */
const parsed = new Map<string, Cron>();

function parse(expr: string): Cron {
  const known = parsed.get(expr);
  if (known !== undefined) return known;
  const cron = parseNew(expr);
  parsed.set(expr, cron);
  return cron;
}

function parseNew(expr: string): Cron {
  // The library reads "?" as the moment of parsing, and a date as a schedule with one run.
  if (expr.includes("?")) throw invalid(expr, '"?" has no meaning here');
  const { fields, timeZone } = partsOf(expr);
  if (!expr.startsWith("@") && fields.split(/\s+/).length !== 5) throw invalid(expr, "five fields are required");
  if (timeZone !== undefined && !isTimeZone(timeZone)) throw invalid(expr, `"${timeZone}" is not a time zone`);
  let cron: Cron;
  try {
    cron = new Cron(fields, { mode: "5-part", ...(timeZone === undefined ? { utcOffset: 0 } : { timezone: timeZone }) });
  } catch (cause) {
    throw invalid(expr, cause instanceof Error ? cause.message.replace(/^CronPattern: /, "") : String(cause), cause);
  }
  if (cron.nextRun(new Date(0)) === null) throw invalid(expr, "no such day ever comes");
  return cron;
}

/** Splits the time zone from the end. */
function partsOf(expr: string): { readonly fields: string; readonly timeZone?: string | undefined } {
  const words = expr.trim().split(/\s+/);
  const last = expr.trim().startsWith("@") ? 1 : 5;
  if (words.length !== last + 1 || !/^[A-Z][A-Za-z]/.test(words[last] ?? "")) return { fields: expr };
  return { fields: words.slice(0, last).join(" "), timeZone: words[last] };
}

/** Returns the expression in the time zone, unless it names one. */
export function inTimeZone(expr: string, timeZone: string | undefined): string {
  return timeZone === undefined || partsOf(expr).timeZone !== undefined ? expr : `${expr.trim()} ${timeZone}`;
}

const invalid = (expr: string, why: string, cause?: unknown): LifeboatError =>
  new LifeboatError("USAGE", `"${expr}" is not a schedule: ${why}`, { cause, hint: HINT });

/** Returns the expression when it has slots. Throws USAGE with the reason otherwise. */
export function validateCron(expr: string): string {
  parse(expr);
  return expr;
}

/** Returns the earliest slot after the instant. A slot at the instant itself does not count. */
export function nextSlot(expr: string, at: Date): Date | undefined {
  return parse(expr).nextRun(at) ?? undefined;
}

/** Returns the latest slot at or before the instant. */
export function previousSlot(expr: string, at: Date): Date | undefined {
  return parse(expr).previousRuns(1, new Date(at.getTime() + 1))[0];
}

/** Yields every slot after `from` and up to `to`, in order. Consecutive intervals share no slot and miss none. */
export function slotsBetween(expr: string, from: Date, to: Date): Date[] {
  const slots: Date[] = [];
  for (let slot = nextSlot(expr, from); slot !== undefined && slot <= to; slot = nextSlot(expr, slot)) slots.push(slot);
  return slots;
}
