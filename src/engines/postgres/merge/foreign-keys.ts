// Foreign keys of a database, as a merge follows and checks them.
import type { Asker } from "../fingerprint/snapshot.ts";
import type { Table } from "./tables.ts";

export interface ForeignKey {
  readonly name: string;
  /** OIDs of the tables that have the constraint: a partition, where only that has it. */
  readonly child: number;
  readonly parent: number;
  readonly columns: readonly { readonly child: string; readonly parent: string; readonly equal: string }[];
  /** MATCH FULL: a row refers when any of its columns has a value. */
  readonly isFull: boolean;
  /** What becomes of rows that refer to a deleted one. */
  readonly onDelete: "refuse" | "delete" | "change";
}

const QUERY = `
select pg_catalog.quote_ident(k.conname) as name, k.conrelid::bigint::pg_catalog.text as child, k.confrelid::bigint::pg_catalog.text as parent,
  k.confmatchtype = 'f' as "full", case when k.confdeltype = 'c' then 'delete' when k.confdeltype in ('n', 'd') then 'change' else 'refuse' end as "onDelete",
  (select pg_catalog.json_agg(pg_catalog.json_build_object('child', fa.attname, 'parent', pa.attname,
      'equal', pg_catalog.format('operator(%I.%s)', n.nspname, o.oprname)) order by pair.place)
    from rows from (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey), pg_catalog.unnest(k.conpfeqop)) with ordinality as pair(f, p, op, place)
    join pg_catalog.pg_attribute fa on fa.attrelid = k.conrelid and fa.attnum = pair.f
    join pg_catalog.pg_attribute pa on pa.attrelid = k.confrelid and pa.attnum = pair.p
    join pg_catalog.pg_operator o on o.oid = pair.op join pg_catalog.pg_namespace n on n.oid = o.oprnamespace) as columns
from pg_catalog.pg_constraint k
where k.contype = 'f' and k.conparentid = 0
  and not coalesce((pg_catalog.to_jsonb(k)->>'conperiod')::pg_catalog.bool, false)
  and coalesce((pg_catalog.to_jsonb(k)->>'conenforced')::pg_catalog.bool, true)
order by 2, 1`;

export async function foreignKeys(asker: Asker): Promise<ForeignKey[]> {
  const rows = await asker.ask(QUERY);
  return rows.map((row) => ({
    name: String(row.name),
    child: Number(row.child),
    parent: Number(row.parent),
    columns: (row.columns ?? []) as ForeignKey["columns"],
    isFull: row.full === true,
    onDelete: row.onDelete as ForeignKey["onDelete"],
  }));
}

const quoted = (table: Table, name: string): string => table.columns.find((column) => column.name === name)?.quoted ?? '""';

/** Whether row `f` refers to row `p`. */
export const refers = ({ columns }: ForeignKey, child: Table, parent: Table, f = "f", p = "p"): string =>
  columns.map((pair) => `${p}.${quoted(parent, pair.parent)} ${pair.equal} ${f}.${quoted(child, pair.child)}`).join(" and ");

/** Whether row `f` refers at all. */
export const isGiven = ({ columns, isFull }: ForeignKey, child: Table, f = "f"): string =>
  `(${columns.map((pair) => `${f}.${quoted(child, pair.child)} is not null`).join(isFull ? " or " : " and ")})`;

/** The table of which `oid` is a part: its partitioned table, or itself. */
export function wholeOf(tables: readonly Table[], oid: number): Table | undefined {
  const table = tables.find((each) => each.oid === oid);
  return table?.root == null ? table : tables.find((each) => each.oid === table.root);
}
