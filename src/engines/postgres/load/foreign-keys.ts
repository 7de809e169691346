// Foreign keys that rows put into a live database must satisfy: triggers, which would check them, are off while a load fills tables.
import type { TocEntry } from "../archive/contents.ts";
import type { Client } from "../connect/client.ts";

export interface ForeignKey extends Record<string, unknown> {
  readonly name: string;
  /** Qualified and quoted, `only` before those that are not partitioned. */
  readonly referring: string;
  readonly referred: string;
  readonly refers: string;
  readonly to: string;
  /** Row of `f` refers to row of `p`; columns of either. */
  readonly match: string;
  /** Whether a row of `f` refers at all. */
  readonly given: string;
  /** Whether the referring table is one of the chosen. */
  readonly inside: boolean;
  /** Places in the list of the chosen: those that the referred table is, or is made of. */
  readonly chosenReferred: readonly number[];
}

/** Keys from and to the tables and what they are partitions of, where the server has them for valid. */
const QUERY = `
with recursive chosen as (
  select c.oid, place
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) with ordinality as wanted(schema, name, place)
    on wanted.schema = n.nspname and wanted.name = c.relname
), tree(oid, place) as (
  select oid, place from chosen
  union
  select i.inhparent, tree.place from pg_catalog.pg_inherits i join tree on tree.oid = i.inhrelid
  join pg_catalog.pg_class c on c.oid = i.inhparent and c.relkind = 'p'
)
select pg_catalog.quote_ident(k.conname) as name,
  pg_catalog.quote_ident(fn.nspname) || '.' || pg_catalog.quote_ident(f.relname) as refers,
  pg_catalog.quote_ident(pn.nspname) || '.' || pg_catalog.quote_ident(p.relname) as to,
  case f.relkind when 'p' then '' else 'only ' end || pg_catalog.quote_ident(fn.nspname) || '.' || pg_catalog.quote_ident(f.relname) as referring,
  case p.relkind when 'p' then '' else 'only ' end || pg_catalog.quote_ident(pn.nspname) || '.' || pg_catalog.quote_ident(p.relname) as referred,
  cols.match, case k.confmatchtype when 'f' then cols.any_given else cols.all_given end as given,
  k.conrelid in (select oid from chosen) as inside,
  array(select (tree.place - 1)::int from tree where tree.oid = k.confrelid) as "chosenReferred"
from pg_catalog.pg_constraint k
join pg_catalog.pg_class f on f.oid = k.conrelid join pg_catalog.pg_namespace fn on fn.oid = f.relnamespace
join pg_catalog.pg_class p on p.oid = k.confrelid join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
cross join lateral (
  select pg_catalog.string_agg(pg_catalog.format('p.%I operator(%I.%s) f.%I', pa.attname, o_n.nspname, o.oprname, fa.attname), ' and ') as match,
    pg_catalog.string_agg(pg_catalog.format('f.%I is not null', fa.attname), ' and ') as all_given,
    pg_catalog.string_agg(pg_catalog.format('f.%I is not null', fa.attname), ' or ') as any_given
  from rows from (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey), pg_catalog.unnest(k.conpfeqop)) as pair(f, p, op)
  join pg_catalog.pg_attribute fa on fa.attrelid = k.conrelid and fa.attnum = pair.f
  join pg_catalog.pg_attribute pa on pa.attrelid = k.confrelid and pa.attnum = pair.p
  join pg_catalog.pg_operator o on o.oid = pair.op join pg_catalog.pg_namespace o_n on o_n.oid = o.oprnamespace
) cols
where k.contype = 'f' and k.conparentid = 0 and k.convalidated
  and not coalesce((pg_catalog.to_jsonb(k)->>'conperiod')::pg_catalog.bool, false)
  and (k.conrelid in (select oid from tree) or k.confrelid in (select oid from tree))
order by 2, 1`;

export async function foreignKeysOf(client: Client, tables: readonly TocEntry[]): Promise<ForeignKey[]> {
  return await client.query<ForeignKey>(QUERY, [tables.map(({ schema }) => schema), tables.map(({ name }) => name)]);
}

/** Places of the chosen tables that rows outside of the chosen refer to: the server does not let them be truncated. */
export function referredFromOutside(keys: readonly ForeignKey[]): ReadonlySet<number> {
  return new Set(keys.filter(({ inside }) => !inside).flatMap(({ chosenReferred }) => chosenReferred));
}

/** One sentence for each key that some row violates, as this session sees it. */
export async function violations(client: Client, keys: readonly ForeignKey[]): Promise<string[]> {
  const found: string[] = [];
  for (const { name, referring, referred, refers, to, match, given } of keys) {
    const [row] = await client.query<{ n: string }>(
      `select pg_catalog.count(*)::pg_catalog.text as n from ${referring} f where (${given}) and not exists (select from ${referred} p where ${match})`,
    );
    if (row !== undefined && row.n !== "0") found.push(`${row.n} rows of ${refers} would refer to no row of ${to} (${name})`);
  }
  return found;
}
