// How many distinct values columns have, as the planner's statistics estimate it: no row is read for it.
import type { Session } from "../fingerprint/session.ts";

const QUERY = `
select pg_catalog.format('%I.%I', schemaname, tablename) as "table", attname::pg_catalog.text as "column", n_distinct as values, null_frac as nulls
from pg_catalog.pg_stats where not inherited and pg_catalog.format('%I.%I', schemaname, tablename) operator(pg_catalog.=) any ($1::pg_catalog.text[])`;

interface Row extends Record<string, unknown> {
  readonly table: string;
  readonly column: string;
  /** Negative: a share of the rows. 0: not known, or every value is null. */
  readonly values: number;
  readonly nulls: number;
}

/** `rows`: by table. Tables that were never analysed are absent. */
export async function distinctValues(
  session: Session,
  rows: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, Readonly<Record<string, number>>>> {
  const found = (await session.query(QUERY, [[...rows.keys()]])).rows as Row[];
  const tables = new Map<string, [string, number][]>();
  for (const { table, column, values, nulls } of found) {
    if (values === 0 && nulls < 1) continue;
    const distinct = values < 0 ? -values * (rows.get(table) ?? 0) : values;
    tables.set(table, [...(tables.get(table) ?? []), [column, Math.round(distinct)]]);
  }
  return new Map([...tables].map(([table, columns]) => [table, Object.fromEntries(columns)]));
}
