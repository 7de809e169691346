// What a merge must know of the tables of one database: one set-based query of the catalogs.
import { columnExpression, ROW_ALGORITHMS, type RowAlgorithm } from "../fingerprint/expression.ts";
import { USER_SCHEMA } from "../fingerprint/relations.ts";
import type { Asker } from "../fingerprint/snapshot.ts";

export interface Column {
  readonly name: string;
  /** The same in quotes where SQL requires them. */
  readonly quoted: string;
  /** As `format_type` writes it, with the schema of a user's type. */
  readonly type: string;
  /** The type below all domains, without length or precision: it takes any value of the column. */
  readonly base: string;
  readonly typeOid: number;
  readonly output: string;
  /** Computed by the server from other columns. */
  readonly generated: boolean;
  /** `a`: only the server gives it a value, unless overridden; `d`: by default. */
  readonly identity: "" | "a" | "d";
}

export interface KeyColumn {
  readonly name: string;
  /** The index's own equality, with its schema. */
  readonly equal: string;
  /** What it calls equal is also written alike: not so of citext, numeric, float8, jsonb or a collation that ignores case. */
  readonly exact: boolean;
}

export interface Table {
  readonly oid: number;
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  /** r: rows of its own; p: rows of its partitions. */
  readonly kind: "r" | "p";
  /** Highest partitioned table above it. Null: it is not a partition. */
  readonly root: number | null;
  readonly visible: boolean;
  /** Ordered by name, generated ones included. */
  readonly columns: readonly Column[];
  /** Empty: the table has no key. */
  readonly key: readonly KeyColumn[];
  readonly estimatedRows: number;
  readonly pages: number;
  readonly isHeap: boolean;
  /** Row-level security would hide rows from this role. */
  readonly hidden: boolean;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly owned: boolean;
  /** `tgenabled` by name: O, A, R. */
  readonly triggers: readonly { readonly name: string; readonly enabled: string; readonly on: string }[];
  readonly sequences: readonly { readonly name: string; readonly column: string; readonly ascending: boolean }[];
}

/** Types of operator classes: boolean, bytea, "char", name, integers, text, oid, dates and times, uuid, pg_lsn, enums. */
const EXACT_TYPES = "16, 17, 18, 19, 20, 21, 23, 25, 26, 1082, 1083, 1114, 1184, 2950, 3220, 3500";

