// Tables in use that a load is about to change: no other session writes to them while what they hold is stored.
import type { LoadOptions } from "../../../ports/engine.ts";
import type { TocEntry } from "../archive/contents.ts";
import type { Client } from "../connect/client.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { LOCK_TIMEOUT } from "./clear.ts";

export type TableName = Pick<TocEntry, "schema" | "name">;

/** The schemas and names of qualified names, as the server takes them apart. */
export async function namesOf(client: Client, qualified: readonly string[]): Promise<TableName[]> {
  return await client.query<{ schema: string; name: string }>(
    "select parts[1] as schema, parts[2] as name from (select pg_catalog.parse_ident(one) as parts from pg_catalog.unnest($1::pg_catalog.text[]) one) names",
    [qualified],
  );
}

/**
 * Within a transaction: locks the tables against other writes and has `beforeChange` store what they hold. Others may read them meanwhile.
 * Nothing is locked without `beforeChange`.
 */
export async function holdStill(client: Client, tables: readonly TableName[], { beforeChange }: LoadOptions): Promise<void> {
  if (beforeChange === undefined) return;
  const rows = await client.query<{ name: string; present: boolean }>(
    `select pg_catalog.quote_ident(wanted.schema) || '.' || pg_catalog.quote_ident(wanted.name) as name, c.oid is not null as present
     from rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) as wanted(schema, name)
     left join pg_catalog.pg_namespace n on n.nspname = wanted.schema
     left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = wanted.name and c.relkind in ('r', 'p') order by 1`,
    [tables.map(({ schema }) => schema), tables.map(({ name }) => name)],
  );
  const [present, absent] = [rows.filter((one) => one.present), rows.filter((one) => !one.present)].map((some) =>
    some.map(({ name }) => name),
  );
  if (present === undefined || present.length === 0) return;
  // Storing may take longer than a server lets an open transaction wait.
  await client.query("set local idle_in_transaction_session_timeout = 0");
  await client.query(`lock table ${present.join(", ")} in exclusive mode`);
  await beforeChange({ present, absent: absent ?? [] });
}

/** Another session holds what the strongest lock needs, or both would wait for each other. */
const IN_THE_WAY = new Set(["55P03", "40P01"]);

/** Takes the strongest lock on tables that are locked already. False: readers are in the way, and the weaker lock stays. */
export async function lockWhole(client: Client, tables: string): Promise<boolean> {
  await client.query("savepoint lock; set local lock_timeout = '5s'");
  try {
    await client.query(`lock table ${tables} in access exclusive mode; release savepoint lock; ${LOCK_TIMEOUT}`);
    return true;
  } catch (error) {
    if (!IN_THE_WAY.has(sqlStateOf(error) ?? "")) throw error;
    await client.query("rollback to savepoint lock");
    return false;
  }
}
