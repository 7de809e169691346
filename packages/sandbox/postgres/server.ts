// A PostgreSQL server of our own for the demonstration: real, reached by a socket only, and gone when it is told to stop or we die.
import { hostname } from "node:os";
import { isLifeboatError } from "../../../src/core/errors.ts";
import { beginCluster } from "../../../src/engines/postgres/cluster/cluster.ts";
import { type Isolation, requireCell } from "../../../src/engines/postgres/cluster/isolation.ts";
import { undoCluster } from "../../../src/engines/postgres/cluster/undo.ts";
import { openClient } from "../../../src/engines/postgres/connect/client.ts";
import { connectionFromUrl } from "../../../src/engines/postgres/connect/url.ts";
import { versionOf } from "../../../src/engines/postgres/tools/version.ts";

export interface PostgresSandboxOptions {
  /** Absolute; must not exist, its parent must, and others must be able to pass through the parent. */
  readonly directory: string;
  /** Names the owner, so that `removePostgresSandbox` touches nothing else. */
  readonly jobId: string;
  /** The folder with PostgreSQL's programs: see `findPrograms`. */
  readonly bin: string;
  readonly signal?: AbortSignal | undefined;
}

/** One connection, as an application has it. Errors are the server's own. */
export interface PostgresSession {
  query<R extends Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<R[]>;
  close(): Promise<void>;
}

export interface PostgresSandbox {
  /** As `15.18`. */
  readonly version: string;
  /** What the demonstration's configuration can ask for here: its data is our own, so that a machine without cells shows it too. */
  readonly isolation: Isolation;
  /** The superuser's address of a database; holds a password. */
  url(database: string): string;
  open(database: string): Promise<PostgresSession>;
  /** Ends and removes it. Safe to call twice. */
  stop(): Promise<void>;
}

/** Starts a server. Throws SCRATCH_FAILED when it cannot be made; then nothing is left of it. */
export async function startPostgresSandbox(options: PostgresSandboxOptions): Promise<PostgresSandbox> {
  const { directory, jobId, bin, signal } = options;
  // Not flushed to the disk: its data is temporary. Otherwise with the usual settings.
  const settings = { autovacuum: "on" };
  const isolation = await isolationHere();
  const cluster = await beginCluster({ directory, bin, jobId, durable: false, settings, signal });
  return {
    version: (await versionOf(`${bin}/postgres`, signal))?.version ?? "",
    isolation,
    url: (database) => cluster.connection(database).url,
    open: (database) => openSession(cluster.connection(database).url),
    stop: () => cluster.stop(),
  };
}

async function isolationHere(): Promise<Isolation> {
  try {
    await requireCell("required");
    return "required";
  } catch (error) {
    if (isLifeboatError(error, "ISOLATION_MISSING")) return "none";
    throw error;
  }
}

/** A connection of an application's own, to any address. */
export async function openSession(url: string): Promise<PostgresSession> {
  const client = await openClient(connectionFromUrl(url), { applicationName: "shop" });
  // Ours have none; an application's has what the server gives to everybody.
  await client.query('set search_path to "$user", public');
  return {
    query: async (sql, values) => (await client.raw.query(sql, values === undefined ? undefined : [...values])).rows,
    close: () => client.close(),
  };
}

/** Removes what a sandbox left whose process was killed. False when another host has to do it. */
export async function removePostgresSandbox(directory: string, jobId: string): Promise<boolean> {
  return (await undoCluster({ directory, jobId, host: hostname() })) !== "elsewhere";
}
