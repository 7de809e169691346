// Into which slices the rows of a table fall. Each key has a place, a 64-bit number, and a slice is a range of places.
//
// Where a key begins with an integer, that is its place: rows that lie together in the table are in one slice, and chosen slices are read
// through the key's index. For all other keys the place is a hash: slices are then equally full for any type and collation.
import type { RowAlgorithm } from "../fingerprint/expression.ts";
import type { Asker } from "../fingerprint/snapshot.ts";
import { fromOf, keyColumns, keyHash, type Table } from "./tables.ts";

export interface Slicing {
  readonly by: "integer" | "hash";
  /** Bounds of the places of all rows, on both sides. */
  readonly lowest: bigint;
  readonly highest: bigint;
  /** A slice is two to the power of this many places. */
  readonly shift: number;
}

/** Slices of a table, some of which are chosen. */
export interface Chosen {
  readonly slicing: Slicing;
  /** In ascending order. */
  readonly differing: readonly number[];
}

const ROWS_PER_SLICE = 32;
/** With more, the server's processor cache no longer holds the states of slices that rows fall into at random. */
const MOST_SLICES = { integer: 16_384, hash: 8_192 } as const;
/** Tables with fewer rows are not asked for the bounds of their keys. */
const FEW_ROWS = 2_048;
/** How many times finer slices are when they are sliced again. */
export const FINER = 32;
/** Conditions on the index in one statement: the time to plan them grows with their square. */
const MOST_RANGES = 1_024;
/** int2, int4 and int8. */
const INTEGERS = new Set([21, 23, 20]);

const rowsOf = (past: Table, now: Table): number => Math.max(past.estimatedRows, now.estimatedRows);

function sliced(by: Slicing["by"], lowest: bigint, highest: bigint, rows: number): Slicing {
  const most = BigInt(Math.min(MOST_SLICES[by], Math.max(2, Math.ceil(rows / ROWS_PER_SLICE))));
  let shift = 0;
  while ((highest >> BigInt(shift)) - (lowest >> BigInt(shift)) >= most) shift++;
  return { by, lowest, highest, shift };
}

export const hashSlicing = (past: Table, now: Table): Slicing => sliced("hash", -(2n ** 63n), 2n ** 63n - 1n, rowsOf(past, now));

/** The slices of two sides of a table. Asks each side for the first and last key where these are integers. */
export async function slicingOf(past: Source, now: Source): Promise<Slicing> {
  const rows = rowsOf(past.table, now.table);
  const hashed = hashSlicing(past.table, now.table);
  if (rows < FEW_ROWS || !beginsWithInteger(past.table) || !beginsWithInteger(now.table)) return hashed;
  const bounds = (await Promise.all([past, now].map(boundsOf))).flat();
  if (bounds.length === 0) return hashed;
  const found = sliced("integer", least(bounds), -least(bounds.map((one) => -one)), rows);
  // A first column with few values would make few slices.
  return countOf(found) * 2 < countOf(hashed) ? hashed : found;
}

interface Source {
  readonly snapshot: { readonly control: Asker };
  readonly table: Table;
}

const beginsWithInteger = (table: Table): boolean => INTEGERS.has(keyColumns(table)[0]?.typeOid ?? 0);

const least = (numbers: readonly bigint[]): bigint => numbers.reduce((a, b) => (a < b ? a : b));

async function boundsOf({ snapshot, table }: Source): Promise<bigint[]> {
  const column = firstOf(table, "t");
  const sql = `select pg_catalog.min(${column})::pg_catalog.text as lowest, pg_catalog.max(${column})::pg_catalog.text as highest from ${fromOf(table)} t`;
  const [row] = await snapshot.control.ask(sql);
  return [row?.lowest, row?.highest].flatMap((value) => (typeof value === "string" ? [BigInt(value)] : []));
}

const firstOf = (table: Table, alias: string): string => `${alias}.${keyColumns(table)[0]?.quoted}`;

/** The same, each slice in parts. */
export const finer = (slicing: Slicing): Slicing => ({ ...slicing, shift: Math.max(0, slicing.shift - Math.log2(FINER)) });

const numberOf = ({ lowest, shift }: Slicing, place: bigint): bigint => (place >> BigInt(shift)) - (lowest >> BigInt(shift));

export const countOf = (slicing: Slicing): number => Number(numberOf(slicing, slicing.highest)) + 1;

/** The place of row `alias` as SQL. */
export const placeOf = ({ by }: Slicing, table: Table, algorithm: RowAlgorithm, alias: string): string =>
  by === "hash" ? keyHash(table, algorithm, alias) : `${firstOf(table, alias)}::pg_catalog.int8`;

/** The number of the slice of row `alias` as SQL, from 0. The shift comes first: a difference of two places might overflow. */
export const sliceOf = (slicing: Slicing, table: Table, algorithm: RowAlgorithm, alias: string): string =>
  `(${placeOf(slicing, table, algorithm, alias)} >> ${slicing.shift}) - '${slicing.lowest >> BigInt(slicing.shift)}'::bigint`;

/** Whether two rows of a key may have the same place. */
export const isAmbiguous = ({ by }: Slicing, table: Table): boolean => by === "hash" || table.key.length > 1;

export interface Condition {
  /** About row `t`. Undefined: no condition. */
  readonly sql: string | undefined;
  /** The key's index serves it. */
  readonly isIndexed: boolean;
}

/** The condition that a row is in one of the chosen slices. */
export function conditionOf(chosen: Chosen, table: Table, algorithm: RowAlgorithm): Condition {
  const { slicing, differing } = chosen;
  if (differing.length === countOf(slicing)) return { sql: undefined, isIndexed: false };
  const numbers = `'{${differing.join(",")}}'::bigint[]`;
  // Servers before 14 search such a list from its beginning for each row, but look up the rows of a query by hash.
  const listed = algorithm === "pg-rows-1" ? numbers : `select pg_catalog.unnest(${numbers})`;
  const sql = `(${sliceOf(slicing, table, algorithm, "t")}) = any (${listed})`;
  const ranges = rangesOf(chosen);
  const covered = ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  // The planner computes partitions one by one, and most of a table is read faster from its beginning to its end.
  if (slicing.by === "hash" || table.kind === "p" || covered > countOf(slicing) / 2) return { sql, isIndexed: false };
  const place = (number: number): bigint => ((slicing.lowest >> BigInt(slicing.shift)) + BigInt(number)) << BigInt(slicing.shift);
  const column = firstOf(table, "t");
  const among = ranges.map(({ from, to }) => `${column} between '${place(from)}'::bigint and '${place(to + 1) - 1n}'::bigint`);
  return { sql: `${sql} and (${among.join(" or ")})`, isIndexed: true };
}

/** Neighbouring slices as one range each; smaller gaps are bridged where there would be too many. */
function rangesOf({ differing }: Chosen): { from: number; to: number }[] {
  for (let gap = 1; ; gap *= 2) {
    const ranges: { from: number; to: number }[] = [];
    for (const number of differing) {
      const last = ranges.at(-1);
      if (last !== undefined && number - last.to <= gap) last.to = number;
      else ranges.push({ from: number, to: number });
    }
    if (ranges.length <= MOST_RANGES) return ranges;
  }
}
