// Gives a restored database its final name, in the place of one that has it.
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { TakeNameOptions } from "../../../ports/restore-target.ts";
import type { Client } from "../connect/client.ts";
import { quoteName as quote, quoteText } from "../connect/quote.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { withDatabase } from "../connect/url.ts";
import { commentOf, markDatabase } from "./own-database.ts";
import { dropWhole, occupantsIn, withServer } from "./target.ts";

/**
 * Everything in one transaction: at every instant one database has the name, the old or the new, and takes connections. Owner,
 * privileges, settings, comment and connection limit of a replaced one are given to its successor; the mark of the job is removed with
 * the temporary name. The replaced database stays under the name and with the mark of `keep`. An empty one is dropped.
 */
export async function takeName(server: Connection, finished: string, name: string, options: TakeNameOptions): Promise<boolean> {
  if (finished === name) {
    await withServer(server, [name], options, async (client) => markDatabase(client, name, undefined));
    return false;
  }
  const { keep = { name: `${finished}_old`, mark: "" } } = options;
  return await withServer(server, [finished, name], options, (client) =>
    withServer(server, [finished, name], options, async (other) => {
      const succession = await client.query<{ sql: string }>(SUCCESSION, [name, finished]);
      const settings = await settingsOf(client, finished, name);
      const replaces = (await commentOf(client, name)) !== undefined;
      const statements = [
        ...succession.map(({ sql }) => sql),
        ...settings,
        ...(replaces
          ? [`comment on database ${quote(name)} is ${quoteText(keep.mark)}`, `alter database ${quote(name)} rename to ${quote(keep.name)}`]
          : []),
        `alter database ${quote(finished)} rename to ${quote(name)}`,
      ];
      const renamed = client.query(`begin; ${statements.join("; ")}; commit`);
      try {
        await withoutSessions(other, [finished, name], renamed);
      } catch (error) {
        await client.query("rollback").catch(() => {
          // The connection is gone, and the transaction with it; why is what `error` says.
        });
        if (sqlStateOf(error) !== "42501") throw error;
        throw new LifeboatError("SOURCE_PERMISSION", `the user of ${server.label} may not rename the database ${name}`, { cause: error });
      }
      if (!replaces) return false;
      // It is out of reach under its old name: what it holds now is all that it will ever hold.
      const kept = await occupantsIn(withDatabase(server, keep.name), options).catch(() => undefined);
      if (kept === undefined || kept.length > 0) return true;
      return await dropWhole(client, server, keep.name, options).then(
        () => false,
        () => true,
      );
    }),
  );
}

/** Statements that give `$2` what `$1` has. Of a job's own database the comment is its mark, which goes in any case. */
const SUCCESSION = `
with old as (select * from pg_catalog.pg_database where datname = $1),
granted as (select a.* from old, pg_catalog.aclexplode(old.datacl) a)
select sql from (
  select 1 as place, pg_catalog.format('comment on database %I is %L', $2::pg_catalog.text,
    (select pg_catalog.shobj_description(oid, 'pg_database') from old)) as sql
  union all
  select 2, pg_catalog.format('alter database %I connection limit %s', $2::pg_catalog.text, datconnlimit) from old where datconnlimit >= 0
  union all
  select 3, pg_catalog.format('alter database %I owner to %s', $2::pg_catalog.text, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(datdba))) from old
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

const ENDING_PAUSE_MS = 50;

/**
 * Ends the sessions of these databases, by another connection, while the server waits with the renaming for them to go. It lets no new
 * one in meanwhile: a session that begins waits for the lock of the renaming, and then finds the database of that name.
 */
async function withoutSessions(other: Client, names: readonly string[], renamed: Promise<unknown>): Promise<void> {
  let over = false;
  const end = renamed.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  void end.then(() => {
    over = true;
  });
  let refusal: { readonly error: unknown } | undefined;
  while (!over && refusal === undefined) {
    await other
      .query("select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where datname = any ($1)", [names])
      .catch((error: unknown) => {
        refusal = { error };
      });
    await Promise.race([end, new Promise((resolve) => setTimeout(resolve, ENDING_PAUSE_MS))]);
  }
  const failed = await end;
  // A session that may not be ended is why the renaming gave up; where it went after all, nothing was in the way.
  if (failed !== undefined) throw refusal?.error ?? failed.error;
}
