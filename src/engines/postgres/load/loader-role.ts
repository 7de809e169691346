// The role that a load runs as where its connection is a superuser's: restored definitions hold code, and it runs with this role's rights.
//
// It must be a login of its own: what a superuser's session sets (SET ROLE, SET SESSION AUTHORIZATION), code inside of it can reset.
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { Undone } from "../../../ports/resource.ts";
import { type Client, openClient } from "../connect/client.ts";
import { quoteName as quote, quoteText } from "../connect/quote.ts";
import { ENGLISH } from "../connect/settings.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { connectionFromParts, partsOf, withDatabase } from "../connect/url.ts";
import { putTablesBack } from "./before.ts";
import { withServer } from "./target.ts";

/** What loaders are called: their privileges do not count as a database's definitions. */
const LOADER_PREFIX = "lifeboat_load_";
/** Owns, without login, what a kept restore would otherwise leave to a superuser: objects whose owner does not exist on the server. */
export const ORPHANS_OWNER = "lifeboat_owner";

const LONGEST_NAME_BYTES = 63;
/** A load that takes longer cannot log in again; one that was killed leaves a role that can no longer be used. */
const VALID_DAYS = 7;

export function loaderName(jobId: string): string {
  const name = LOADER_PREFIX + jobId.toLowerCase().replaceAll(/[^a-z0-9_]/g, "_");
  if (jobId === "" || Buffer.byteLength(name) > LONGEST_NAME_BYTES)
    throw new LifeboatError("LOAD_FAILED", `the job's id ${jobId} cannot be part of a role's name`);
  return name;
}

export interface Loader {
  readonly name: string;
  /** To the database that is loaded. */
  readonly connection: Connection;
}

/**
 * Makes the role and logs in as it once. LOADER_REFUSED, and nothing is left, when the server does not let it in. `rowsOnly`: triggers and
 * the checking of keys are off in its sessions.
 */
export async function makeLoader(
  client: Client,
  { jobId, mark }: { readonly jobId: string; readonly mark: string },
  options: Work & { readonly rowsOnly: boolean },
): Promise<Loader> {
  const name = loaderName(jobId);
  const password = randomBytes(24).toString("base64url");
  const { database } = partsOf(client.connection);
  const until = new Date(Date.now() + VALID_DAYS * 86_400_000).toISOString();
  const attributes = "login nosuperuser nocreatedb nocreaterole noreplication bypassrls";
  await client.query("begin");
  try {
    await client.query(`create role ${name} ${attributes} password '${verifierOf(password)}' valid until '${until}'`);
    await client.query(`comment on role ${name} is ${quoteText(mark)}`);
    await client.query(`grant connect, create, temporary on database ${quote(database)} to ${name}`);
    if (client.choosesLanguage) await client.query(`alter role ${name} set lc_messages = '${ENGLISH}'`);
    if (options.rowsOnly) await client.query(`alter role ${name} in database ${quote(database)} set session_replication_role = 'replica'`);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
  const connection = asUser(client.connection, name, password);
  try {
    await (await openClient(connection, { signal: options.signal })).close();
    return { name, connection };
  } catch (error) {
    await removeLoader(client, name);
    options.signal?.throwIfAborted();
    if (!(error instanceof LifeboatError) || error.code === "BUG") throw error;
    throw new LifeboatError("LOADER_REFUSED", `the server of ${client.connection.label} does not let ${name} log in: ${error.message}`, {
      cause: error,
    });
  }
}

/** The same place, another user; nothing that belongs to the first one's login goes along. */
export function asUser(connection: Connection, user: string, password: string): Connection {
  const parts = partsOf(connection);
  const { sslcert: _cert, sslkey: _key, passfile: _file, ...parameters } = parts.parameters;
  return connectionFromParts({ ...parts, user, password, parameters });
}

const ITERATIONS = 4096;

/** What the server stores of a password (RFC 5803): the password itself is never in a statement, which servers may log. */
export function verifierOf(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, "sha256");
  const keyed = (text: string): Buffer => createHmac("sha256", salted).update(text).digest();
  const stored = createHash("sha256").update(keyed("Client Key")).digest();
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString("base64")}$${stored.toString("base64")}:${keyed("Server Key").toString("base64")}`;
}

export interface DropLoaderOptions extends Work {
  readonly mark: string;
  /** The load was into a database that stays: tables that it replaced, and had not come to the end of, are put back. */
  readonly live?: boolean | undefined;
}

/**
 * Removes the role of this job from the server, in any state that a crash left: sessions are ended, privileges revoked, and what it owns is
 * kept and given to ORPHANS_OWNER. SCRATCH_FAILED for a role that does not carry the mark. Databases of the job itself are dropped before.
 */
export async function dropLoader(server: Connection, jobId: string, work: DropLoaderOptions): Promise<Undone> {
  const name = loaderName(jobId);
  return await withServer(server, [], work, async (client) => {
    const [role] = await client.query<{ comment: string | null }>(
      "select pg_catalog.shobj_description(oid, 'pg_authid') as comment from pg_catalog.pg_roles where rolname = $1",
      [name],
    );
    if (role === undefined)
      return work.live === true && (await putBackIn(await databasesOf(client), server, jobId, work)) ? "removed" : "absent";
    if (role.comment !== work.mark) {
      throw new LifeboatError("SCRATCH_FAILED", `the role ${name} was left: it does not carry the mark of the cleaned-up job`, {
        hint: `look at what it owns; when it can go, run \`dropuser ${name}\` on its server`,
      });
    }
    const places = await client.query<{ name: string }>(
      `select distinct d.datname::pg_catalog.text as name from pg_catalog.pg_shdepend s join pg_catalog.pg_roles r on r.oid = s.refobjid
       join pg_catalog.pg_database d on d.oid = s.dbid or (s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass and d.oid = s.objid)
       where s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and r.rolname = $1`,
      [name],
    );
    const names = places.map((place) => place.name);
    await client.query("select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where usename = $1", [name]);
    if (work.live === true) await putBackIn(names, server, jobId, work);
    for (const place of names) {
      const inside = await openClient(withDatabase(server, place), { signal: work.signal });
      try {
        await quietly(inside, () => disown(inside, name));
      } finally {
        await inside.close();
      }
    }
    await removeLoader(client, name);
    return "removed";
  });
}

