// Rules that Atlas's own schedule is to carry out: a cron expression as hourly, daily, weekly, monthly or yearly, where it can be
// said so; and how a policy is changed to what is desired without losing its other items.

import { previousSlot } from "../../../core/cron.ts";
import type { PointRule } from "../../../ports/descriptor.ts";
import { daysOf } from "../api/read.ts";
import type { AtlasPolicyItem, AtlasSnapshot, Frequency } from "../api/types.ts";

const NICKNAMES: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
};
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const HOURS: readonly number[] = [1, 2, 4, 6, 8, 12];
const LAST_DAY = 40;

export interface DesiredItem {
  readonly item: AtlasPolicyItem;
  /** Of the day, UTC; absent for hourly ones, which follow the others. */
  readonly at?: { readonly hour: number; readonly minute: number } | undefined;
}

export type Translated = DesiredItem | { readonly why: string };

/** The rule as Atlas's schedule says it, or why it cannot. */
export function translateRule({ cron, keepMs, by }: PointRule): Translated {
  if (by === "branch") return { why: "Atlas has no branches; use `by: snapshot`, or leave `by` out for Atlas's own schedule" };
  const timing = translateCron(cron);
  if ("why" in timing) return timing;
  if (keepMs === "forever") return { why: "Atlas's schedule keeps no snapshot forever; say for how many years" };
  return { ...timing, item: { ...timing.item, ...retentionOf(keepMs) } };
}

const DAY_MS = 86_400_000;

/** In the largest unit that says it exactly; a part of a day is a whole one. A year has 365 days here, a month 30. */
export function retentionOf(keepMs: number): Pick<AtlasPolicyItem, "unit" | "value"> {
  const days = Math.max(1, Math.ceil(keepMs / DAY_MS));
  if (days % 365 === 0) return days === 365 ? { unit: "months", value: 12 } : { unit: "years", value: days / 365 };
  if (days % 30 === 0 && days >= 60) return { unit: "months", value: days / 30 };
  if (days % 7 === 0 && days >= 28) return { unit: "weeks", value: days / 7 };
  return { unit: "days", value: days };
}

type Timing =
  | { readonly item: Pick<AtlasPolicyItem, "frequency" | "interval">; readonly at?: DesiredItem["at"] }
  | { readonly why: string };

function translateCron(cron: string): Timing {
  const fields = (NICKNAMES[cron.trim().toLowerCase()] ?? cron).trim().split(/\s+/);
  const [minuteField = "", hourField = "", dayField = "", monthField = "", weekdayField = ""] = fields;
  const cannot = (what: string): Timing => ({
    why: `Atlas's schedule cannot say "${cron}": ${what}; use \`by: snapshot\` to have Lifeboat take these`,
  });
  const minute = numberIn(minuteField, 0, 59);
  if (fields.length !== 5 || minute === undefined) return cannot("one minute of the hour is required");
  const everyDay = dayField === "*" && monthField === "*" && weekdayField === "*";
  const hours = hoursIn(hourField);
  if (hours !== undefined && everyDay) return { item: { frequency: "hourly", interval: hours } };
  const hour = numberIn(hourField, 0, 23);
  if (hour === undefined) return cannot("one hour of the day is required, or every 1, 2, 4, 6, 8 or 12 hours");
  const at = { hour, minute };
  if (everyDay) return { item: { frequency: "daily", interval: 1 }, at };
  if (dayField === "*" && monthField === "*") {
    const named = WEEKDAYS.indexOf(weekdayField.toUpperCase());
    const weekday = named >= 0 ? named : numberIn(weekdayField, 0, 7);
    if (weekday === undefined) return cannot("one day of the week is required");
    return { item: { frequency: "weekly", interval: weekday % 7 === 0 ? 7 : weekday }, at };
  }
  if (weekdayField !== "*") return cannot("it takes a day of the month or of the week, not both");
  const day = dayField.toUpperCase() === "L" ? LAST_DAY : numberIn(dayField, 1, 28);
  if (monthField === "*") {
    if (day === undefined) return cannot("one day of the month from 1 to 28 is required, or its last (L)");
    return { item: { frequency: "monthly", interval: day }, at };
  }
  const named = MONTHS.indexOf(monthField.toUpperCase()) + 1;
  const month = named > 0 ? named : numberIn(monthField, 1, 12);
  if (month === undefined || day !== 1) return cannot("a yearly one is taken on the first day of one month");
  return { item: { frequency: "yearly", interval: month }, at };
}

function numberIn(text: string, from: number, to: number): number | undefined {
  const value = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  return value >= from && value <= to ? value : undefined;
}

function hoursIn(field: string): number | undefined {
  if (field === "*") return 1;
  const every = /^(?:\*|0|0-23)\/(\d{1,2})$/.exec(field)?.[1];
  const hours = Number(every);
  return every !== undefined && HOURS.includes(hours) ? hours : undefined;
}

/** How often, as Atlas compares them: what is rarer is kept at least as long as what is more frequent. */
const ORDER: readonly Frequency[] = ["hourly", "daily", "weekly", "monthly", "yearly"];
const rank = ({ frequency }: Pick<AtlasPolicyItem, "frequency">): number => ORDER.indexOf(frequency);

/** Whether Atlas takes the one less often than the other; false for a word that is not a frequency. */
export const isRarer = (one: string, than: Frequency): boolean => ORDER.indexOf(one as Frequency) > ORDER.indexOf(than);

/** Frequencies of which Atlas takes one item only. */
export const SINGLE: ReadonlySet<Frequency> = new Set(["hourly", "daily"]);

export const keyOf = ({ frequency, interval }: Pick<AtlasPolicyItem, "frequency" | "interval">): string =>
  SINGLE.has(frequency) ? frequency : `${frequency} ${interval}`;

