// Rules that Neon's own schedule is to carry out: a cron expression as daily, weekly or monthly at an hour, where it can be said so.

import type { PointRule } from "../../../ports/descriptor.ts";
import type { NeonScheduleItem } from "../api/types.ts";

const SHORTEST_SECONDS = 3600;
/** 35 days: what Neon keeps when nothing is said, and the most that it accepts. */
export const LONGEST_SECONDS = 3_024_000;

const NICKNAMES: Readonly<Record<string, string>> = {
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
};
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

export type Translated = { readonly item: NeonScheduleItem } | { readonly why: string };

/** The rule as Neon's schedule says it, or why it cannot. */
export function translateRule({ cron, keepMs }: PointRule): Translated {
  const timing = translateCron(cron);
  if ("why" in timing) return timing;
  if (keepMs === "forever" || keepMs > LONGEST_SECONDS * 1000) {
    return { why: "Neon's schedule keeps a snapshot for at most 35 days; use `by: snapshot` or `by: branch` to keep it longer" };
  }
  if (keepMs < SHORTEST_SECONDS * 1000) return { why: "Neon's schedule keeps a snapshot for at least one hour" };
  return { item: { ...timing.item, retentionSeconds: Math.ceil(keepMs / 1000) } };
}

function translateCron(cron: string): Translated {
  const fields = (NICKNAMES[cron.trim().toLowerCase()] ?? cron).trim().split(/\s+/);
  const [minute = "", hourField = "", dayField = "", month = "", weekdayField = ""] = fields;
  const cannot = (what: string): Translated => ({
    why: `Neon's schedule cannot say "${cron}": ${what}; use \`by: snapshot\` to have Lifeboat make these`,
  });
  if (fields.length !== 5) return cannot("it knows days, weeks and months");
  if (Number(minute) !== 0 || minute === "") return cannot("its snapshots begin on the hour");
  const hour = numberIn(hourField, 0, 23);
  if (hour === undefined) return cannot("one hour of the day is required");
  if (month !== "*") return cannot("it knows no single months");
  if (dayField === "*" && weekdayField === "*") return { item: { frequency: "daily", hour } };
  if (dayField === "*") {
    const named = WEEKDAYS.indexOf(weekdayField.toUpperCase());
    const weekday = named >= 0 ? named : numberIn(weekdayField, 0, 7);
    if (weekday === undefined) return cannot("one day of the week is required");
    return { item: { frequency: "weekly", hour, day: weekday % 7 === 0 ? 7 : weekday } };
  }
  if (weekdayField !== "*") return cannot("it takes a day of the month or of the week, not both");
  const day = numberIn(dayField, 1, 31);
  if (day === undefined) return cannot("one day of the month is required");
  return { item: { frequency: "monthly", hour, day } };
}

function numberIn(text: string, from: number, to: number): number | undefined {
  const value = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  return value >= from && value <= to ? value : undefined;
}

const DAYS = ["", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/** As `daily at 03:00 kept 7 days, weekly on Sunday at 00:00 kept 28 days`; `none` for an empty one. */
export function describeSchedule(items: readonly NeonScheduleItem[]): string {
  if (items.length === 0) return "none";
  return items.map(describeItem).toSorted().join(", ");
}

function describeItem({ frequency, hour, day, retentionSeconds }: NeonScheduleItem): string {
  const on =
    day === undefined ? "" : frequency === "weekly" ? ` on ${DAYS[day] ?? `day ${day}`}` : frequency === "monthly" ? ` on day ${day}` : "";
  const at = hour === undefined ? "" : ` at ${String(hour).padStart(2, "0")}:00`;
  const seconds = retentionSeconds ?? LONGEST_SECONDS;
  const kept = seconds % 86_400 === 0 ? `${seconds / 86_400} days` : `${Math.round(seconds / 3600)} hours`;
  return `${frequency}${on}${at} kept ${kept}`;
}
