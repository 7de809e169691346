// Cron expressions as pure questions: which slots lie before, after or between instants. Always UTC, so no day is 23 or 25 hours long.
import { Cron } from "croner";
import { LifeboatError } from "./errors.ts";

const HINT =
  'write five fields, minute hour day month weekday, in UTC: "0 2 * * *" is daily at 02:00, "0 6 * * 0#1" the first Sunday at 06:00';

/** Parsed expressions; a configuration has a handful. Only the schedule is used: no clock, no timer. */
const parsed = new Map<string, Cron>();

function parse(expr: string): Cron {
  const known = parsed.get(expr);
  if (known !== undefined) return known;
  const cron = parseNew(expr);
  parsed.set(expr, cron);
  return cron;
}

function parseNew(expr: string): Cron {
  // A "?" means the moment of parsing, and the library would read a date as a schedule of one run.
  if (expr.includes("?")) throw invalid(expr, '"?" has no meaning here');
  if (!expr.startsWith("@") && expr.trim().split(/\s+/).length !== 5) throw invalid(expr, "five fields are needed");
  let cron: Cron;
  try {
    cron = new Cron(expr, { mode: "5-part", utcOffset: 0 });
  } catch (cause) {
    throw invalid(expr, cause instanceof Error ? cause.message.replace(/^CronPattern: /, "") : String(cause), cause);
  }
  if (cron.nextRun(new Date(0)) === null) throw invalid(expr, "no such day ever comes");
  return cron;
}

const invalid = (expr: string, why: string, cause?: unknown): LifeboatError =>
  new LifeboatError("USAGE", `"${expr}" is not a schedule: ${why}`, { cause, hint: HINT });

/** The expression itself when it has slots. Else USAGE, saying why. */
export function validateCron(expr: string): string {
  parse(expr);
  return expr;
}

/** The earliest slot after the instant; a slot at the instant itself does not count. */
export function nextSlot(expr: string, at: Date): Date | undefined {
  return parse(expr).nextRun(at) ?? undefined;
}

/** The latest slot at or before the instant. */
export function previousSlot(expr: string, at: Date): Date | undefined {
  return parse(expr).previousRuns(1, new Date(at.getTime() + 1))[0];
}

/** Every slot after `from` and up to `to`, in order: consecutive windows share none and miss none. */
export function slotsBetween(expr: string, from: Date, to: Date): Date[] {
  const slots: Date[] = [];
  for (let slot = nextSlot(expr, from); slot !== undefined && slot <= to; slot = nextSlot(expr, slot)) slots.push(slot);
  return slots;
}
