// Which notification channels receive an alert: by its source and severity, and by the hour.
import { LifeboatError } from "./errors.ts";
import { civilAt } from "./time-zone.ts";

/** Most urgent first. */
export const SEVERITIES = ["critical", "warning", "info"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** A time of every day, in minutes after midnight; `from` after `to` spans midnight. */
export interface QuietHours {
  readonly fromMinutes: number;
  readonly toMinutes: number;
}

/** The alerts that a channel receives. */
export interface Route {
  /** Empty: all. */
  readonly sources: readonly string[];
  /** Empty: all. */
  readonly severities: readonly Severity[];
  /** When alerts that are not critical wait. */
  readonly quiet?: QuietHours | undefined;
}

/** The facts of an alert that decide its route. */
export interface Routed {
  /** Null: the alert is about the repository or the machine. */
  readonly source: string | null;
  readonly severity: Severity;
}

/** Parses `22:00-07:00`. Throws USAGE. */
export function parseQuietHours(text: string): QuietHours {
  const [, fromHour, fromMinute, toHour, toMinute] = /^(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$/.exec(text.trim()) ?? [];
  const fromMinutes = minutesOf(fromHour, fromMinute);
  const toMinutes = minutesOf(toHour, toMinute);
  if (fromMinutes === undefined || toMinutes === undefined || fromMinutes === toMinutes)
    throw new LifeboatError("USAGE", `"${text}" is not a time of day; write 22:00-07:00`);
  return { fromMinutes, toMinutes };
}

function minutesOf(hour = "", minute = ""): number | undefined {
  const [hours, minutes] = [Number(hour), Number(minute)];
  return hour === "" || hours > 23 || minutes > 59 ? undefined : hours * 60 + minutes;
}

/** Tells whether the instant is within the quiet hours of the zone. The end is not. */
export function isQuiet({ fromMinutes, toMinutes }: QuietHours, at: Date, timeZone: string): boolean {
  const { shown } = civilAt(at, timeZone);
  const minutes = Number(shown.slice(-12, -10)) * 60 + Number(shown.slice(-9, -7));
  if (fromMinutes < toMinutes) return fromMinutes <= minutes && minutes < toMinutes;
  return fromMinutes <= minutes || minutes < toMinutes;
}

/** Tells whether the channel receives alerts like this one. An alert about no source goes to channels of every source. */
export function matches({ sources, severities }: Route, { source, severity }: Routed): boolean {
  const bySource = source === null || sources.length === 0 || sources.includes(source);
  return bySource && (severities.length === 0 || severities.includes(severity));
}

/** Tells whether the channel receives the alert now, after its quiet hours, or never. A critical alert never waits. */
export function routeOf(route: Route, alert: Routed, at: Date, timeZone: string): "now" | "later" | "never" {
  if (!matches(route, alert)) return "never";
  const waits = alert.severity !== "critical" && route.quiet !== undefined && isQuiet(route.quiet, at, timeZone);
  return waits ? "later" : "now";
}

/** Returns the sources whose critical alerts no channel receives. */
export function unheardSources(routes: Iterable<Route>, sources: Iterable<string>): string[] {
  const all = [...routes];
  return [...sources].filter((source) => !all.some((route) => matches(route, { source, severity: "critical" })));
}
