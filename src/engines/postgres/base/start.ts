// Starts the copy in the best way that the server has: its own compression, else plain; before version 15 by pg_basebackup.
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import { type Client, openClient } from "../connect/client.ts";
import type { BaseCommand } from "./command.ts";
import { baseFailure, ServerError } from "./failure.ts";
import { startProgram } from "./program.ts";
import { BackupSession, type BackupSource, type BackupStart } from "./session.ts";

export interface BaseOptions extends Work {
  readonly label: string;
  /** What to ask the server for, best first: it refuses what its build cannot do. Absent: `COMPRESSIONS`. */
  readonly compressions?: readonly BaseCommand["compression"][] | undefined;
  /** As for a server before 15: for tests that have only a newer one. */
  readonly byProgram?: boolean | undefined;
  /** The configuration's `tools.postgres`. */
  readonly bin?: string | readonly string[] | undefined;
}

/**
 * Level 1 keeps up with most disks; a higher one saves little on pages and costs much of the server's time. No workers: one thread of
 * the server compresses as fast as we can look into it.
 */
const COMPRESSIONS: readonly BaseCommand["compression"][] = [{ level: 1 }, undefined];
/** Next to free for the server, which has an instruction for it; SHA-256 would cost it half a second for each GB. */
export const CHECKSUMS = "CRC32C";
/** The first whose BASE_BACKUP sends everything in one stream. Before it, pg_basebackup does. */
const STREAM_MAJOR = 15;

export interface Started extends BackupStart {
  readonly session: BackupSource;
  /** Holds the log back for as long as it is open. */
  readonly client: Client;
  readonly system: string;
  readonly compressed: boolean;
  readonly tool: string;
  readonly warnings: readonly string[];
}

/** CAPABILITY_MISSING for tablespaces where only pg_basebackup serves. */
export async function startBackup(
  connection: Connection,
  options: BaseOptions,
  serverMajor: number,
  signal: AbortSignal,
): Promise<Started> {
  if (serverMajor < STREAM_MAJOR || options.byProgram === true) return await startByProgram(connection, options, serverMajor, signal);
  // What a server's build can compress, only it knows: it is asked for the best, then for less.
  const choices = options.compressions ?? COMPRESSIONS;
  for (const [at, compression] of choices.entries()) {
    const holder = await holdLog(connection, signal);
    const { client } = holder;
    const session = new BackupSession(client, { label: options.label, compression, checksums: CHECKSUMS }, signal);
    try {
      const started = await session.start();
      const how = compression === undefined ? "plain" : `zstd level ${compression.level} by the server`;
      return { ...holder, ...started, session, compressed: compression !== undefined, tool: `BASE_BACKUP (${how})` };
    } catch (error) {
      await session.close();
      await client.close();
      if (at === choices.length - 1 || !isAboutCompression(error)) throw error;
    }
  }
  throw new LifeboatError("BUG", "a base backup was begun with nothing to ask for");
}

async function startByProgram(connection: Connection, options: BaseOptions, serverMajor: number, signal: AbortSignal): Promise<Started> {
  const holder = await holdLog(connection, signal);
  try {
    const [cluster] = await holder.client.query<{ tablespaces: number; size: string }>(CLUSTER);
    if (cluster?.tablespaces !== 0) {
      throw new LifeboatError("CAPABILITY_MISSING", `${connection.label} is PostgreSQL ${serverMajor} and has tablespaces of its own`, {
        hint: `back it up with --kind full, or update the server to ${STREAM_MAJOR} or newer`,
      });
    }
    const { label, bin } = options;
    const session = await startProgram(connection, { label, bin, checksums: CHECKSUMS, serverMajor, signal, asked: holder.client });
    return { ...holder, session, compressed: false, tool: "pg_basebackup", tablespaces: [], sizeBytes: Number(cluster.size) };
  } catch (error) {
    await holder.client.close();
    throw error;
  }
}

/** Tablespaces beside the two that every cluster has, and the size of all databases that may be asked for theirs. */
const CLUSTER = `select (select pg_catalog.count(*) from pg_catalog.pg_tablespace where spcname not in ('pg_default', 'pg_global'))::int as tablespaces,
  (select coalesce(pg_catalog.sum(pg_catalog.pg_database_size(oid)), 0) from pg_catalog.pg_database
   where datallowconn and pg_catalog.has_database_privilege(oid, 'connect'))::pg_catalog.text as size`;

/**
 * A replication connection on which the server keeps the log from now on: it is sent last, so it must still be there then. A temporary
 * slot is gone with its session, however that ends; and a server that limits what slots may keep (max_slot_wal_keep_size) lets the
 * backup fail rather than its own disk fill.
 */
async function holdLog(connection: Connection, signal: AbortSignal): Promise<Pick<Started, "client" | "system" | "warnings">> {
  const client = await openReplication(connection, signal);
  try {
    const [identified] = await client.query<{ systemid: string }>("IDENTIFY_SYSTEM");
    return { client, system: identified?.systemid ?? "", warnings: await makeSlot(client) };
  } catch (error) {
    await client.close();
    throw error;
  }
}

async function makeSlot(client: Client): Promise<string[]> {
  try {
    await client.query(`CREATE_REPLICATION_SLOT "lifeboat_base_${client.backendPid}" TEMPORARY PHYSICAL RESERVE_WAL`);
    return [];
  } catch (error) {
    if (isLifeboatError(error)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    return [`the server kept no log back for the time of the copy (${why}): raise max_replication_slots if copies fail for it`];
  }
}

async function openReplication(connection: Connection, signal: AbortSignal): Promise<Client> {
  try {
    return await openClient(connection, { signal, replication: true });
  } catch (error) {
    throw signal.aborted ? error : baseFailure(error, connection);
  }
}

const isAboutCompression = (error: unknown): boolean =>
  isLifeboatError(error, "DUMP_FAILED") && error.cause instanceof ServerError && /compress|zstd/i.test(error.cause.message);
