// Converts between instants and local times of a zone. The zone rules are those of the runtime.

const FORMATS = new Map<string, Intl.DateTimeFormat>();

/** Throws RangeError for an unknown zone. */
function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = FORMATS.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    ...({ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" } as const),
  });
  FORMATS.set(timeZone, format);
  return format;
}

export function isTimeZone(name: string): boolean {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

export interface Civil {
  /** The local time, without a zone: `2026-11-28T15:25:00.000`. */
  readonly shown: string;
  /** `+01:00`. */
  readonly offset: string;
  readonly offsetMs: number;
}

export function civilAt(at: Date, timeZone: string): Civil {
  const parts = Object.fromEntries(
    formatOf(timeZone)
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  );
  const { year = "", month, day, hour, minute, second } = parts;
  const shown = `${year.padStart(4, "0")}-${month}-${day}T${hour}:${minute}:${second}`;
  const ms = at.getTime();
  const offsetMs = Date.parse(`${shown}Z`) - Math.floor(ms / 1000) * 1000;
  const minutes = Math.round(Math.abs(offsetMs) / 60_000);
  const two = (value: number): string => `${value}`.padStart(2, "0");
  const offset = `${offsetMs < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  return { shown: `${shown}.${at.toISOString().slice(20, 23)}`, offset, offsetMs };
}

const DAY_MS = 86_400_000;

/**
 * Returns the instants with the local time `shown`, oldest first: one, two where clocks are set back, or none where they are set forward.
 */
export function instantsOf(shown: Date, timeZone: string): readonly Date[] {
  const offsets = [-DAY_MS, DAY_MS].map((aside) => civilAt(new Date(shown.getTime() + aside), timeZone).offsetMs);
  return [...new Set(offsets)]
    .map((offsetMs) => ({ at: new Date(shown.getTime() - offsetMs), offsetMs }))
    .filter(({ at, offsetMs }) => civilAt(at, timeZone).offsetMs === offsetMs)
    .map(({ at }) => at)
    .sort((a, b) => a.getTime() - b.getTime());
}
