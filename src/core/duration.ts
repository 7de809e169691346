// Durations, sizes and rates: parsed from, and formatted for, people.
import { LifeboatError } from "./errors.ts";

const MS = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  // Calendar-free, so that "1y" has the same length from any start. A month is 30 days, a year 365.
  mo: 30 * 86_400_000,
  y: 365 * 86_400_000,
} as const;

type Unit = keyof typeof MS;

/** Longest first, the order in which a compound duration is written. */
const UNITS: readonly Unit[] = ["y", "mo", "w", "d", "h", "m", "s"];

/** Durations of this length and above are refused, so that an instant still fits a Date after one is added. */
const LONGEST_MS = 1000 * MS.y;

/** The spellings of each unit. */
const ALIASES: Readonly<Record<Unit, readonly string[]>> = {
  y: ["year", "years", "yr", "yrs"],
  mo: ["month", "months", "mon", "mth", "mths"],
  w: ["week", "weeks", "wk", "wks"],
  d: ["day", "days"],
  h: ["hour", "hours", "hr", "hrs"],
  m: ["minute", "minutes", "min", "mins"],
  s: ["second", "seconds", "sec", "secs"],
};

/** How long to keep a restore point: milliseconds, or forever. */
export type Keep = number | "forever";

/**
 * Parses `30s`, `15m`, `1h`, `7d`, `2w`, `3mo`, `1y`, or a compound such as `1h30m`, into milliseconds. Numbers are whole, the longest
 * unit comes first, and each unit occurs once. d = 24 h, w = 7 d, mo = 30 d, y = 365 d. Throws USAGE with the likely intent otherwise.
 */
export function parseDuration(text: string): number {
  const compact = text.trim().replace(/\s+(?=\d)/g, "");
  const parts = /^(?:\d+(?:mo|[smhdwy]))+$/.test(compact) ? [...compact.matchAll(/(\d+)(mo|[smhdwy])/g)] : [];
  if (parts.length === 0) throw wrong(text, likely(text));
  let totalMs = 0;
  let lastUnit = -1;
  for (const [, digits, unit] of parts) {
    const place = UNITS.indexOf(unit as Unit);
    if (place <= lastUnit) throw wrong(text, inOrder(parts));
    lastUnit = place;
    totalMs += Number(digits) * MS[unit as Unit];
  }
  if (totalMs >= LONGEST_MS) throw wrong(text, undefined, `"${text}" is 1000 years or more`);
  return totalMs;
}

/** Parses a duration in words: `5m`, `1h 30m`, `5 minutes`, `an hour`, `1 hour and 30 minutes`. Returns undefined for anything else. */
export function spokenDuration(text: string): number | undefined {
  const words = text.trim().replace(/^an? (?=[a-z])/i, "1 ");
  if (!/^\d+ ?[a-z]+(?:(?:,? and |, ?| )?\d+ ?[a-z]+)*$/i.test(words)) return undefined;
  const parts = [...words.matchAll(/(\d+) ?([a-z]+)/gi)].map(([, count, word = ""]) => ({ count, units: unitsMeant(word) }));
  if (parts.some(({ units }) => units.length !== 1)) return undefined;
  try {
    return parseDuration(parts.map(({ count, units }) => `${count}${units[0]}`).join(""));
  } catch {
    return undefined; // units out of order, or too long
  }
}

/** Parses how long to keep a restore point: a duration above zero, or `forever`. Throws USAGE. */
export function parseKeep(text: string): Keep {
  const word = text.trim();
  if (word === "forever") return "forever";
  if (/^(for ?ever|always|never|infinite|unlimited|∞)$/i.test(word)) throw wrong(text, "forever");
  const ms = parseDuration(text);
  if (ms === 0) throw wrong(text, undefined, `keeping for "${text}" would keep nothing`);
  return ms;
}

function wrong(text: string, meant: string | undefined, what = `"${text}" is not a duration`): LifeboatError {
  const hint = "write a whole number and a unit: 30s, 15m, 12h, 7d, 2w, 3mo, 1y, or several as 1h30m";
  return new LifeboatError("USAGE", meant === undefined ? what : `${what}; did you mean ${meant}?`, { hint });
}

