// Which relations a fingerprint covers, with what it takes to hash them: one set-based query for any number of tables.
import type { HashedColumn } from "./expression.ts";
import type { Asker } from "./snapshot.ts";

export interface Relation {
  readonly oid: number;
  /** Qualified, quoted where needed. */
  readonly name: string;
  /** `pg_class.relkind`: r table, p partitioned table, f foreign table, m materialized view, v view, S sequence. */
  readonly kind: string;
  readonly unlogged: boolean;
  /** The table's own storage at the snapshot; another one later means that it was truncated or rewritten. */
  readonly fileNode: string;
  /** Whether rows can be read by ranges of pages. */
  readonly ranged: boolean;
  readonly pages: number;
  readonly sizeBytes: number;
  readonly columns: readonly HashedColumn[];
  /** Columns that a restore computes anew. */
  readonly generated: readonly string[];
  readonly extension: string | null;
  /** The highest table above it that is partitioned by hash: which of its partitions holds a row may differ in a copy (enums hash by OID). */
  readonly hashedInto: number | null;
}

/** Schemas that hold nothing of a user's. */
export const USER_SCHEMA = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'";

const QUERY = `
with recursive hashed(oid, root) as (
  select i.inhrelid, i.inhparent from pg_catalog.pg_inherits i join pg_catalog.pg_partitioned_table p on p.partrelid = i.inhparent and p.partstrat = 'h'
  union
  select i.inhrelid, h.root from pg_catalog.pg_inherits i join hashed h on h.oid = i.inhparent
), roots as (
  select oid, root from hashed h where not exists (select from hashed up where up.oid = h.root)
), base(oid, base) as (
  select t.oid, t.oid from pg_catalog.pg_type t where t.typtype <> 'd'
  union all
  select t.oid, b.base from pg_catalog.pg_type t join base b on t.typbasetype = b.oid where t.typtype = 'd'
), cols as (
  select a.attrelid,
    pg_catalog.json_agg(pg_catalog.json_build_array(pg_catalog.quote_ident(a.attname), b.base::bigint,
      pg_catalog.quote_ident(fn.nspname) || '.' || pg_catalog.quote_ident(f.proname)) order by a.attname collate pg_catalog."C")
      filter (where a.attgenerated = '') as stored,
    pg_catalog.json_agg(pg_catalog.quote_ident(a.attname) order by a.attname collate pg_catalog."C") filter (where a.attgenerated <> '') as generated
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind = 'r'
  join base b on b.oid = a.atttypid
  join pg_catalog.pg_type t on t.oid = b.base
  join pg_catalog.pg_proc f on f.oid = t.typoutput
  join pg_catalog.pg_namespace fn on fn.oid = f.pronamespace
  where a.attnum > 0 and not a.attisdropped
  group by a.attrelid
)
select c.oid::bigint::pg_catalog.text as oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as name,
  c.relkind as kind, c.relpersistence = 'u' as unlogged, c.relfilenode::bigint::pg_catalog.text as filenode,
  coalesce(am.amname = 'heap', false) as ranged,
  case when c.relkind = 'r' then coalesce(pg_catalog.pg_relation_size(c.oid), 0) else 0 end::pg_catalog.text as main_size,
  case when c.relkind = 'r' then coalesce(pg_catalog.pg_table_size(c.oid), 0) else 0 end::pg_catalog.text as size,
  pg_catalog.current_setting('block_size')::int as block_size,
  cols.stored, cols.generated, x.extname as extension, roots.root::bigint::pg_catalog.text as root
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_am am on am.oid = c.relam
left join cols on cols.attrelid = c.oid
left join roots on roots.oid = c.oid
left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.objsubid = 0 and d.deptype = 'e'
left join pg_catalog.pg_extension x on x.oid = d.refobjid
where c.relkind in ('r', 'p', 'f', 'm', 'v', 'S') and c.relpersistence <> 't' and ${USER_SCHEMA}
order by n.nspname collate pg_catalog."C", c.relname collate pg_catalog."C"`;

/** Every relation of a user's, temporary ones excluded. The session's settings are pinned. */
export async function listRelations(ask: Asker["ask"]): Promise<Relation[]> {
  const rows = await ask(QUERY);
  return rows.map((row) => ({
    oid: Number(row.oid),
    name: String(row.name),
    kind: String(row.kind),
    unlogged: row.unlogged === true,
    fileNode: String(row.filenode),
    ranged: row.ranged === true,
    pages: Math.ceil(Number(row.main_size) / Number(row.block_size)),
    sizeBytes: Number(row.size),
    columns: ((row.stored ?? []) as [string, number, string][]).map(([name, typeOid, output]) => ({ name, typeOid, output })),
    generated: (row.generated ?? []) as string[],
    extension: (row.extension as string | null) ?? null,
    hashedInto: row.root === null || row.root === undefined ? null : Number(row.root),
  }));
}
