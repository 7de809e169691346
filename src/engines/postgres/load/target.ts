// The database that a backup is loaded into: what it holds, how it is made, emptied and dropped.

import { asGiven } from "../../../core/address.ts";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { Undone } from "../../../ports/resource.ts";
import type { RestoreTarget } from "../../../ports/restore-target.ts";
import { type Client, openClient } from "../connect/client.ts";
import { quoteName as quote } from "../connect/quote.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { connectionFromUrl, looksLikePostgresUrl, partsOf, withDatabase } from "../connect/url.ts";
import { USER_SCHEMA } from "../fingerprint/relations.ts";
import { dropForced, dropOwnDatabase, markDatabase } from "./own-database.ts";

const NAMED = 5;

// `public` itself and the language that every database is born with do not count; members of extensions count with them.
const OCCUPANTS = `
with member as (select classid, objid from pg_catalog.pg_depend where deptype = 'e')
select what from (
  select 1 as place, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as what
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where ${USER_SCHEMA} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    and ('pg_catalog.pg_class'::pg_catalog.regclass, c.oid) not in (select classid, objid from member)
  union all
  select 2, 'function ' || p.oid::pg_catalog.regprocedure::pg_catalog.text
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where ${USER_SCHEMA} and ('pg_catalog.pg_proc'::pg_catalog.regclass, p.oid) not in (select classid, objid from member)
  union all
  select 3, 'type ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname)
  from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  where ${USER_SCHEMA} and t.typtype in ('e', 'd', 'r') and ('pg_catalog.pg_type'::pg_catalog.regclass, t.oid) not in (select classid, objid from member)
  union all
  select 4, 'schema ' || pg_catalog.quote_ident(n.nspname) from pg_catalog.pg_namespace n
  where ${USER_SCHEMA} and n.nspname <> 'public' and ('pg_catalog.pg_namespace'::pg_catalog.regclass, n.oid) not in (select classid, objid from member)
  union all
  select 5, 'extension ' || extname from pg_catalog.pg_extension where extname <> 'plpgsql'
  union all
  select 6, 'publication ' || pubname from pg_catalog.pg_publication
  union all
  select 7, 'large object ' || oid::pg_catalog.text from (select oid from pg_catalog.pg_largeobject_metadata limit 1) lo
) found order by place, what limit ${NAMED}`;

/** A few of the objects of a user's that the database holds; empty when it is as it was created. */
export async function occupantsOf(client: Client): Promise<readonly string[]> {
  return (await client.query<{ what: string }>(OCCUPANTS)).map((row) => row.what);
}

export interface CreateOptions extends Work {
  /** Put on it at once: see own-database.ts. */
  readonly mark?: string | undefined;
  /** The archive's own statement for its database, whose encoding and locale the new one shall have. */
  readonly like?: string | undefined;
}

/** What `--into` means: the address of a database, or the name of one on the source's server. RESTORE_TARGET_INVALID. */
export function resolveTarget(source: Connection | undefined, into: string): RestoreTarget {
  if (looksLikePostgresUrl(into)) {
    const connection = connectionFromUrl(into);
    assertName(partsOf(connection).database);
    return { server: withDatabase(connection, "postgres"), database: partsOf(connection).database, connection };
  }
  assertName(into);
  if (source === undefined)
    throw new LifeboatError("RESTORE_TARGET_INVALID", `${asGiven(into)} is a name on the source's server, and that is not known`);
  return { server: source, database: into, connection: withDatabase(source, into) };
}

const MAX_NAME_BYTES = 63;

/** The server would cut a longer one, and so reach or replace the database whose name is the beginning of it. */
function assertName(name: string): void {
  const isTooLong = Buffer.byteLength(name) > MAX_NAME_BYTES;
  if (name.trim() !== "" && !name.includes("\0") && !isTooLong && !name.startsWith("template")) return;
  const why = isTooLong ? `: it is longer than ${MAX_NAME_BYTES} bytes` : "";
  throw new LifeboatError("RESTORE_TARGET_INVALID", `${asGiven(name)} is not a valid name for a database to restore into${why}`);
}

export async function stateOf(
  target: RestoreTarget,
  work: Work,
): Promise<{ readonly exists: boolean; readonly occupants: readonly string[] }> {
  const client = await openClient(target.connection, { signal: work.signal }).catch((error: unknown) => {
    if (sqlStateOf(error) === "3D000") return undefined;
    throw error;
  });
  if (client === undefined) {
    // That its server refuses us is to be known before anything is begun there.
    await withServer(target.server, [target.database], work, async () => {});
    return { exists: false, occupants: [] };
  }
  try {
    return { exists: true, occupants: await occupantsOf(client) };
  } finally {
    await client.close();
  }
}

/**
 * Creates an empty database, from `template0` so that nothing of the server's template gets in. One that exists already:
 * RESTORE_TARGET_NOT_EMPTY. A locale that the server does not have falls back to `C`, and says so.
 */
