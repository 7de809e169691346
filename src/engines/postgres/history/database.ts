// One row in a running database, read again and again while the database moves forward through its history.
import { LifeboatError } from "../../../core/errors.ts";
import type { RowFound } from "../../../core/row-history.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { RowName, RowReader } from "../../../ports/row-history.ts";
import { type Client, openClient, ordinaryPath } from "../connect/client.ts";
import { quoteName, readableName } from "../connect/quote.ts";
import { sqlStateOf, translateError } from "../connect/translate.ts";
import { matching } from "../dump/tables.ts";
import { USER_SCHEMA } from "../fingerprint/relations.ts";
import { assertOneTable, conditionOf, type KeyColumn, keyValues } from "./key.ts";

/** Where the row is in the files of the server: what a record of the WAL names. */
export interface RowPlace {
  /** OID of the database. */
  readonly database: number;
  /** Files of the table and its partitions. Empty: there is no such table. */
  readonly files: ReadonlySet<number>;
  /** The file of `pg_class`: what is written there may give the table other files. */
  readonly catalog: number;
  /** The file and the block of the row. Undefined: the row is not there. */
  readonly block?: { readonly file: number; readonly block: number } | undefined;
}

// None of these statements takes a lock on a user's table: one that is locked in this instant must not be in the way.
const TABLES = `
select c.oid::bigint::pg_catalog.text as oid, n.nspname::pg_catalog.text as schema, c.relname::pg_catalog.text as "table", c.relkind = 'p' as partitioned,
  coalesce(path.place = pg_catalog.min(path.place) over (partition by c.relname), false) as visible
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.unnest($1::pg_catalog.text[]) with ordinality as path(name, place) on path.name = n.nspname
where c.relkind in ('r', 'p') and c.relpersistence <> 't' and ${USER_SCHEMA}`;

const COLUMNS = `
select a.attname::pg_catalog.text as name, pg_catalog.format_type(a.atttypid, a.atttypmod) as type, key.place::int as place, key.equal
from pg_catalog.pg_attribute a
left join lateral (
  select i.indkey, i.indclass, i.indnkeyatts from pg_catalog.pg_index i
  where i.indrelid = a.attrelid and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null and i.indexprs is null
    and not exists (select from pg_catalog.pg_attribute k where k.attrelid = i.indrelid and k.attnum = any (i.indkey) and not k.attnotnull)
  order by i.indisprimary desc, i.indnkeyatts, i.indexrelid limit 1) chosen on true
left join lateral (
  select k.place, pg_catalog.format('operator(%I.%s)', n.nspname, o.oprname) as equal
  from rows from (pg_catalog.unnest(chosen.indkey::pg_catalog.int2[]), pg_catalog.unnest(chosen.indclass::pg_catalog.oid[]))
    with ordinality as k(attnum, class, place)
  join pg_catalog.pg_opclass oc on oc.oid = k.class
  join pg_catalog.pg_amop am on am.amopfamily = oc.opcfamily and am.amopstrategy = 3 and am.amoplefttype = oc.opcintype
    and am.amoprighttype = oc.opcintype
  join pg_catalog.pg_operator o on o.oid = am.amopopr join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
  where k.attnum = a.attnum and k.place <= chosen.indnkeyatts) key on true
where a.attrelid = $1::pg_catalog.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
order by a.attnum`;

const FILES = `
with recursive tree(oid) as (
  select $1::pg_catalog.oid
  union all
  select i.inhrelid from tree t join pg_catalog.pg_inherits i on i.inhparent = t.oid
  join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relispartition
)
select oid::bigint::pg_catalog.text as oid, pg_catalog.pg_relation_filenode(oid)::bigint::pg_catalog.text as file from tree`;

const DATABASE = `
select (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())::bigint::pg_catalog.text as oid,
  pg_catalog.pg_relation_filenode('pg_catalog.pg_class')::bigint::pg_catalog.text as catalog`;

interface Table {
  readonly name: string;
  readonly quoted: string;
  readonly columns: readonly string[];
  readonly key: readonly (KeyColumn & { readonly equal: string })[];
  /** By OID of the table or partition. */
  readonly files: ReadonlyMap<string, number>;
}

/** Values that the server refuses for the type of the column. */
const REFUSED_VALUE: ReadonlySet<string | undefined> = new Set(["22P02", "22003", "22007", "22008", "22021"]);
const LOCKED = "55P03";
/** What is locked longer is told as not known. */
const LOCK_MS = 2000;