const QUERY = `
with recursive base(oid, base) as (
  select t.oid, t.oid from pg_catalog.pg_type t where t.typtype <> 'd'
  union all
  select t.oid, b.base from pg_catalog.pg_type t join base b on t.typbasetype = b.oid where t.typtype = 'd'
), tree(oid, root) as (
  select c.oid, c.oid from pg_catalog.pg_class c where c.relkind = 'p' and not c.relispartition
  union all
  select i.inhrelid, t.root from tree t join pg_catalog.pg_inherits i on i.inhparent = t.oid
), path as (
  select part, place from pg_catalog.unnest($1::pg_catalog.text[]) with ordinality as parts(part, place)
), listed as (
  select c.*, n.nspname, tree.root,
    pg_catalog.row_number() over (partition by c.relname order by path.place nulls last) = 1 and path.place is not null as visible
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join path on path.part = n.nspname
  left join tree on tree.oid = c.oid
  where c.relkind in ('r', 'p') and c.relpersistence <> 't' and ${USER_SCHEMA}
    and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid
      and d.objsubid = 0 and d.deptype = 'e')
)
select c.oid::bigint::pg_catalog.text as oid, c.nspname::pg_catalog.text as schema, c.relname::pg_catalog.text as "table", c.relkind as kind,
  pg_catalog.quote_ident(c.nspname) || '.' || pg_catalog.quote_ident(c.relname) as name, c.visible,
  case when c.root <> c.oid then c.root::bigint::pg_catalog.text end as root,
  (select pg_catalog.sum(case when p.reltuples < 0 then pg_catalog.pg_relation_size(p.oid) / 100 else p.reltuples end)::bigint::pg_catalog.text
    from pg_catalog.pg_class p where p.relkind = 'r' and (p.oid = c.oid or p.oid in (select t.oid from tree t where t.root = c.oid))) as rows,
  case when c.relkind = 'r' then coalesce(pg_catalog.pg_relation_size(c.oid), 0) / pg_catalog.current_setting('block_size')::int else 0 end::pg_catalog.text as pages,
  coalesce((select am.amname = 'heap' from pg_catalog.pg_am am where am.oid = c.relam), false) as heap,
  pg_catalog.row_security_active(c.oid) as hidden,
  pg_catalog.has_table_privilege(c.oid, 'SELECT') and pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') as readable,
  pg_catalog.has_table_privilege(c.oid, 'INSERT') and pg_catalog.has_table_privilege(c.oid, 'UPDATE')
    and pg_catalog.has_table_privilege(c.oid, 'DELETE') as writable,
  pg_catalog.pg_has_role(c.relowner, 'USAGE') as owned,
  (select pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'quoted', pg_catalog.quote_ident(a.attname),
      'type', pg_catalog.format_type(a.atttypid, a.atttypmod), 'base', pg_catalog.format_type(b.base, -1), 'typeOid', b.base::bigint,
      'output', pg_catalog.quote_ident(fn.nspname) || '.' || pg_catalog.quote_ident(f.proname), 'generated', a.attgenerated <> '',
      'identity', a.attidentity) order by a.attname collate pg_catalog."C")
    from pg_catalog.pg_attribute a join base b on b.oid = a.atttypid join pg_catalog.pg_type t on t.oid = b.base
    join pg_catalog.pg_proc f on f.oid = t.typoutput join pg_catalog.pg_namespace fn on fn.oid = f.pronamespace
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
  (select key.columns from pg_catalog.pg_index i cross join lateral (
      select pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'equal', pg_catalog.format('operator(%I.%s)', n.nspname, o.oprname),
          'exact', oc.opcintype in (${EXACT_TYPES}) and not exists (select from pg_catalog.pg_collation l where l.oid = k.sorting and not l.collisdeterministic)) order by k.place) as columns,
        pg_catalog.bool_and(a.attnotnull) as given, pg_catalog.count(*) as n
      from rows from (pg_catalog.unnest(i.indkey::pg_catalog.int2[]), pg_catalog.unnest(i.indclass::pg_catalog.oid[]), pg_catalog.unnest(i.indcollation::pg_catalog.oid[]))
        with ordinality as k(attnum, class, sorting, place)
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
      join pg_catalog.pg_opclass oc on oc.oid = k.class
      join pg_catalog.pg_amop am on am.amopfamily = oc.opcfamily and am.amopstrategy = 3 and am.amoplefttype = oc.opcintype and am.amoprighttype = oc.opcintype
      join pg_catalog.pg_operator o on o.oid = am.amopopr join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
      where k.place <= i.indnkeyatts) key
    where i.indrelid = c.oid and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null and i.indexprs is null
      and key.given and key.n = i.indnkeyatts
      and exists (select from pg_catalog.pg_class x join pg_catalog.pg_am am on am.oid = x.relam where x.oid = i.indexrelid and am.amname = 'btree')
    order by i.indisprimary desc, i.indnkeyatts, i.indexrelid limit 1) as key,
  (select pg_catalog.json_agg(pg_catalog.json_build_object('name', pg_catalog.quote_ident(t.tgname), 'enabled', t.tgenabled,
      'on', pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(tc.relname)) order by t.tgname collate pg_catalog."C", tc.oid)
    from pg_catalog.pg_trigger t join pg_catalog.pg_class tc on tc.oid = t.tgrelid join pg_catalog.pg_namespace tn on tn.oid = tc.relnamespace
    where (t.tgrelid = c.oid or t.tgrelid in (select x.oid from tree x where x.root = c.oid)) and not t.tgisinternal and t.tgenabled <> 'D'
      and (pg_catalog.to_jsonb(t)->>'tgparentid') is not distinct from '0') as triggers,
  (select pg_catalog.json_agg(pg_catalog.json_build_object('name', pg_catalog.quote_ident(sn.nspname) || '.' || pg_catalog.quote_ident(s.relname),
      'column', a.attname, 'ascending', q.seqincrement > 0))
    from pg_catalog.pg_depend d join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
    join pg_catalog.pg_namespace sn on sn.oid = s.relnamespace join pg_catalog.pg_sequence q on q.seqrelid = s.oid
    join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      and d.refobjid = c.oid and d.deptype in ('a', 'i')) as sequences
from listed c
order by c.nspname collate pg_catalog."C", c.relname collate pg_catalog."C"`;

/** Every table of a user's, members of extensions excluded. `path`: the schemas in which a bare name is looked for. */
export async function describeTables(asker: Asker, path: readonly string[]): Promise<Table[]> {
  const rows = await asker.ask(QUERY, [path]);
  return rows.map((row) => ({
    ...(row as unknown as Table),
    oid: Number(row.oid),
    root: row.root === null ? null : Number(row.root),
    estimatedRows: Number(row.rows ?? 0),
    pages: Number(row.pages),
    isHeap: row.heap === true,
    columns: (row.columns ?? []) as Column[],
    key: (row.key ?? []) as KeyColumn[],
    triggers: (row.triggers ?? []) as Table["triggers"],
    sequences: (row.sequences ?? []) as Table["sequences"],
  }));
}

/** Where its rows are: inheritance children have tables of their own, partitions do not. */
export const fromOf = ({ kind, name }: Table): string => (kind === "p" ? name : `only ${name}`);