export async function createDatabase(server: Connection, name: string, options: CreateOptions): Promise<Connection> {
  const traits = options.like === undefined ? "" : traitsOf(options.like);
  await withServer(server, [name], options, async (client) => {
    try {
      await client.query(`create database ${quote(name)} template template0${traits}`);
    } catch (error) {
      if (traits === "" || !LOCALE_STATES.has(sqlStateOf(error) ?? "")) throw refused(error, name, server);
      options.progress?.note(`the server has no locale like the backup's; ${name} sorts by C`);
      const encoding = /ENCODING = '[A-Za-z0-9_]+'/.exec(traits)?.[0] ?? "ENCODING = 'UTF8'";
      await client.query(`create database ${quote(name)} template template0 ${encoding} lc_collate = 'C' lc_ctype = 'C'`);
    }
    if (options.mark !== undefined) await markDatabase(client, name, options.mark);
  });
  return withDatabase(server, name);
}

/** Invalid parameter, wrong object type, syntax of a newer server, feature not supported. */
const LOCALE_STATES = new Set(["22023", "42809", "42601", "0A000"]);

/** As `dropOwnDatabase`, subscriptions and all; no publisher is called. */
export async function dropDatabase(server: Connection, name: string, options: Work & { readonly mark: string }): Promise<Undone> {
  return await withServer(server, [name], options, async (client) => {
    return await dropOwnDatabase(client, name, {
      ...options,
      occupants: () => occupantsIn(withDatabase(server, name), options),
      before: () => dropSubscriptions(client, server, name, options),
    });
  });
}

/** Drops it with all content, sessions and subscriptions: only for a database known to be the job's. */
export async function dropWhole(client: Client, server: Connection, name: string, work: Work): Promise<void> {
  await dropSubscriptions(client, server, name, work);
  await dropForced(client, name);
}

/**
 * A database with a subscription cannot be dropped, and dropping a subscription calls its publisher. Each forgets its slot first, so that
 * the publisher is never called.
 */
async function dropSubscriptions(client: Client, server: Connection, database: string, work: Work): Promise<void> {
  const names = await client.query<{ name: string }>(
    `select s.subname::pg_catalog.text as name from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid where d.datname = $1`,
    [database],
  );
  if (names.length === 0) return;
  const inside = await openClient(withDatabase(server, database), { signal: work.signal });
  try {
    for (const { name } of names) {
      await inside.query(`alter subscription ${quote(name)} disable`);
      await inside.query(`alter subscription ${quote(name)} set (slot_name = none)`);
      await inside.query(`drop subscription ${quote(name)}`);
    }
  } finally {
    await inside.close();
  }
}

export async function occupantsIn(connection: Connection, work: Work): Promise<readonly string[]> {
  const client = await openClient(connection, { signal: work.signal });
  try {
    return await occupantsOf(client);
  } finally {
    await client.close();
  }
}

/** Acts through a database of the server that is none of `not`: one cannot rename or drop the database one is connected to. */
export async function withServer<T>(
  server: Connection,
  not: readonly string[],
  work: Work,
  act: (client: Client) => Promise<T>,
): Promise<T> {
  const names = ["postgres", "template1", partsOf(server).database].filter((name) => !not.includes(name));
  let failure: unknown;
  for (const name of names) {
    let client: Client;
    try {
      client = await openClient(withDatabase(server, name), { signal: work.signal });
    } catch (error) {
      failure ??= error;
      if (!["3D000", "42501", "28000"].includes(sqlStateOf(error) ?? "")) throw error;
      continue;
    }
    try {
      return await act(client);
    } finally {
      await client.close();
    }
  }
  throw failure;
}

function refused(error: unknown, name: string, server: Connection): unknown {
  const state = sqlStateOf(error);
  if (state === "42P04")
    return new LifeboatError("RESTORE_TARGET_NOT_EMPTY", `the server of ${server.label} already has a database ${name}`, { cause: error });
  if (state !== "42501") return error;
  return new LifeboatError("SOURCE_PERMISSION", `the user of ${server.label} may not create the database ${name}`, {
    cause: error,
    hint: "grant CREATEDB to this user, or create an empty database and give its URL",
  });
}

/**
 * A source may have dropped the schema that every new database has, and its archive says nothing of that. What cannot be dropped
 * stays, for the comparison to name.
 */
export async function dropPublic(client: Client, definitions: Readonly<Record<string, string>> | undefined): Promise<void> {
  if (definitions === undefined || "schema public" in definitions) return;
  await client.query("drop schema if exists public restrict").catch((error: unknown) => {
    if (sqlStateOf(error) === undefined) throw error;
  });
}

// pg_dump writes: CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8';
const TRAIT = / (?:ENCODING|LOCALE_PROVIDER|LOCALE|LC_COLLATE|LC_CTYPE|ICU_LOCALE|BUILTIN_LOCALE|ICU_RULES) = (?:'(?:[^']|'')*'|[a-z]+)/g;

/** Encoding and locale of a CREATE DATABASE statement; owner, tablespace and limits stay behind. */
function traitsOf(statement: string): string {
  const mark = " WITH TEMPLATE = template0";
  const at = statement.lastIndexOf(mark);
  return at < 0 ? "" : (statement.slice(at + mark.length).match(TRAIT) ?? []).join("");
}