async function putBackIn(databases: readonly string[], server: Connection, jobId: string, work: DropLoaderOptions): Promise<boolean> {
  let any = false;
  for (const database of databases) {
    const inside = await openClient(withDatabase(server, database), { signal: work.signal });
    try {
      any = (await putTablesBack(inside, { jobId, mark: work.mark })) || any;
    } finally {
      await inside.close();
    }
  }
  return any;
}

/** Those that this session's role may connect to. */
async function databasesOf(client: Client): Promise<string[]> {
  const rows = await client.query<{ name: string }>(
    `select datname::pg_catalog.text as name from pg_catalog.pg_database
     where datallowconn and datconnlimit <> -2 and pg_catalog.has_database_privilege(oid, 'connect') order by 1`,
  );
  return rows.map(({ name }) => name);
}

/** As `dropLoader`, through the database that was loaded: the end of a load that went well. */
export async function removeLoader(client: Client, name: string): Promise<void> {
  if (!(await exists(client, name))) return;
  await quietly(client, async () => {
    await disown(client, name);
    await client.query(`drop role ${name}`);
  });
}

const exists = async (client: Client, role: string): Promise<boolean> =>
  (await client.query("select 1 from pg_catalog.pg_roles where rolname = $1", [role])).length > 0;

export async function ensureOrphansOwner(client: Client): Promise<void> {
  if (!(await exists(client, ORPHANS_OWNER))) await client.query(`create role ${ORPHANS_OWNER} nologin`);
}

/** In this database: owns nothing and may do nothing afterwards. Nothing is dropped. */
async function disown(client: Client, name: string): Promise<void> {
  const owned = await client.query(
    `select 1 from pg_catalog.pg_shdepend s join pg_catalog.pg_database d on d.oid = s.dbid
     where s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and s.refobjid = $1::pg_catalog.regrole and s.deptype = 'o'
       and d.datname = pg_catalog.current_database() limit 1`,
    [name],
  );
  if (owned.length > 0) {
    await ensureOrphansOwner(client);
    await client.query(`reassign owned by ${name} to ${ORPHANS_OWNER}`);
  }
  await client.query(`drop owned by ${name}`);
}

const STATES: Readonly<Record<string, string>> = { O: "enable", R: "enable replica", A: "enable always" };

/**
 * One transaction in which no event trigger fires: those of the database are off inside of it, and as they were at its end. A crash leaves
 * them as they were. Commands on event triggers fire none themselves.
 */
async function quietly(client: Client, act: () => Promise<void>): Promise<void> {
  await client.query("begin");
  try {
    const triggers = await client.query<{ name: string; state: string }>(
      "select evtname::pg_catalog.text as name, evtenabled::pg_catalog.text as state from pg_catalog.pg_event_trigger where evtenabled <> 'D'",
    );
    for (const { name } of triggers) await client.query(`alter event trigger ${quote(name)} disable`);
    await act();
    for (const { name, state } of triggers) await client.query(`alter event trigger ${quote(name)} ${STATES[state] ?? "enable"}`);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch((later: unknown) => {
      if (sqlStateOf(later) !== undefined) throw later;
    });
    throw error;
  }
}