export const storedColumns = ({ columns }: Table): Column[] => columns.filter(({ generated }) => !generated);

export const keyColumns = ({ key, columns }: Table): Column[] =>
  key.map(({ name }) => {
    const column = columns.find((each) => each.name === name);
    if (column === undefined) throw new Error("a key names a column that its table lacks");
    return column;
  });

/** Whether two rows with one key also write it alike. */
export const isExact = ({ key }: Table): boolean => key.every(({ exact }) => exact);

/** Columns of `alias` as expressions that hash alike in every cluster. */
const hashed = (columns: readonly Column[], alias: string): string[] =>
  columns.map(({ quoted, typeOid, output }) => columnExpression({ name: `${alias}.${quoted}`, typeOid, output }));

/** Hash of the whole row `alias`, generated columns excluded: what they hold follows from the others. */
export const rowHash = (table: Table, algorithm: RowAlgorithm, alias: string): string =>
  ROW_ALGORITHMS[algorithm](`row(${hashed(storedColumns(table), alias).join(", ")})`);

/**
 * Seeded hashes of single columns, by type, without the record around them, which takes most of a scan's time. As distinct as the
 * record's: a bigint's own hash folds both halves into one, so the seed holds the whole value.
 */
const PLAIN_HASHES: ReadonlyMap<number, (column: string, seed: number) => string> = new Map([
  [16, (c, seed) => `pg_catalog.hashint4extended(${c}::pg_catalog.int4, ${seed})`],
  [20, (c, seed) => `pg_catalog.hashint8extended(${c}, ${c} # ${seed})`],
  [21, (c, seed) => `pg_catalog.hashint4extended(${c}::pg_catalog.int4, ${seed})`],
  [23, (c, seed) => `pg_catalog.hashint4extended(${c}, ${seed})`],
  [25, (c, seed) => `pg_catalog.hashtextextended(${c} collate pg_catalog."C", ${seed})`],
  [1043, (c, seed) => `pg_catalog.hashtextextended(${c}::pg_catalog.text collate pg_catalog."C", ${seed})`],
  [1700, (c, seed) => `pg_catalog.hashtextextended(pg_catalog.textin(pg_catalog.numeric_out(${c})) collate pg_catalog."C", ${seed})`],
  [2950, (c, seed) => `pg_catalog.uuid_hash_extended(${c}, ${seed})`],
]);

/** Hash of the key alone: it decides the slice in which a row is compared, and the order of the rows in it. */
export function keyHash(table: Table, algorithm: RowAlgorithm, alias: string): string {
  const columns = keyColumns(table);
  const [only] = columns;
  const plain = columns.length === 1 && only !== undefined ? PLAIN_HASHES.get(only.typeOid)?.(`${alias}.${only.quoted}`, 0) : undefined;
  return plain ?? ROW_ALGORITHMS[algorithm](`row(${hashed(columns, alias).join(", ")})`);
}

/**
 * What a row adds to the digest of its slice: it differs where `rowHash` does, and takes less time. A seed tells the columns
 * apart and another constant a null, and the hash of all of them keeps two rows that exchange a value from having the same sum.
 */
export function rowDigest(table: Table, algorithm: RowAlgorithm, alias: string): string {
  const columns = storedColumns(table);
  const hashes = columns.map(({ quoted, typeOid }, i) => PLAIN_HASHES.get(typeOid)?.(`${alias}.${quoted}`, i + 1));
  const plain = hashes.flatMap((hash, i) => (hash === undefined ? [] : [`coalesce(${hash}, ${-i - 1})`]));
  const others = columns.filter((_, i) => hashes[i] === undefined);
  const rest = others.length === 0 && plain.length > 0 ? [] : [ROW_ALGORITHMS[algorithm](`row(${hashed(others, alias).join(", ")})`)];
  return `pg_catalog.hashint8extended(0, ${[...plain, ...rest].join(" # ")})`;
}

/** A column as the text that its type prints. */
export const textOf = ({ quoted, output }: Column, alias: string): string => `pg_catalog.textin(${output}(${alias}.${quoted}))`;

const NUMERIC = 1700;

/** The text of a value in a key: one text for all that numeric and citext call equal, however it is written. */
export function keyTextOf(column: Column, alias: string): string {
  const { quoted, output, typeOid } = column;
  if (typeOid === NUMERIC) return `pg_catalog.textin(${output}(pg_catalog.trim_scale(${alias}.${quoted})))`;
  const text = textOf(column, alias);
  return output.endsWith("citextout") ? `pg_catalog.lower(${text})` : text;
}

/** Several columns as one row of texts; equal to none when one of them is null. */
export const textsOf = (columns: readonly Column[], alias: string): string =>
  `row(${columns.map((one) => keyTextOf(one, alias)).join(", ")})`;
