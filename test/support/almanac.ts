// What must be there on a day, by calendar arithmetic: no clock, no schedule, nothing of the program. Days are whole numbers.

/** Days since 1970-01-01 of a date as `2026-09-01`. */
export const dayOf = (date: string): number => Date.parse(`${date}T00:00:00Z`) / 86_400_000;

export const dateOf = (day: number): string => new Date(day * 86_400_000).toISOString().slice(0, 10);

/** 1970-01-01 was a Thursday. */
export const isSunday = (day: number): boolean => (day + 4) % 7 === 0;

export const isFirst = (day: number): boolean => dateOf(day).endsWith("-01");

export interface Habit {
  /** Whether one is made on the day. */
  readonly on: (day: number) => boolean;
  readonly name: (date: string) => string;
  /** One made today is still there in so many days minus one. */
  readonly days: number;
}

/** Names that are there on `today` of a life that began on `first`, one made each day of each habit; sorted. */
export function survivors(habits: readonly Habit[], first: number, today: number): string[] {
  const names: string[] = [];
  for (const { on, name, days } of habits) {
    for (let age = 0; age < days && today - age >= first; age++) if (on(today - age)) names.push(name(dateOf(today - age)));
  }
  return names.sort();
}
