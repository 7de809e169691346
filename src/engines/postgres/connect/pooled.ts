// Poolers: a backup needs one server process from begin to end, so it goes around them or says why it cannot.
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import { type Client, type ClientOptions, openClient } from "./client.ts";
import { connectionFromParts, partsOf } from "./url.ts";

/** Neon's pooled host is its direct one with `-pooler` added to the first label. */
const NEON_POOLED = /^([^.]+)-pooler(\..*\.neon\.(?:tech|build))$/i;

/** The direct connection where the pooled one tells how to find it; any other comes back as it is. */
export function directConnection(connection: Connection): Connection {
  const parts = partsOf(connection);
  const match = NEON_POOLED.exec(parts.host);
  if (!match) return connection;
  return connectionFromParts({ ...parts, host: `${match[1]}${match[2]}` });
}

/**
 * Throws SOURCE_POOLED when the connection hands successive transactions to different server processes (pgbouncer and its like,
 * in transaction or statement mode). Judged by behaviour, because poolers have no common name:
 * between two transactions of one client, a second client takes a transaction of its own; a pooler that shares then gives the
 * first client another process. A session of one's own never changes process. Costs nothing where the process that answers
 * is the one that was announced at login, as on every server reached without something in between.
 */
export async function refusePooled(client: Client, options: ClientOptions = {}): Promise<void> {
  if (client.announcedPid === client.backendPid) return;
  const { connection } = client;
  const other = await openClient(connection, options);
  try {
    const before = await pidOf(client);
    await other.query("begin");
    await pidOf(other);
    const after = await Promise.race([pidOf(client), late(options.connectTimeoutMs ?? WAIT_MS)]);
    if (after !== before) throw pooled(connection);
    await other.query("rollback");
  } catch (error) {
    // A pool of one process, or one that allows no transactions of several statements.
    if (error instanceof Error && /statement pooling/i.test(error.message)) throw pooled(connection, error);
    throw error;
  } finally {
    await other.close();
  }
}

const WAIT_MS = 10_000;

async function pidOf(client: Client): Promise<number | undefined> {
  return (await client.query<{ pid: number }>("select pg_catalog.pg_backend_pid() as pid"))[0]?.pid;
}

function late(waitMs: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, waitMs, undefined).unref());
}

function pooled(connection: Connection, cause?: unknown): LifeboatError {
  const why = "a transaction pooler answers there, which hands each transaction to another server process";
  return new LifeboatError("SOURCE_POOLED", `${connection.label} cannot be backed up: ${why}`, { cause });
}