/**
 * The policy with the desired in it. Items keep their ids: one of the same kind is changed, else one of the same frequency is moved
 * to the desired day, else a new one is added. Other frequencies stay, but are kept longer where Atlas asks for it.
 */
export function withDesired(present: readonly AtlasPolicyItem[], desired: readonly AtlasPolicyItem[]): AtlasPolicyItem[] {
  const left = [...present];
  const take = (matches: (item: AtlasPolicyItem) => boolean): AtlasPolicyItem | undefined => {
    const at = left.findIndex(matches);
    return at < 0 ? undefined : left.splice(at, 1)[0];
  };
  const exact = desired.map((spec) => ({ spec, before: take((item) => keyOf(item) === keyOf(spec)) }));
  const placed = exact.map(({ spec, before }) => {
    const { id } = before ?? take(({ frequency }) => frequency === spec.frequency) ?? {};
    return id === undefined ? spec : { ...spec, id };
  });
  // Other items of a desired frequency are removed; frequencies that the policy does not name stay.
  const frequencies = new Set(desired.map(({ frequency }) => frequency));
  return inOrder([...placed, ...left.filter(({ frequency }) => !frequencies.has(frequency))]);
}

/** Every item kept at least as long as each more frequent one. */
export function inOrder(items: readonly AtlasPolicyItem[]): AtlasPolicyItem[] {
  let longest: Pick<AtlasPolicyItem, "unit" | "value"> = { unit: "days", value: 0 };
  let before = longest;
  let at = -1;
  return items
    .toSorted((a, b) => rank(a) - rank(b))
    .map((item) => {
      if (item.frequency === "ondemand") return item;
      if (rank(item) > at) {
        before = longest;
        at = rank(item);
      }
      const kept = isShorter(item, before) ? { ...item, unit: before.unit, value: before.value } : item;
      if (isShorter(longest, kept)) longest = kept;
      return kept;
    });
}

/** The shortest and the longest that a unit may mean: where Atlas might see it otherwise, it counts as shorter. */
const isShorter = (a: Pick<AtlasPolicyItem, "unit" | "value">, b: Pick<AtlasPolicyItem, "unit" | "value">): boolean =>
  a.unit === b.unit ? a.value < b.value : daysOf(a) < daysOf(b);

/** Equal in effect, in any unit: twelve months are one year. */
export const sameItems = (a: readonly AtlasPolicyItem[], b: readonly AtlasPolicyItem[]): boolean =>
  a.map(meaningOf).toSorted().join("|") === b.map(meaningOf).toSorted().join("|");

const meaningOf = (item: AtlasPolicyItem): string => `${item.frequency} ${item.interval} ${daysOf(item).toFixed(1)}`;

/** Whether something that is there now would be kept shorter, or be taken no more. */
export function lowers(before: readonly AtlasPolicyItem[], after: readonly AtlasPolicyItem[]): boolean {
  return before.some((item) => {
    const same = after.find((one) => (item.id === undefined ? keyOf(one) === keyOf(item) : one.id === item.id));
    if (same === undefined) return !after.some((one) => rank(one) < rank(item) && daysOf(one) >= daysOf(item));
    return daysOf(same) < daysOf(item) || (item.frequency === "hourly" && same.interval > item.interval);
  });
}

const DAYS = ["", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTH_NAMES = ["", ...MONTHS.map((month) => month.charAt(0) + month.slice(1).toLowerCase())];

/** As `daily kept 30 days, weekly on Sunday kept 12 weeks`; `none` for an empty one. */
export function describeItems(items: readonly AtlasPolicyItem[]): string {
  if (items.length === 0) return "none";
  return items
    .toSorted((a, b) => rank(a) - rank(b) || a.interval - b.interval)
    .map(describeItem)
    .join(", ");
}

function describeItem({ frequency, interval, unit, value }: AtlasPolicyItem): string {
  const kept = `kept ${value} ${value === 1 ? unit.slice(0, -1) : unit}`;
  if (frequency === "hourly") return `every ${interval === 1 ? "hour" : `${interval} hours`} ${kept}`;
  if (frequency === "weekly") return `weekly on ${DAYS[interval] ?? `day ${interval}`} ${kept}`;
  if (frequency === "monthly") return `monthly on ${interval === LAST_DAY ? "the last day" : `day ${interval}`} ${kept}`;
  if (frequency === "yearly") return `yearly in ${MONTH_NAMES[interval] ?? `month ${interval}`} ${kept}`;
  return `${frequency} ${kept}`;
}

export const describeTime = ({ hour, minute }: { readonly hour: number; readonly minute: number }): string =>
  `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")} UTC`;

/** Atlas takes one snapshot for all that is due at its time of the day, and names the rarest; it takes a while to begin. */
const SAME_MS = 12 * 3_600_000;

/** Names of the rules; undefined where Atlas does not say how often one like it is taken. */
export function rulesServed({ frequency, createdAt, onDemand }: AtlasSnapshot, rules: readonly PointRule[]): string[] | undefined {
  if (onDemand || frequency === undefined || createdAt === undefined) return undefined;
  const serves = (rule: PointRule): boolean => {
    const translated = translateRule(rule);
    // What Atlas cannot follow is named as that; it is not missed on top.
    if ("why" in translated) return true;
    if (translated.item.frequency === frequency) return true;
    const slot = isRarer(frequency, translated.item.frequency) ? previousSlot(rule.cron, createdAt) : undefined;
    return slot !== undefined && createdAt.getTime() - slot.getTime() <= SAME_MS;
  };
  return rules
    .filter(({ by }) => by !== "snapshot" && by !== "branch")
    .filter(serves)
    .map(({ name }) => name);
}
