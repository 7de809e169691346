// Recovery targets: parsed once from the user's text. All other code works with the value, never with the text.
import { parseDuration, spokenDuration } from "./duration.ts";
import { LifeboatError } from "./errors.ts";
import type { Micros } from "./log.ts";
import { dateOfMicros, microsOf } from "./micros.ts";
import { civilAt, instantsOf } from "./time-zone.ts";

/** The timeline of PostgreSQL's WAL that the target is on; absent: the only one that contains it. */
interface OnTimeline {
  readonly timeline?: number | undefined;
}

export type RecoveryTarget =
  | ({ readonly kind: "latest" } & OnTimeline)
  /** The data as committed up to this instant, and nothing later. */
  | ({ readonly kind: "time"; readonly at: Micros } & OnTimeline)
  /** A log position: the data as committed before it. */
  | ({ readonly kind: "lsn"; readonly lsn: string } & OnTimeline)
  /** A restore point, by name, by id, or by the beginning of its id. */
  | { readonly kind: "point"; readonly name: string };

/** The clock and time zone that words about time are relative to. */
export interface Present {
  readonly now: Date;
  /** The IANA name of the zone for times without a zone. */
  readonly timeZone: string;
}

/** A target for log replay: any target but a restore point. */
export type LogTarget = Exclude<RecoveryTarget, { readonly kind: "point" }>;

export const LATEST: RecoveryTarget = { kind: "latest" };

/** All accepted forms, for messages. */
export const UNDERSTOOD_TARGETS =
  '`latest`; a time such as 2026-11-28T14:25:00Z, "2026-11-28 14:25", 14:25 or "yesterday 14:25"; a time ago such as 5m or "5 minutes ago"; "10m before 14:30"; a log position such as 0/16B3740; each with "on timeline 2" where a failover made two; or a restore point of `lifeboat list`';

const POSITION = /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/i;
const DAY = String.raw`(\d{4})-(\d{2})-(\d{2})`;
const CLOCK = String.raw`(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?`;
const ZONE = String.raw`(?: ?(Z|[+-]\d{2}(?::?\d{2})?))?`;
const FULL = new RegExp(`^${DAY}(?:[T ]${CLOCK}${ZONE})?$`, "i");
const TIME_OF_DAY = new RegExp(`^(?:(today|yesterday) (?:at )?)?${CLOCK}${ZONE}$`, "i");
const TIMELINE = /^(.+) on timeline (\d{1,10})$/i;
/** Words that can only mean a time. */
const MEANS_TIME = /\d:\d|^[-+]|^\d.* (ago|before)\b|^(yesterday|today|tomorrow)\b/i;

/** Parses a recovery target. Throws USAGE for a time that is in the future, that does not exist, that is ambiguous, or that cannot be parsed. */
export function parseRecoveryTarget(text: string, present: Present): RecoveryTarget {
  const words = text.trim().replace(/\s+/g, " ");
  const [, target, timeline] = TIMELINE.exec(words) ?? [];
  if (target !== undefined) return onTimeline(parseRecoveryTarget(target, present), Number(timeline));
  if (words === "latest" || words === "now") return LATEST;
  if (POSITION.test(words)) return { kind: "lsn", lsn: words.toUpperCase() };
  const at = instantIn(words, present);
  if (at === undefined) {
    if (words === "" || MEANS_TIME.test(words)) throw refused(`"${text}" is not understood as a recovery target`);
    return { kind: "point", name: words };
  }
  if (dateOfMicros(at) <= present.now) return { kind: "time", at };
  const said = inWords(understood(at, present));
  const yesterday = /^\d{1,2}:/.test(words) ? `; did you mean "yesterday ${words}"?` : "";
  throw new LifeboatError("USAGE", `"${text}" is in the future: ${said}${yesterday}`, {
    hint: "give a time that has passed, or `latest`",
  });
}

