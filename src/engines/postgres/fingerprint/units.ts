// Cuts the hashing of many tables into statements of similar size: small tables share one, a giant becomes many.
import { columnExpression, type RowAlgorithm, rowsExpression } from "./expression.ts";
import type { Relation } from "./relations.ts";

/** One statement's worth of work: rows `i, n, s` (which table, how many rows, sum of their hashes). */
export interface Unit {
  readonly tables: readonly Relation[];
  readonly sql: string;
  readonly sizeBytes: number;
}

/** Pages per statement on a giant table: 64 MiB at the usual page size. */
const PAGES_PER_UNIT = 8_192;
const SHARED_UNIT_BYTES = 8 * 2 ** 20;
const SHARED_UNIT_TABLES = 50;

const select = (table: Relation, index: number, algorithm: RowAlgorithm, where = ""): string =>
  `select ${index} as i, ${rowsExpression(table.columns.map(columnExpression), algorithm)} from only ${table.name}${where}`;

/** The statement that hashes one whole table. */
export const unitOfOne = (table: Relation, algorithm: RowAlgorithm): Unit => ({
  tables: [table],
  sql: select(table, 0, algorithm),
  sizeBytes: table.sizeBytes,
});

/** Ranges of pages of one table. Sums add up, so the parts may run anywhere; the last has no end. */
function unitsOfGiant(table: Relation, algorithm: RowAlgorithm): Unit[] {
  const count = Math.ceil(table.pages / PAGES_PER_UNIT);
  return Array.from({ length: count }, (_, part) => {
    const from = ` where ctid >= '(${part * PAGES_PER_UNIT},0)'::pg_catalog.tid`;
    const to = part === count - 1 ? "" : ` and ctid < '(${(part + 1) * PAGES_PER_UNIT},0)'::pg_catalog.tid`;
    return { tables: [table], sql: select(table, 0, algorithm, from + to), sizeBytes: table.sizeBytes / count };
  });
}

/**
 * Every table in exactly one unit, or in the units of its page ranges; biggest first, so that no session is left with
 * a giant when the others are done. `ranges`: whether the server scans page ranges (since PostgreSQL 14).
 */
export function planUnits(tables: readonly Relation[], algorithm: RowAlgorithm, ranges: boolean): Unit[] {
  const units: Unit[] = [];
  let shared: Relation[] = [];
  let sharedBytes = 0;
  const close = () => {
    const sql = shared.map((table, i) => select(table, i, algorithm)).join("\nunion all ");
    if (shared.length > 0) units.push({ tables: shared, sql, sizeBytes: sharedBytes });
    shared = [];
    sharedBytes = 0;
  };
  for (const table of tables.toSorted((a, b) => b.sizeBytes - a.sizeBytes)) {
    if (ranges && table.ranged && table.pages > PAGES_PER_UNIT) units.push(...unitsOfGiant(table, algorithm));
    else if (table.sizeBytes >= SHARED_UNIT_BYTES) units.push(unitOfOne(table, algorithm));
    else {
      shared.push(table);
      sharedBytes += table.sizeBytes;
      if (sharedBytes >= SHARED_UNIT_BYTES || shared.length >= SHARED_UNIT_TABLES) close();
    }
  }
  close();
  return units;
}
