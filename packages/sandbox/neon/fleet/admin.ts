// SQL as the superuser of a line's server, over its socket.

import { type Client, openClient } from "../../../../src/engines/postgres/connect/client.ts";
import { connectionFromParts } from "../../../../src/engines/postgres/connect/url.ts";
import { type Host, SUPERUSER } from "./host.ts";
import type { Server } from "./server.ts";

const STATEMENT_TIMEOUT_MS = 600_000;

type Rows = readonly Record<string, unknown>[];

async function withClient<T>(host: Host, server: Server, database: string, work: (client: Client) => Promise<T>): Promise<T> {
  const parts = { host: host.place.sockets, port: server.port, user: SUPERUSER, database, parameters: {} };
  const client = await openClient(connectionFromParts(parts), {
    signal: host.signal,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    applicationName: "neon-sandbox",
  });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** Runs one or many statements; rows of the last one. A statement's own fault is thrown as the client library words it. */
export function runSql(host: Host, server: Server, database: string, sql: string): Promise<Rows> {
  return withClient(host, server, database, async (client) => {
    // Ours find nothing but what is the system's; a user's SQL runs as in any session of its own.
    await client.query('set search_path to "$user", public');
    return await client.query(sql);
  });
}

/** Sets passwords, of those roles that exist at this point of history. */
export async function applyPasswords(host: Host, server: Server, passwords: ReadonlyMap<string, string>): Promise<void> {
  if (passwords.size === 0) return;
  await withClient(host, server, "postgres", async (client) => {
    for (const [role, password] of passwords) {
      const [known] = await client.query("select 1 from pg_catalog.pg_roles where rolname = $1", [role]);
      if (known === undefined) continue;
      await client.query(`alter role ${client.raw.escapeIdentifier(role)} password ${client.raw.escapeLiteral(password)}`);
    }
  });
}

/**
 * Has all commits so far written out. Commits that waited for it are; those of sessions that chose not to wait
 * (synchronous_commit = off) may still be in memory, and a commit that waits takes them along.
 * `stamped`: also those that took their time but are not in the log yet. A checkpoint waits for every commit under way.
 */
export async function writeOut(host: Host, server: Server, what: "committed" | "stamped"): Promise<void> {
  await withClient(host, server, "postgres", async (client) => {
    if (what === "stamped") await client.query("checkpoint");
    const [state] = await client.query<{ behind: boolean }>(
      "select pg_catalog.pg_current_wal_insert_lsn() > pg_catalog.pg_current_wal_flush_lsn() as behind",
    );
    if (state?.behind) await client.query("set synchronous_commit = on; select pg_catalog.pg_logical_emit_message(true, '', '')");
  });
}
