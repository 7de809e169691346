// Which database a connection reaches, so that a restore never writes to the source it came from.
//
// Names, addresses and users prove nothing: one server has many. What counts is where the mistakes lie: to take two databases
// for one refuses a restore that would have been fine; to take one for two destroys data. Every doubt is therefore "the same".
import { randomBytes } from "node:crypto";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import { type Client, type ClientOptions, openClient } from "./client.ts";
import { sqlStateOf } from "./translate.ts";

interface IdentityFacts {
  /** Made by initdb, the same for the life of the cluster and for every physical copy of it; undefined when it may not be asked. */
  readonly system?: string | undefined;
  readonly database: string;
  /** Where one cluster holds several histories (Neon's branches), which one this is. */
  readonly timeline: string;
  readonly startedAt: string;
}

/**
 * A value for two connections to compare: equal whenever they reach the same database of the same cluster, and different for
 * databases of different clusters, or of different OID. A physical copy (a standby, a restored base backup) has the identity of
 * what it was copied from. Where the system identifier may not be asked, the start of the server stands for it, so the value
 * then changes with a restart, and is not comparable with the value that a more privileged user sees: before writing, use
 * `assertNotSource`, which needs no privilege.
 */
export async function clusterIdentity(client: Client): Promise<string> {
  const facts = await factsOf(client);
  const cluster = facts.system === undefined ? `started-${facts.startedAt}` : `system-${facts.system}`;
  return [cluster, ...(facts.timeline === "" ? [] : [`timeline-${facts.timeline}`]), `database-${facts.database}`].join("/");
}

/**
 * Throws SOURCE_WRITE_REFUSED when both connections reach the same database, or when it cannot be proven that they do not.
 * Asked live, over both connections at once; nothing is written by it.
 */
export async function assertNotSource(source: Connection, target: Connection, options: ClientOptions = {}): Promise<void> {
  const from = await openClient(source, options);
  try {
    const to = await openClient(target, options);
    try {
      const why = await sameness(from, to);
      if (why === undefined) return;
      throw new LifeboatError("SOURCE_WRITE_REFUSED", `${target.label} must not be written to: ${why} the source, ${source.label}`);
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

/** Why the two are, or may be, the same database, in words that go before the source's name; undefined when they are not. */
async function sameness(from: Client, to: Client): Promise<string | undefined> {
  if (await sharesLocks(from, to)) return "it is";
  const a = await factsOf(from);
  const b = await factsOf(to);
  if (a.database !== b.database || a.timeline !== b.timeline) return undefined;
  if (a.system !== undefined && b.system !== undefined) {
    // Same identifier, no common locks: a primary and its standby, or a copy made of the files.
    return a.system === b.system ? "it is a physical copy, or the primary, of" : undefined;
  }
  return a.startedAt === b.startedAt ? "it is" : "it cannot be told from";
}

/**
 * The proof that needs no privilege: an advisory lock is seen by every session of the same database of the same running server,
 * and by no other. Held in a transaction, so that it also works through a pooler and ends with the connection.
 */
async function sharesLocks(from: Client, to: Client): Promise<boolean> {
  const key = randomBytes(8).readBigInt64BE().toString();
  await from.query("begin");
  try {
    await from.query(`select pg_catalog.pg_advisory_xact_lock(${key})`);
    const [row] = await to.query<{ free: boolean }>(`select pg_catalog.pg_try_advisory_xact_lock(${key}) as free`);
    return row?.free !== true;
  } finally {
    await from.query("rollback");
  }
}

async function factsOf(client: Client): Promise<IdentityFacts> {
  const [row] = await client.query<{ database: string; timeline: string; started: string }>(`
    select d.oid::pg_catalog.text as database,
      coalesce(pg_catalog.current_setting('neon.timeline_id', true), '') as timeline,
      extract(epoch from pg_catalog.pg_postmaster_start_time())::numeric(20, 6)::pg_catalog.text as started
    from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()`);
  if (!row) throw new LifeboatError("SOURCE_UNREACHABLE", `${client.connection.label} is no longer a database of its server`);
  return { system: await systemIdentifier(client), database: row.database, timeline: row.timeline, startedAt: row.started };
}

async function systemIdentifier(client: Client): Promise<string | undefined> {
  try {
    const [row] = await client.query<{ id: string }>("select system_identifier::pg_catalog.text as id from pg_catalog.pg_control_system()");
    return row?.id;
  } catch (error) {
    // Not permitted, or a server that speaks the protocol but has no such function.
    if (["42501", "42883"].includes(sqlStateOf(error) ?? "")) return undefined;
    throw error;
  }
}
