// Which backup policies are accepted, and the one a new cluster begins with. Pure.
import { invalidAttribute, missingAttribute, refused } from "./errors.ts";

export const FREQUENCIES = ["hourly", "daily", "weekly", "monthly", "yearly"] as const;
export type Frequency = (typeof FREQUENCIES)[number];
/** Rarer ones are higher. */
export const rankOf = (item: { readonly frequencyType: string }): number => (FREQUENCIES as readonly string[]).indexOf(item.frequencyType);
export const UNITS = ["days", "weeks", "months", "years"] as const;
export type Unit = (typeof UNITS)[number];

export interface PolicyItem {
  readonly id: string;
  readonly frequencyType: Frequency | "ondemand";
  readonly frequencyInterval: number;
  readonly retentionUnit: Unit;
  readonly retentionValue: number;
}

/** How often: hours; 1 for daily; Monday is 1; 40 is a month's last day; the month of the year. */
const INTERVALS: Readonly<Record<Frequency, readonly number[]>> = {
  hourly: [1, 2, 4, 6, 8, 12],
  daily: [1],
  weekly: [1, 2, 3, 4, 5, 6, 7],
  monthly: [...Array.from({ length: 28 }, (_, at) => at + 1), 40],
  yearly: Array.from({ length: 12 }, (_, at) => at + 1),
};

/** Twelve months are a year: the policy of a new cluster keeps monthly snapshots 12 months and yearly ones a year. */
const DAYS: Readonly<Record<Unit, number>> = { days: 1, weeks: 7, months: 365 / 12, years: 365 };

/** In days, for comparing retentions of different units: twelve months are as long as a year. */
export const retentionDays = (item: Pick<PolicyItem, "retentionUnit" | "retentionValue">): number =>
  item.retentionValue * DAYS[item.retentionUnit];

/** When a snapshot taken at an instant expires: months and years by the calendar. */
export function expiryOf(item: Pick<PolicyItem, "retentionUnit" | "retentionValue">, taken: Date): Date {
  const at = new Date(taken);
  const months = { days: 0, weeks: 0, months: 1, years: 12 }[item.retentionUnit] * item.retentionValue;
  if (months === 0) return new Date(taken.getTime() + retentionDays(item) * 86_400_000);
  const day = at.getUTCDate();
  at.setUTCDate(1);
  at.setUTCMonth(at.getUTCMonth() + months);
  at.setUTCDate(Math.min(day, new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 0)).getUTCDate()));
  return at;
}

/** As recorded of a cluster made with continuous backup. */
export function defaultItems(mint: () => string): PolicyItem[] {
  const item = (frequencyType: Frequency, frequencyInterval: number, retentionValue: number, retentionUnit: Unit): PolicyItem => ({
    id: mint(),
    frequencyType,
    frequencyInterval,
    retentionUnit,
    retentionValue,
  });
  return [
    item("hourly", 6, 7, "days"),
    item("daily", 1, 7, "days"),
    item("weekly", 6, 4, "weeks"),
    item("monthly", 40, 12, "months"),
    item("yearly", 12, 1, "years"),
  ];
}

export const DEFAULT_WINDOW_DAYS = 7;

type Raw = Readonly<Record<string, unknown>>;

/** Items of a request, with their ids; new items get one. */
export function readItems(given: unknown, mint: () => string): PolicyItem[] {
  if (!Array.isArray(given)) throw invalidAttribute("policyItems");
  const items = given.map((raw: Raw) => readItem(raw, mint));
  for (const frequency of ["hourly", "daily", "ondemand"]) {
    if (items.filter((item) => item.frequencyType === frequency).length > 1)
      throw refused("INVALID_BACKUP_POLICY", `A policy can have one ${frequency} item only.`, frequency);
  }
  return items;
}

function readItem(raw: Raw, mint: () => string): PolicyItem {
  for (const name of ["frequencyType", "frequencyInterval", "retentionUnit", "retentionValue"]) {
    if (raw?.[name] === undefined || raw[name] === null) throw missingAttribute(name);
  }
  const { frequencyType, frequencyInterval, retentionUnit, retentionValue, id } = raw;
  const intervals = INTERVALS[frequencyType as Frequency] ?? (frequencyType === "ondemand" ? [0, 1] : undefined);
  if (intervals === undefined) throw invalidAttribute("frequencyType");
  if (!intervals.includes(frequencyInterval as number)) throw invalidAttribute("frequencyInterval");
  if (!UNITS.includes(retentionUnit as Unit)) throw invalidAttribute("retentionUnit");
  if (!Number.isInteger(retentionValue) || (retentionValue as number) < 1) throw invalidAttribute("retentionValue");
  return {
    id: typeof id === "string" ? id : mint(),
    frequencyType: frequencyType as PolicyItem["frequencyType"],
    frequencyInterval: frequencyInterval as number,
    retentionUnit: retentionUnit as Unit,
    retentionValue: retentionValue as number,
  };
}

/** What is rarer must be kept at least as long as what is more frequent; the window is no longer than hourly snapshots are kept. */
export function checkSchedule(items: readonly PolicyItem[], windowDays: number, pit: boolean): void {
  let longest: { readonly days: number; readonly frequency: string } | undefined;
  for (const frequency of FREQUENCIES) {
    const days = items.filter((item) => item.frequencyType === frequency).map(retentionDays);
    if (days.length === 0) continue;
    if (longest !== undefined && Math.min(...days) < longest.days)
      throw refused(
        "INVALID_BACKUP_POLICY",
        `The retention of ${frequency} snapshots must not be shorter than that of ${longest.frequency} ones.`,
        frequency,
        longest.frequency,
      );
    longest = { days: Math.max(...days), frequency };
  }
  if (!Number.isInteger(windowDays) || windowDays < 1)
    throw refused("INVALID_RESTORE_WINDOW", "restoreWindowDays must be a whole number of days from 1.", windowDays);
  const hourly = items.find((item) => item.frequencyType === "hourly");
  if (pit && hourly !== undefined && windowDays > retentionDays(hourly))
    throw refused("INVALID_RESTORE_WINDOW", "restoreWindowDays must not exceed the retention of hourly snapshots.", windowDays);
}
