// Begins a base backup: a physical copy of the whole cluster on one replication connection, every file checked as it passes.
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { BaseFacts } from "../../../core/log.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { BaseDump } from "../../../ports/physical.ts";
import { type Client, openClient } from "../connect/client.ts";
import { directConnection, refusePooled } from "../connect/pooled.ts";
import type { BaseCommand } from "./command.ts";
import { type ClusterFacts, clusterFacts, serverClock } from "./facts.ts";
import { baseFailure, ServerError } from "./failure.ts";
import { baseOmissions } from "./omissions.ts";
import { baseParts } from "./parts.ts";
import { BackupSession, type BackupStart } from "./session.ts";

export interface BaseOptions extends Work {
  readonly label: string;
  /** What to ask the server for, best first: it refuses what its build cannot do. Absent: `COMPRESSIONS`. */
  readonly compressions?: readonly BaseCommand["compression"][] | undefined;
}

/**
 * Level 1 keeps up with most disks; a higher one saves little on pages and costs much of the server's time. No workers: one thread of
 * the server compresses as fast as we can look into it.
 */
const COMPRESSIONS: readonly BaseCommand["compression"][] = [{ level: 1 }, undefined];
/** Next to free for the server, which has an instruction for it; SHA-256 would cost it half a second for each GB. */
const CHECKSUMS = "CRC32C";
const FIRST_MAJOR = 15;

/**
 * Resolves when the server has taken its checkpoint and announced its tablespaces. SOURCE_PERMISSION and ARCHIVE_BLOCKED name what to
 * change on the source. Nothing stays on the server when it fails or is aborted.
 */
export async function beginBase(given: Connection, options: BaseOptions): Promise<BaseDump> {
  const connection = directConnection(given);
  const stopped = new AbortController();
  const signal = options.signal === undefined ? stopped.signal : AbortSignal.any([options.signal, stopped.signal]);
  const { cluster, notIncluded } = await lookAround(connection, signal);
  const startedAt = new Date();
  const { session, client, start, system, compression, warnings } = await startSession(connection, options, signal);
  let ended: BaseFacts | undefined;
  const parts = baseParts({
    session,
    start,
    compressed: compression !== undefined,
    checksums: CHECKSUMS,
    segmentBytes: cluster.segmentBytes,
    onPlain: (sizeBytes) => options.progress?.advance(sizeBytes),
    async onEnd(endLsn) {
      ended = {
        systemIdentifier: system,
        timeline: start.timeline,
        startLsn: start.startLsn,
        endLsn,
        endedAt: await askClock(connection, signal),
        segmentBytes: cluster.segmentBytes,
        tablespaces: start.tablespaces,
        pageChecksums: cluster.pageChecksums,
        superuser: cluster.superuser,
      };
    },
  });
  const how = compression === undefined ? "plain" : `zstd level ${compression.level} by the server`;
  return {
    facts: {
      ...cluster.database,
      warnings: [...cluster.database.warnings, ...warnings],
      sizeBytes: start.sizeBytes,
      tool: `BASE_BACKUP (${how})`,
    },
    startedAt,
    notIncluded,
    parts,
    ended() {
      if (ended === undefined) throw new LifeboatError("BUG", "a base backup was asked for its end before it had one");
      return ended;
    },
    async end() {
      stopped.abort(new LifeboatError("CANCELLED", "the base backup was ended"));
      await session.close();
      await client.close();
    },
  };
}

async function lookAround(
  connection: Connection,
  signal: AbortSignal,
): Promise<{ cluster: ClusterFacts; notIncluded: BaseDump["notIncluded"] }> {
  const client = await openClient(connection, { signal });
  try {
    await refusePooled(client, { signal });
    const major = Math.floor(client.serverVersionNumber / 10_000);
    if (major < FIRST_MAJOR) {
      throw new LifeboatError(
        "CAPABILITY_MISSING",
        `${connection.label} is PostgreSQL ${major}; base backups need ${FIRST_MAJOR} or newer`,
        {
          hint: "back it up with --kind full, or update the server",
        },
      );
    }
    return { cluster: await clusterFacts(client), notIncluded: await baseOmissions(client) };
  } finally {
    await client.close();
  }
}

async function askClock(connection: Connection, signal: AbortSignal): Promise<string> {
  const client = await openClient(connection, { signal });
  try {
    return await serverClock(client);
  } finally {
    await client.close();
  }
}

interface Started {
  readonly session: BackupSession;
  readonly client: Client;
  readonly start: BackupStart;
  readonly system: string;
  readonly compression: BaseCommand["compression"];
  readonly warnings: readonly string[];
}

/** What a server's build can compress, only it knows: it is asked for the best, then for less. */
async function startSession(connection: Connection, options: BaseOptions, signal: AbortSignal): Promise<Started> {
  const choices = options.compressions ?? COMPRESSIONS;
  for (const [at, compression] of choices.entries()) {
    const client = await openReplication(connection, signal);
    const session = new BackupSession(client, { label: options.label, compression, checksums: CHECKSUMS }, signal);
    try {
      const [identified] = await client.query<{ systemid: string }>("IDENTIFY_SYSTEM");
      const warnings = await keepLog(client);
      return { warnings, session, client, start: await session.start(), system: identified?.systemid ?? "", compression };
    } catch (error) {
      await session.close();
      await client.close();
      if (at === choices.length - 1 || !isAboutCompression(error)) throw error;
    }
  }
  throw new LifeboatError("BUG", "a base backup was begun with nothing to ask for");
}

async function openReplication(connection: Connection, signal: AbortSignal): Promise<Client> {
  try {
    return await openClient(connection, { signal, replication: true });
  } catch (error) {
    throw signal.aborted ? error : baseFailure(error, connection);
  }
}

/**
 * The log from now on is sent last, so the server must keep it until then. A temporary slot is gone with its session, however that
 * ends; and a server that limits what slots may keep (max_slot_wal_keep_size) lets the backup fail rather than its own disk fill.
 */
async function keepLog(client: Client): Promise<string[]> {
  try {
    await client.query(`CREATE_REPLICATION_SLOT "lifeboat_base_${client.backendPid}" TEMPORARY PHYSICAL (RESERVE_WAL true)`);
    return [];
  } catch (error) {
    if (isLifeboatError(error)) throw error;
    return [
      `the server keeps no log back for the time of the copy (${messageOf(error)}): raise max_replication_slots if the copy fails for it`,
    ];
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const isAboutCompression = (error: unknown): boolean =>
  isLifeboatError(error, "DUMP_FAILED") && error.cause instanceof ServerError && /compress|zstd/i.test(error.cause.message);
