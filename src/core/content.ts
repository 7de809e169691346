// Compares what the tables of a source held in successive backups: one that was emptied is noticed (R65), and normal change is not.
import type { HealthReason } from "./monitors.ts";

/** What a table held when it was backed up. */
export interface TableContent {
  readonly table: string;
  readonly rows: number;
  /** Distinct values by column, as the server's own statistics estimate them. Absent: it has none. */
  readonly distinct?: Readonly<Record<string, number>> | undefined;
}

/** The content of one backup. */
export interface ContentAt {
  readonly content: readonly TableContent[];
  /** Every table is in `content`: one that is absent is gone. Otherwise the smallest may be absent. */
  readonly complete: boolean;
  /** A user said that this content is intended. */
  readonly accepted: boolean;
}

export interface ChangeLimits {
  /** The share of rows, in percent, whose loss is out of proportion. */
  readonly percent: number;
  /** A table that never held as many rows is not judged. */
  readonly rows: number;
  /** Tables that are not judged. */
  readonly ignore: readonly string[];
}

export const CHANGE_LIMITS: ChangeLimits = { percent: 50, rows: 1000, ignore: [] };

/** A manifest records this many tables, the largest first, and distinct values of this many columns. */
export const RECORDED_TABLES = 200;
export const RECORDED_COLUMNS = 1000;

/** Earlier backups that a table is compared with. */
const LOOK_BACK = 7;
/** From so many earlier backups on, a loss of `percent` counts; before, only one that leaves almost nothing. */
const ENOUGH = 3;
/** The share that is almost nothing. */
const NOTHING = 0.05;
/** A column with fewer distinct values says little. */
const MANY_VALUES = 100;
/** A table that appears with this share of the rows of one that disappears has replaced it. */
const ALIKE = 0.5;

/** What is known of a table: its counts in the last backups in which nothing was wrong with it. */
interface Known {
  readonly rows: number[];
  readonly distinct: Map<string, number[]>;
  message?: string;
}

/**
 * Returns a finding for each table that has lost its data and has not got it back. `backups`: of one scope, oldest first. Each table is
 * compared with the fewest rows that it had in up to seven earlier backups, so that one whose count rises and falls is judged by its
 * own habit.
 */
export function contentReasons(backups: readonly ContentAt[], limits: ChangeLimits = CHANGE_LIMITS): HealthReason[] {
  const tables = new Map<string, Known>();
  const ignored = new Set(limits.ignore);
  for (const backup of backups) {
    const present = new Map(backup.content.filter(({ table }) => !ignored.has(table)).map((one) => [one.table, one]));
    const fresh = [...present.values()].filter(({ table }) => !tables.has(table));
    for (const [table, known] of tables) {
      const now = present.get(table);
      if (backup.accepted) accept(tables, known, table, now, backup.complete);
      else if (now !== undefined) judge(known, now, limits);
      else if (backup.complete) judgeGone(tables, known, table, fresh, limits);
    }
    for (const one of fresh) tables.set(one.table, learn({ rows: [], distinct: new Map() }, one));
  }
  return [...tables].flatMap(([table, { message }]) =>
    message === undefined ? [] : [{ code: "TABLE_EMPTIED" as const, about: table, message: `table ${table} ${message}` }],
  );
}

/** From here on, what the table holds now is normal. */
function accept(tables: Map<string, Known>, known: Known, table: string, now: TableContent | undefined, complete: boolean): void {
  if (now === undefined && complete) tables.delete(table);
  else if (now !== undefined && known.message !== undefined) tables.set(table, learn({ rows: [], distinct: new Map() }, now));
  else if (now !== undefined) learn(known, now);
}

function judge(known: Known, now: TableContent, limits: ChangeLimits): void {
  const message = lostRows(known.rows, now.rows, limits) ?? lostValues(known, now, limits);
  if (message !== undefined) known.message = message;
  else {
    delete known.message;
    learn(known, now);
  }
}

function lostRows(before: readonly number[], rows: number, { percent, rows: least }: ChangeLimits): string | undefined {
  const fewest = Math.min(...before);
  if (before.length === 0 || fewest < least) return undefined;
  const share = before.length >= ENOUGH ? 1 - percent / 100 : NOTHING;
  if (rows > Math.max(share, NOTHING) * fewest) return undefined;
  const backups = before.length === 1 ? "the backup before" : `the ${before.length} backups before`;
  return `has ${rows} rows; it had at least ${fewest} in ${backups}`;
}

function lostValues(known: Known, { rows, distinct = {} }: TableContent, { rows: least }: ChangeLimits): string | undefined {
  if (rows < least) return undefined;
  for (const [column, before] of known.distinct) {
    const fewest = Math.min(...before);
    const now = Object.hasOwn(distinct, column) ? distinct[column] : undefined;
    if (now === undefined || fewest < MANY_VALUES || now > NOTHING * fewest) continue;
    return `has ${now} distinct values in column ${column}; it had about ${fewest}`;
  }
  return undefined;
}

/** A table may be replaced by another one, or be one of a series that moves on. */
function judgeGone(tables: Map<string, Known>, known: Known, table: string, fresh: readonly TableContent[], limits: ChangeLimits): void {
  const fewest = Math.min(...known.rows);
  const isSmall = fewest < limits.rows;
  const isReplaced = fresh.some(({ rows }) => rows >= ALIKE * fewest && rows <= fewest / ALIKE);
  const isOfSeries = [...tables.keys(), ...fresh.map((one) => one.table)].some(
    (other) => other !== table && seriesOf(other) === seriesOf(table),
  );
  if (known.message === undefined && (isSmall || isReplaced || isOfSeries)) tables.delete(table);
  else known.message = `is gone; it had at least ${fewest} rows`;
}

const seriesOf = (table: string): string => table.replaceAll(/\d+/g, "0");

function learn(known: Known, { rows, distinct = {} }: TableContent): Known {
  push(known.rows, rows);
  for (const [column, values] of Object.entries(distinct)) {
    const before = known.distinct.get(column) ?? [];
    push(before, values);
    known.distinct.set(column, before);
  }
  return known;
}

function push(values: number[], value: number): void {
  values.push(value);
  if (values.length > LOOK_BACK) values.shift();
}
