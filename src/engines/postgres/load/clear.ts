// Makes room for a restore that was told to replace: in one transaction, so that either all of it happened or nothing.
import { LifeboatError } from "../../../core/errors.ts";
import type { TocEntry } from "../archive/contents.ts";
import type { Client } from "../connect/client.ts";
import { quoteName as quote } from "../connect/quote.ts";
import { sqlStateOf } from "../connect/translate.ts";

export const LOCK_TIMEOUT = "set local lock_timeout = '60s'";

/** Qualified and quoted names of those that the database holds. */
export async function existing(client: Client, tables: readonly Pick<TocEntry, "schema" | "name">[]): Promise<string[]> {
  const rows = await client.query<{ schema: string; name: string }>(
    `select n.nspname::pg_catalog.text as schema, c.relname::pg_catalog.text as name from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     join rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) as wanted(schema, name) on wanted.schema = n.nspname and wanted.name = c.relname`,
    [tables.map((table) => table.schema), tables.map((table) => table.name)],
  );
  return rows.map((row) => `${quote(row.schema)}.${quote(row.name)}`);
}

/** `done`: what could not be done to the database, as `replaced`. LOAD_FAILED, and nothing is changed. */
export async function inTransaction(client: Client, done: string, act: () => Promise<void>): Promise<void> {
  await client.query("begin");
  try {
    await client.query(LOCK_TIMEOUT);
    await act();
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => {
      // The connection is gone, and the transaction with it; why is what `error` says.
    });
    const state = sqlStateOf(error);
    if (state === undefined || error instanceof LifeboatError) throw error;
    // Elsewhere a detail may be a row.
    const detail = NAMES_OBJECTS.has(state) ? (error as { detail?: string }).detail : undefined;
    const message = error instanceof Error ? error.message : String(error);
    throw new LifeboatError(
      "LOAD_FAILED",
      `${client.connection.label} could not be ${done}: ${message}${detail === undefined ? "" : ` (${detail.split("\n")[0]})`}`,
      {
        cause: error,
        hint: HINTS[state] ?? "nothing was changed; restore into a new database instead",
      },
    );
  }
}

/** Where other objects depend on a table that would be replaced. */
export const OTHERWISE = "nothing was changed; --data-only replaces the rows and keeps the tables; or restore into a new database instead";
const NAMES_OBJECTS = new Set(["2BP01", "0A000"]);
const HINTS: Readonly<Record<string, string>> = {
  "55P03": "nothing was changed; end the sessions that use this database, then restore again",
  "53200": "nothing was changed; raise max_locks_per_transaction on the server, or restore into a new database instead",
  "2BP01": OTHERWISE,
};
