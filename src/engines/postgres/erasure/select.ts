// The keys of an erasure, as the live database writes them. Nothing is changed, and no message contains a key.
import { LifeboatError } from "../../../core/errors.ts";
import { didYouMean } from "../../../core/suggest.ts";
import type { Connection } from "../../../ports/connection.ts";
import { hashOfKey, type KeySelection, type SelectedKeys } from "../../../ports/erasure.ts";
import { type Client, openClient, ordinaryPath } from "../connect/client.ts";
import { directConnection } from "../connect/pooled.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { matching } from "../dump/tables.ts";
import { asSourceError } from "../fingerprint/failure.ts";
import { checkedCondition } from "../merge/condition.ts";
import { type Column, describeTables, keyColumns, keyTextOf, type Table } from "../merge/tables.ts";
import { columnsNamed, isErased } from "./match.ts";

export async function selectKeys(given: Connection, selection: KeySelection): Promise<SelectedKeys> {
  const live = directConnection(given);
  const { signal, salt } = selection;
  const path = await ordinaryPath(live, { signal });
  const client = await openClient(live, { signal, statementTimeoutMs: 0 });
  try {
    const table = tableOf(await describeTables({ ask: (sql, values) => client.query(sql, values) }, path), selection.table, live.label);
    const columns = columnsOf(table, selection.columns);
    const names = columns.map(({ name }) => name);
    const texts = async (): Promise<string[][]> =>
      selection.where === undefined ? read(client, columns, selection.keys ?? []) : chosen(client, table, columns, selection.where);
    const hashes = selection.hashes ?? [...new Set((await texts()).map((key) => hashOfKey(salt, key)))];
    const condition = isErased(columns, { salt }, "t", 1);
    const [row] = await client.query<{ n: string }>(
      `select pg_catalog.count(*)::pg_catalog.text as n from ${table.name} t where ${condition}`,
      [hashes],
    );
    return { table: table.name, columns: names, salt, hashes, live: Number(row?.n) };
  } catch (error) {
    throw asSourceError(error, signal);
  } finally {
    await client.close();
  }
}

function tableOf(tables: readonly Table[], wanted: string, label: string): Table {
  const found = matching(tables, wanted);
  const [table] = found;
  if (table === undefined) {
    const names = tables.flatMap(({ table: bare, name, visible }) => (visible ? [bare, name] : [name]));
    throw new LifeboatError("TABLE_UNKNOWN", `${label} has no table ${wanted}${didYouMean(wanted, names)}`);
  }
  if (found.length > 1) throw new LifeboatError("USAGE", `${wanted} means ${found.length} tables: name one`);
  return table;
}

function columnsOf(table: Table, wanted: readonly string[] | undefined): readonly Column[] {
  if (wanted === undefined || wanted.length === 0) {
    if (table.key.length > 0) return keyColumns(table);
    throw new LifeboatError("USAGE", `${table.name} has no primary key`, { hint: "name the columns of the keys with --column" });
  }
  const columns = columnsNamed(table, wanted);
  if (typeof columns !== "string") return columns;
  const names = table.columns.map(({ name }) => name);
  throw new LifeboatError("USAGE", `${table.name} has no column ${columns}${didYouMean(columns, names)}`);
}

/** With its length, which decides how a value is padded or rounded; of a domain, the type below it, whose checks run no code. */
const castOf = ({ type, base }: Column): string => (type.startsWith(base) || type.startsWith("character(") ? type : base);

/** Each value as its column would print it. */
async function read(client: Client, columns: readonly Column[], keys: readonly (readonly string[])[]): Promise<string[][]> {
  if (keys.some((key) => key.length !== columns.length)) {
    const names = columns.map(({ name }) => name).join(", ");
    throw new LifeboatError("USAGE", `a key has another number of values than columns (${names})`, {
      hint: columns.length === 1 ? "give one value for each --key" : `give each key as a JSON array: --key '["a", "b"]'`,
    });
  }
  const typed = columns.map((column, i) => `k.k${i}::${castOf(column)} as v${i}`).join(", ");
  const printed = columns.map((column, i) => `${keyTextOf({ ...column, quoted: `v${i}` }, "t")} as t${i}`).join(", ");
  const given = columns.map((_, i) => `pg_catalog.unnest($${i + 1}::pg_catalog.text[])`).join(", ");
  const names = columns.map((_, i) => `k${i}`).join(", ");
  const sql = `select ${printed} from (select ${typed} from rows from (${given}) as k(${names})) t`;
  try {
    const rows = await client.query<Record<string, string>>(
      sql,
      columns.map((_, i) => keys.map((key) => key[i])),
    );
    return rows.map((row) => columns.map((_, i) => String(row[`t${i}`])));
  } catch (error) {
    // Data exceptions: the server's own message quotes the value.
    if (!/^(22|23)/.test(sqlStateOf(error) ?? "")) throw error;
    const types = columns.map(({ name, type }) => `${name} (${type})`).join(", ");
    throw new LifeboatError("USAGE", `a key is not a valid value of ${types}`);
  }
}

/** The keys of the live rows for which the condition holds. */
async function chosen(client: Client, table: Table, columns: readonly Column[], where: string): Promise<string[][]> {
  const condition = checkedCondition(where, (name) => table.columns.some((column) => column.name === name));
  const given = columns.map(({ quoted }) => `t.${quoted} is not null`).join(" and ");
  const printed = columns.map((column, i) => `${keyTextOf(column, "t")} as t${i}`).join(", ");
  const rows = await client.query<Record<string, string>>(
    `select distinct ${printed} from ${table.name} t where ${given} and ${condition}`,
  );
  if (rows.length === 0) {
    throw new LifeboatError("USAGE", `the condition holds for no row of ${table.name}`, {
      hint: "give the keys of rows that are gone already with --key",
    });
  }
  return rows.map((row) => columns.map((_, i) => String(row[`t${i}`])));
}
