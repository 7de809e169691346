// Gives a restored database its final name, in the place of one that has it.
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { Client } from "../connect/client.ts";
import { quoteName as quote, quoteText } from "../connect/quote.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { withServer } from "./target.ts";

/**
 * Renames in one transaction: at every instant one database has the name, the old or the new. Owner, privileges, settings and connection
 * limit of a replaced one are given to its successor first. A crash before the end leaves the replaced one as `<finished>_old`.
 */
export async function takeName(server: Connection, finished: string, name: string, work: Work): Promise<void> {
  await withServer(server, [finished, name], work, async (client) => {
    const statements = await client.query<{ sql: string }>(SUCCESSION, [name, finished]);
    for (const { sql } of statements) await client.query(sql);
    for (const statement of await settingsOf(client, finished, name)) await client.query(statement);
    const replaces = await exists(client, name);
    const old = `${finished}_old`;
    try {
      // Nobody may come in between the end of the sessions and the renaming.
      if (replaces) await client.query(`alter database ${quote(name)} with allow_connections false`);
      await endSessions(client, [finished, name]);
      const away = replaces ? `alter database ${quote(name)} rename to ${quote(old)};` : "";
      await client.query(`begin; ${away} alter database ${quote(finished)} rename to ${quote(name)}; commit`);
    } catch (error) {
      await client.query("rollback").catch(() => {
        // The connection is gone, and the transaction with it; why is what `error` says.
      });
      if (replaces && (await exists(client, name))) await client.query(`alter database ${quote(name)} with allow_connections true`);
      if (sqlStateOf(error) !== "42501") throw error;
      throw new LifeboatError("SOURCE_PERMISSION", `the user of ${server.label} may not rename the database ${name}`, { cause: error });
    }
    if (replaces)
      await client.query(`drop database if exists ${quote(old)}${client.serverVersionNumber >= 130_000 ? " with (force)" : ""}`);
  });
}

/** Statements that give `$2` what `$1` has; none when there is no `$1`. */
const SUCCESSION = `
with old as (select * from pg_catalog.pg_database where datname = $1),
granted as (select a.* from old, pg_catalog.aclexplode(old.datacl) a)
select sql from (
  select 1 as place, pg_catalog.format('alter database %I owner to %s', $2::pg_catalog.text, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(datdba))) as sql from old
  union all
  select 2, pg_catalog.format('alter database %I connection limit %s', $2::pg_catalog.text, datconnlimit) from old where datconnlimit >= 0
  union all
  select 3, pg_catalog.format('comment on database %I is %L', $2::pg_catalog.text, pg_catalog.shobj_description(oid, 'pg_database'))
  from old where pg_catalog.shobj_description(oid, 'pg_database') is not null
  union all
  select 4, pg_catalog.format('revoke all on database %I from public', $2::pg_catalog.text) from old where datacl is not null
  union all
  select 5, pg_catalog.format('grant %s on database %I to %s%s', privilege_type, $2::pg_catalog.text,
    case grantee when 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) end,
    case when is_grantable then ' with grant option' else '' end) from granted
) statements order by place`;

/** Settings that are lists of names: each name is a value of its own. */
const LISTS = new Set(["search_path", "session_preload_libraries", "local_preload_libraries", "temp_tablespaces"]);

async function settingsOf(client: Client, finished: string, name: string): Promise<string[]> {
  const rows = await client.query<{ role: string | null; setting: string }>(
    `select case s.setrole when 0 then null else pg_catalog.pg_get_userbyid(s.setrole)::pg_catalog.text end as role, setting
     from pg_catalog.pg_db_role_setting s join pg_catalog.pg_database d on d.oid = s.setdatabase, pg_catalog.unnest(s.setconfig) setting
     where d.datname = $1`,
    [name],
  );
  return rows.map(({ role, setting }) => {
    const at = setting.indexOf("=");
    const [key, value] = [setting.slice(0, at), setting.slice(at + 1)];
    const parts = LISTS.has(key) ? (value.match(/"(?:[^"]|"")*"|[^,\s]+/g) ?? [""]) : [value];
    const values = parts.map((part) => quoteText(LISTS.has(key) && part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part));
    const who = role === null ? `database ${quote(finished)}` : `role ${quote(role)} in database ${quote(finished)}`;
    return `alter ${who} set ${key.split(".").map(quote).join(".")} to ${values.join(", ")}`;
  });
}

async function exists(client: Client, name: string): Promise<boolean> {
  return (await client.query("select 1 from pg_catalog.pg_database where datname = $1", [name])).length > 0;
}

const ENDING_ATTEMPTS = 50;
const ENDING_PAUSE_MS = 100;

async function endSessions(client: Client, names: readonly string[]): Promise<void> {
  for (let attempt = 0; attempt < ENDING_ATTEMPTS; attempt++) {
    const rows = await client.query(
      "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where datname = any ($1)",
      [names],
    );
    if (rows.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, ENDING_PAUSE_MS));
  }
}