/** The same target, on a timeline of PostgreSQL's WAL. Throws USAGE for a restore point, and for what cannot be a timeline. */
export function onTimeline(target: RecoveryTarget, timeline: number | undefined): RecoveryTarget {
  if (timeline === undefined) return target;
  if (target.kind === "point") throw new LifeboatError("USAGE", "a restore point is on one timeline already");
  if (Number.isInteger(timeline) && timeline >= 1 && timeline <= 0xffffffff) return { ...target, timeline };
  throw refused(`${timeline} is not a valid timeline`);
}

const refused = (message: string): LifeboatError => new LifeboatError("USAGE", message, { hint: `give ${UNDERSTOOD_TARGETS}` });

function instantIn(words: string, present: Present): Micros | undefined {
  const [, lead, anchor] = /^(.+) before (.+)$/i.exec(words) ?? [];
  if (lead !== undefined && anchor !== undefined) {
    const [ms, from] = [spokenDuration(lead), instantIn(anchor, present)];
    return ms === undefined || from === undefined ? undefined : earlier(from, ms);
  }
  return ago(words, present) ?? onDay(words, present) ?? atClock(words, present);
}

function ago(words: string, { now }: Present): Micros | undefined {
  const behind = (ms: number): Micros => earlier(microsOf(now), ms);
  if (/^-\d/.test(words)) return behind(spokenDuration(words.slice(1)) ?? parseDuration(words.slice(1)));
  const spoken = words.replace(/ ago$/i, "");
  // An id that begins like a duration begins with a zero, and no duration does.
  const ms = /^0/.test(words) ? undefined : spokenDuration(spoken);
  return ms === undefined ? undefined : behind(ms);
}

const earlier = (at: Micros, ms: number): Micros =>
  `${new Date(dateOfMicros(at).getTime() - ms).toISOString().slice(0, 23)}${at.slice(23)}`;

function onDay(words: string, present: Present): Micros | undefined {
  const match = FULL.exec(words);
  if (match === null) return undefined;
  const [, year = "", month = "", day = "", hour = "0", minute = "00", second = "00", fraction = "", zone] = match;
  return instantOf(`${year}-${month}-${day}`, { hour, minute, second, fraction, zone }, words, present);
}

/** Parses a time of day. Today is the current day in the zone of the time. */
function atClock(words: string, present: Present): Micros | undefined {
  const match = TIME_OF_DAY.exec(words);
  if (match === null) return undefined;
  const [, day, hour = "", minute = "", second = "00", fraction = "", zone] = match;
  const shown = new Date(
    present.now.getTime() + (zone === undefined ? civilAt(present.now, present.timeZone).offsetMs : offsetOf(zone, words)),
  );
  if (day?.toLowerCase() === "yesterday") shown.setUTCDate(shown.getUTCDate() - 1);
  return instantOf(shown.toISOString().slice(0, 10), { hour, minute, second, fraction, zone }, words, present);
}

interface Clock {
  readonly hour: string;
  readonly minute: string;
  readonly second: string;
  readonly fraction: string;
  readonly zone: string | undefined;
}

function instantOf(day: string, { hour, minute, second, fraction, zone }: Clock, words: string, { timeZone }: Present): Micros {
  const civil = `${day}T${hour.padStart(2, "0")}:${minute}:${second}`;
  const shown = new Date(`${civil}Z`);
  // An invalid day or hour is refused, never carried over into the next.
  if (Number.isNaN(shown.getTime()) || shown.toISOString().slice(0, 19) !== civil)
    throw refused(`"${words}" is not a valid time: there is no ${civil.replace("T", " ")}`);
  const digits = fraction.padEnd(6, "0").slice(0, 6);
  const micros = (at: Date): Micros => `${at.toISOString().slice(0, 20)}${digits}Z`;
  if (zone !== undefined) return micros(new Date(shown.getTime() - offsetOf(zone, words)));
  const [first, second2] = instantsOf(shown, timeZone);
  const local = civil.replace("T", " ");
  if (first === undefined)
    throw new LifeboatError("USAGE", `${local} does not exist in ${timeZone}: the clocks were put forward over it`, {
      hint: "give the time with its offset, such as 2026-11-28T14:25:00Z",
    });
  if (second2 === undefined) return micros(first);
  throw new LifeboatError("USAGE", `${local} happened twice in ${timeZone}: the clocks were put back`, {
    hint: `give ${iso(first)} or ${iso(second2)}`,
  });
}