/** Guesses the intended duration, as text that parses. Returns undefined when there is no likely one. */
function likely(text: string): string | undefined {
  const match = /^\s*(\d+)(?:[.,](\d+))?\s*([A-Za-z]*)\s*$/.exec(text);
  if (match === null) return undefined;
  const [, whole = "", fraction, word = ""] = match;
  const units = unitsMeant(word);
  if (fraction === undefined) return orList(units.map((unit) => whole + unit));
  const [unit] = units;
  const seconds = unit === undefined ? 0 : (Number(`${whole}.${fraction}`) * MS[unit]) / MS.s;
  const exact = seconds >= 1 && Math.abs(seconds - Math.round(seconds)) < 1e-6;
  return units.length === 1 && exact ? compound(Math.round(seconds) * MS.s) : undefined;
}

function unitsMeant(word: string): readonly Unit[] {
  if (word === "") return ["s", "m", "h", "d"];
  if (word === "M") return ["m", "mo"];
  const lower = word.toLowerCase();
  return UNITS.filter((unit) => unit === lower || ALIASES[unit].includes(lower));
}

const orList = (words: readonly string[]): string | undefined =>
  words.length < 2 ? words[0] : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;

/** Returns the units longest first, when none occurs twice. */
function inOrder(parts: readonly RegExpExecArray[]): string | undefined {
  const units = parts.map((part) => part[2] as Unit);
  if (new Set(units).size < units.length) return undefined;
  return parts
    .toSorted((a, b) => UNITS.indexOf(a[2] as Unit) - UNITS.indexOf(b[2] as Unit))
    .map((part) => part[0])
    .join("");
}

function compound(ms: number): string {
  let restMs = ms;
  let text = "";
  for (const unit of ["d", "h", "m", "s"] as const) {
    const count = Math.floor(restMs / MS[unit]);
    if (count > 0) text += `${count}${unit}`;
    restMs -= count * MS[unit];
  }
  return text;
}

/** The pairs of units that a duration is shown in, shortest first: length of the smaller unit, how many make the larger, end of the range. */
const PAIRS = [
  { large: "m", small: "s", smallMs: MS.s, per: 60, below: 3600 },
  { large: "h", small: "m", smallMs: MS.m, per: 60, below: 1440 },
  { large: "d", small: "h", smallMs: MS.h, per: 24, below: Number.POSITIVE_INFINITY },
] as const;

/** Formats milliseconds with two units at most: `350 ms`, `4.2 s`, `2m 05s`, `1h 30m`, `3d 4h`, `30d`. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return "unknown";
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
  const tenths = Math.round(ms / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  for (const { large, small, smallMs, per, below } of PAIRS) {
    const count = Math.round(ms / smallMs); // rounded first, so that 59m 59.9s becomes 1h and never 60m
    if (count >= below) continue;
    const rest = `${count % per}`.padStart(small === "h" ? 1 : 2, "0");
    return `${Math.floor(count / per)}${large}${count % per === 0 ? "" : ` ${rest}${small}`}`;
  }
  return "unknown";
}

const SIZES = ["B", "kB", "MB", "GB", "TB", "PB", "EB"] as const;

/** Formats bytes in powers of 1000, as storage services bill them: `512 B`, `1.2 GB`, `340 MB`. */
export function formatBytes(sizeBytes: number): string {
  if (!Number.isFinite(sizeBytes)) return "unknown";
  if (sizeBytes < 0) return `-${formatBytes(-sizeBytes)}`;
  let value = Math.round(sizeBytes);
  let place = 0;
  // 999 500 rounds to 1000 kB, so it is shown in the next unit.
  while (place < SIZES.length - 1 && value >= 999.5) {
    value /= 1000;
    place++;
  }
  const digits = place === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${SIZES[place]}`;
}

/** Formats a rate: `148 MB/s`, or `unknown` before any time has passed. */
export function formatRate(sizeBytes: number, durationMs: number): string {
  const perSecond = (sizeBytes * 1000) / durationMs;
  return durationMs > 0 && Number.isFinite(perSecond) ? `${formatBytes(perSecond)}/s` : "unknown";
}

/** Formats an instant for a sentence, to the minute: `2026-11-21 02:00 UTC`. */
export function formatInstant(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
