// When the items of a policy are due, from the reference time of day. Pure; UTC.
import type { PolicyItem } from "./schedule-rules.ts";

export interface ReferenceTime {
  readonly hour: number;
  readonly minute: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The first instant after `after` at which an item is due; undefined for items without a schedule. */
export function nextDue(
  item: Pick<PolicyItem, "frequencyType" | "frequencyInterval">,
  reference: ReferenceTime,
  after: Date,
): Date | undefined {
  const { frequencyType, frequencyInterval } = item;
  if (frequencyType === "ondemand") return undefined;
  if (frequencyType === "hourly") return nextHour(frequencyInterval, reference, after);
  const start = Date.UTC(after.getUTCFullYear(), after.getUTCMonth(), after.getUTCDate(), reference.hour, reference.minute);
  for (let day = 0; ; day++) {
    const at = new Date(start + day * DAY_MS);
    if (at > after && falls(frequencyType, frequencyInterval, at)) return at;
  }
}

/** Every so many hours, counted from the reference time of the day. */
function nextHour(hours: number, reference: ReferenceTime, after: Date): Date {
  const base = Date.UTC(after.getUTCFullYear(), after.getUTCMonth(), after.getUTCDate(), reference.hour, reference.minute) - DAY_MS;
  const passed = Math.floor((after.getTime() - base) / (hours * HOUR_MS));
  return new Date(base + (passed + 1) * hours * HOUR_MS);
}

const LAST_DAY = 40;

function falls(frequency: PolicyItem["frequencyType"], interval: number, at: Date): boolean {
  const lastOfMonth = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 0)).getUTCDate();
  switch (frequency) {
    case "weekly":
      return (at.getUTCDay() === 0 ? 7 : at.getUTCDay()) === interval;
    case "monthly":
      return at.getUTCDate() === (interval === LAST_DAY ? lastOfMonth : interval);
    case "yearly":
      return at.getUTCMonth() + 1 === interval && at.getUTCDate() === 1;
    default:
      return true;
  }
}

/** The next instant of the whole policy, with every item that is due then. */
export function nextOf(
  items: readonly PolicyItem[],
  reference: ReferenceTime,
  after: Date,
): { readonly at: Date; readonly items: readonly PolicyItem[] } | undefined {
  const due = items.flatMap((item) => {
    const at = nextDue(item, reference, after);
    return at === undefined ? [] : [{ item, at: at.getTime() }];
  });
  if (due.length === 0) return undefined;
  const first = Math.min(...due.map((each) => each.at));
  return { at: new Date(first), items: due.filter((each) => each.at === first).map((each) => each.item) };
}