const iso = (at: Date): string => at.toISOString().replace(".000Z", "Z");

function offsetOf(zone: string, words: string): number {
  if (zone.toUpperCase() === "Z") return 0;
  const [, sign, hours = "", minutes = "00"] = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone) ?? [];
  const total = Number(hours) * 60 + Number(minutes);
  if (Number(minutes) > 59 || total > 14 * 60) throw refused(`"${words}" is not a valid time: no zone is ${zone} off UTC`);
  return total * (sign === "-" ? -60_000 : 60_000);
}

/** An instant as plans and results show it. */
export interface Understood {
  /** ISO 8601, UTC. */
  readonly at: Micros;
  /** ISO 8601 with the offset of the time zone. */
  readonly local: string;
  readonly timeZone: string;
  readonly secondsAgo: number;
}

export function understood(at: Micros, { now, timeZone }: Present): Understood {
  const { shown, offset } = civilAt(dateOfMicros(at), timeZone);
  const secondsAgo = Math.round((now.getTime() - dateOfMicros(at).getTime()) / 1000);
  return { at, local: `${shown.slice(0, 19)}${at.slice(19, -1)}${offset}`, timeZone, secondsAgo };
}

/** `2026-11-28T14:25:00Z (2026-11-28 15:25:00 in Europe/Berlin, 5m ago)`. */
export function inWords({ at, local, timeZone, secondsAgo }: Understood): string {
  const utc = at.replace(/\.?0+Z$/, "Z");
  const zone = `${local.slice(0, 19).replace("T", " ")} in ${timeZone}`;
  return `${utc} (${zone}, ${distance(secondsAgo)})`;
}

function distance(seconds: number): string {
  if (Math.abs(seconds) < 1) return "now";
  const words = spoken(Math.abs(seconds));
  return seconds > 0 ? `${words} ago` : `in ${words}`;
}

/** Formats seconds with two units at most, in whole numbers: `45s`, `5m`, `3h 20m`, `12d 4h`. */
function spoken(seconds: number): string {
  const units = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "m"],
    [1, "s"],
  ] as const;
  const at = units.findIndex(([length]) => seconds >= length);
  const [[large, name] = [1, "s"], small] = [units[at], units[at + 1]];
  const rest = small === undefined ? 0 : Math.floor((seconds % large) / small[0]);
  return `${Math.floor(seconds / large)}${name}${small === undefined || rest === 0 ? "" : ` ${rest}${small[1]}`}`;
}

/** A recovery target as plans and results show it. */
export interface Asked {
  readonly kind: RecoveryTarget["kind"];
  /** `latest`, an instant, a position, or a name. */
  readonly target: string;
  readonly at?: Understood["at"] | undefined;
  readonly local?: string | undefined;
  readonly timeZone?: string | undefined;
  readonly secondsAgo?: number | undefined;
}

export function askedOf(target: RecoveryTarget, present: Present): Asked {
  const told = target.kind === "time" ? understood(target.at, present) : {};
  return { kind: target.kind, target: targetInWords(target), ...told };
}

export function askedInWords({ target, at, local, timeZone, secondsAgo }: Asked): string {
  if (at === undefined || local === undefined || timeZone === undefined || secondsAgo === undefined) return target;
  return inWords({ at, local, timeZone, secondsAgo });
}

/** Describes the target in a few words, for messages, evidence and log lines. */
export function targetInWords(target: RecoveryTarget): string {
  if (target.kind === "point") return target.name;
  const words = target.kind === "latest" ? "latest" : target.kind === "time" ? target.at : target.lsn;
  return target.timeline === undefined ? words : `${words} on timeline ${target.timeline}`;
}
