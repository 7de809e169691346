// Begins a base backup: a physical copy of the whole cluster on one replication connection, every file checked as it passes.
import { LifeboatError } from "../../../core/errors.ts";
import type { Omission } from "../../../core/fingerprint.ts";
import type { BaseFacts } from "../../../core/log.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { BaseDump } from "../../../ports/physical.ts";
import { type Client, openClient } from "../connect/client.ts";
import { directConnection, refusePooled } from "../connect/pooled.ts";
import { type ClusterFacts, clusterFacts, serverClock } from "./facts.ts";
import { baseParts } from "./parts.ts";
import { type BaseOptions, CHECKSUMS, startBackup } from "./start.ts";

export type { BaseOptions } from "./start.ts";

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
  const started = await startBackup(connection, options, cluster.database.serverMajor, signal);
  const { session, tablespaces } = started;
  let ended: BaseFacts | undefined;
  const parts = baseParts({
    session,
    start: started,
    compressed: started.compressed,
    checksums: CHECKSUMS,
    segmentBytes: cluster.segmentBytes,
    onPlain: (sizeBytes) => options.progress?.advance(sizeBytes),
    async onEnd(range) {
      const { segmentBytes, pageChecksums, superuser } = cluster;
      const endedAt = await askClock(connection, signal);
      const { startLsn, endLsn, timeline } = range;
      const { system: systemIdentifier } = started;
      ended = { systemIdentifier, timeline, startLsn, endLsn, endedAt, segmentBytes, tablespaces, pageChecksums, superuser };
    },
  });
  return {
    facts: {
      ...cluster.database,
      warnings: [...cluster.database.warnings, ...started.warnings],
      sizeBytes: started.sizeBytes,
      tool: started.tool,
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
      await started.client.close();
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

// What a physical copy of a cluster does not bring back, named with the reason before it is made.

const UNLOGGED = `select c.oid::pg_catalog.regclass::pg_catalog.text as object from pg_catalog.pg_class c
  where c.relpersistence = 'u' and c.relkind in ('r', 'm', 'S') order by 1`;
// Who may not read all settings sees none of these, and then nothing can be said of them.
const OUTSIDE = `select f.name || ' = ' || f.setting as object from pg_catalog.pg_settings f
  join pg_catalog.pg_settings d on d.name = 'data_directory'
  where f.name in ('config_file', 'hba_file', 'ident_file') and f.setting <> '' and not pg_catalog.starts_with(f.setting, d.setting || '/')
  order by 1`;
const SLOTS = "select slot_name::pg_catalog.text as object from pg_catalog.pg_replication_slots where not temporary order by 1";

/** Asked in the database that the source names; what belongs to every database is said of every database. */
async function baseOmissions(client: Client): Promise<Omission[]> {
  const all = async (kind: string, sql: string, reason: string): Promise<Omission[]> =>
    (await client.query<{ object: string }>(sql)).map(({ object }) => ({ kind, object, reason }));
  return [
    ...(await all("unlogged tables", UNLOGGED, "the server empties unlogged tables when it recovers: they come back without rows")),
    {
      kind: "unlogged tables",
      object: "of other databases of the server, where there are any",
      reason: "the server empties unlogged tables when it recovers: they come back without rows",
    },
    ...(await all("configuration files", OUTSIDE, "the file is outside of the data directory: keep a copy of it, and of what it includes")),
    ...(await all("replication slots", SLOTS, "slots belong to the running server: consumers begin anew on a restored one")),
  ];
}