export async function openRow(connection: Connection, row: RowName, { signal }: Work = {}): Promise<RowReader> {
  assertOneTable(row);
  const path = await ordinaryPath(connection, { signal });
  const client = await openClient(connection, { signal });
  await client.query(`set lock_timeout = ${LOCK_MS}`);
  return new DatabaseRow(client, row, path);
}

class DatabaseRow implements RowReader {
  readonly #client: Client;
  readonly #row: RowName;
  readonly #path: readonly string[];
  #place: RowPlace | undefined;

  constructor(client: Client, row: RowName, path: readonly string[]) {
    this.#client = client;
    this.#row = row;
    this.#path = path;
  }

  async read(): Promise<RowFound> {
    this.#place = undefined;
    const [own] = await this.#client.query<{ oid: string; catalog: string }>(DATABASE);
    const about = { database: Number(own?.oid), catalog: Number(own?.catalog) };
    const table = await this.#table();
    if (table === undefined) {
      this.#place = { ...about, files: new Set() };
      return { missing: "table" };
    }
    const values = keyValues(table.name, table.key, this.#row.key);
    const found = await this.#find(table, values);
    const file = found && table.files.get(found.tableoid);
    this.#place = {
      ...about,
      files: new Set(table.files.values()),
      block: found && file !== undefined ? { file, block: found.block } : undefined,
    };
    const key = Object.fromEntries(table.key.map(({ name }, index) => [name, values[index] ?? ""]));
    return { row: found?.row, version: found?.version, named: { table: table.name, key, condition: conditionOf(table.key, values) } };
  }

  async originName(id: number): Promise<string | undefined> {
    const sql = "select roname from pg_catalog.pg_replication_origin where roident = $1::bigint::pg_catalog.oid";
    const [row] = await this.#client.query<{ roname: string }>(sql, [id]);
    return row?.roname;
  }

  place(): RowPlace {
    if (this.#place === undefined) throw new LifeboatError("BUG", "the row was not read");
    return this.#place;
  }

  end(): Promise<void> {
    return this.#client.close();
  }

  async #table(): Promise<Table | undefined> {
    type Named = { oid: string; schema: string; table: string; partitioned: boolean; visible: boolean };
    const all = await this.#client.query<Named>(TABLES, [this.#path]);
    const [found] = matching(all, this.#row.table);
    if (found === undefined) return undefined;
    const columns = await this.#client.query<{ name: string; type: string; place: number | null; equal: string }>(COLUMNS, [found.oid]);
    const files = await this.#client.query<{ oid: string; file: string | null }>(FILES, [found.oid]);
    const quoted = `${quoteName(found.schema)}.${quoteName(found.table)}`;
    return {
      name: `${readableName(found.schema)}.${readableName(found.table)}`,
      quoted: found.partitioned ? quoted : `only ${quoted}`,
      columns: columns.map(({ name }) => name),
      key: columns.filter(({ place }) => place !== null).sort((a, b) => (a.place ?? 0) - (b.place ?? 0)),
      files: new Map(files.flatMap(({ oid, file }) => (file === null ? [] : [[oid, Number(file)] as const]))),
    };
  }

  async #find({ name, quoted, columns, key }: Table, values: readonly string[]) {
    const where = key.map((column, index) => `${quoteName(column.name)} ${column.equal} $${index + 1}`).join(" and ");
    const text = `select tableoid, ctid, xmin, ${columns.map(quoteName).join(", ")} from ${quoted} where ${where}`;
    try {
      const { rows } = await this.#client.raw.query<(string | null)[]>({ text, values: [...values], rowMode: "array", types: AS_TEXT });
      const [first] = rows;
      if (first === undefined) return undefined;
      const [tableoid, ctid, xmin, ...fields] = first;
      const row = Object.fromEntries(columns.map((column, index) => [column, fields[index] ?? null]));
      return { row, version: xmin ?? "", tableoid: tableoid ?? "", block: Number(/^\((\d+),/.exec(ctid ?? "")?.[1]) };
    } catch (error) {
      const state = sqlStateOf(error);
      if (REFUSED_VALUE.has(state))
        throw new LifeboatError("USAGE", `the key is not valid: ${key.map((one) => `${one.name} is of type ${one.type}`).join(", ")}`);
      if (state === LOCKED)
        throw new LifeboatError("SOURCE_CHANGED", `${name} was locked at that instant by a transaction that was open`, { cause: error });
      throw translateError(error, this.#client.connection);
    }
  }
}

const AS_TEXT = { getTypeParser: () => (value: string) => value };
