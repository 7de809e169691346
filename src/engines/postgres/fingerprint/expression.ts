// How one column enters a row's hash. Chosen from the catalog, never by trying.

export interface HashedColumn {
  /** Quoted where needed. */
  readonly name: string;
  /** OID of the type below all domains. */
  readonly typeOid: number;
  /** The type's output function, qualified and quoted: what a dump writes is what this prints. */
  readonly output: string;
}

type Expression = (column: string) => string;

const asIs: Expression = (c) => c;
const text: Expression = (c) => `${c} collate pg_catalog."C"`;
const call =
  (name: string): Expression =>
  (c) =>
    `pg_catalog.${name}(${c})`;
/** NaN has many bit patterns (`inf - inf` makes a negative one) and a dump knows one; -0 must stay apart from 0. */
const float =
  (type: string, send: string): Expression =>
  (c) =>
    `pg_catalog.${send}(case when ${c} = 'NaN'::${type} then 'NaN'::${type} else ${c} end)`;

/**
 * Built-in types, by OID. As they are: types whose hash is the same in every cluster and differs for every two values
 * that differ. In binary form: types that hash different values alike (1.10 and 1.1, 0 and -0, '1 mon' and '30 days',
 * char(n) padding, a bigint whose halves agree). `"char"` is signed on some machines and not on others, an int4 is.
 */
const BUILT_IN: ReadonlyMap<number, Expression> = new Map<number, Expression>([
  [16, asIs], // bool
  [17, asIs], // bytea
  [18, (c) => `${c}::pg_catalog.int4`], // "char"
  [19, (c) => `${c}::pg_catalog.text collate pg_catalog."C"`], // name
  [20, call("int8send")], // bigint: its hash folds both halves into one, 1 and 4294967296 are alike
  [21, asIs], // int2
  [23, asIs], // int4
  [25, text], // text
  [26, asIs], // oid
  [700, float("pg_catalog.float4", "float4send")],
  [701, float("pg_catalog.float8", "float8send")],
  [790, call("cash_send")], // money
  [650, asIs], // cidr
  [869, asIs], // inet
  [829, asIs], // macaddr
  [774, asIs], // macaddr8
  [1042, call("bpcharsend")], // char(n)
  [1043, (c) => `${c}::pg_catalog.text collate pg_catalog."C"`], // varchar
  [1082, asIs], // date
  [1083, asIs], // time
  [1114, asIs], // timestamp
  [1184, asIs], // timestamptz
  [1186, call("interval_send")],
  [1700, call("numeric_send")],
  [2950, asIs], // uuid
  [3802, call("jsonb_send")],
]);

/**
 * The SQL expression of a column. Every other type, arrays and user types included, goes through its own output function:
 * enum, regclass and the like hash by OID; json, xml, bit, geometric and text-search types have no hash; and a cast to
 * text may be a user's function or, for xml, show a declaration that a dump does not write.
 */
export function columnExpression(column: HashedColumn): string {
  const known = BUILT_IN.get(column.typeOid);
  return known ? known(column.name) : `pg_catalog.textin(${column.output}(${column.name})) collate pg_catalog."C"`;
}

/** `pg-rows-1` needs `hash_record_extended` (PostgreSQL 14); `pg-rows-text-1` is slower and runs on older servers too. */
export const ROW_ALGORITHMS = {
  "pg-rows-1": (row: string) => `pg_catalog.hash_record_extended(${row}, 0)`,
  "pg-rows-text-1": (row: string) =>
    `pg_catalog.hashtextextended(pg_catalog.textin(pg_catalog.record_out(${row})) collate pg_catalog."C", 0)`,
} as const;

export type RowAlgorithm = keyof typeof ROW_ALGORITHMS;

/**
 * The select list `n, s`: how many rows, and the order-free sum of their hashes. A record's hash is linear in its columns,
 * so the sum of record hashes alone would not see two rows exchange a value: the outer hash is essential.
 */
export function rowsExpression(columns: readonly string[], algorithm: RowAlgorithm): string {
  if (columns.length === 0) return "pg_catalog.count(*)::pg_catalog.text as n, '0' as s";
  const record = ROW_ALGORITHMS[algorithm](`row(${columns.join(", ")})`);
  return `pg_catalog.count(*)::pg_catalog.text as n, coalesce(pg_catalog.sum(pg_catalog.hashint8extended(${record}, 0)), 0)::pg_catalog.text as s`;
}
