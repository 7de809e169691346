// What a base backup's manifest says of the cluster it was taken from.
import { LifeboatError } from "../../../core/errors.ts";
import type { BaseFacts, Micros } from "../../../core/log.ts";
import type { DatabaseFacts } from "../../../ports/connection.ts";
import type { Client } from "../connect/client.ts";
import { clusterIdentity } from "../connect/identity.ts";

const QUERY = `
select pg_catalog.current_setting('server_version') as version, pg_catalog.current_database()::pg_catalog.text as database, current_user::pg_catalog.text as "user",
  (select pg_catalog.count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema')::pg_catalog.text as tables,
  pg_catalog.pg_is_in_recovery() as standby,
  pg_catalog.current_setting('data_checksums') = 'on' as checksums,
  pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))::pg_catalog.text as segment,
  (select rolname from pg_catalog.pg_roles where oid = 10)::pg_catalog.text as superuser`;

interface Row extends Record<string, unknown> {
  readonly version: string;
  readonly database: string;
  readonly user: string;
  readonly tables: string;
  readonly standby: boolean;
  readonly checksums: boolean;
  readonly segment: string;
  readonly superuser: string | null;
}

export interface ClusterFacts extends Pick<BaseFacts, "segmentBytes" | "pageChecksums" | "superuser"> {
  readonly database: Omit<DatabaseFacts, "sizeBytes" | "tool">;
}

/** CAPABILITY_MISSING on a standby: its clock does not stamp the commits, so no instant of it could be promised. */
export async function clusterFacts(client: Client): Promise<ClusterFacts> {
  const [row] = (await client.query<Row>(QUERY)) as [Row];
  const { label } = client.connection;
  if (row.standby) {
    throw new LifeboatError("CAPABILITY_MISSING", `${label} is a standby: a base backup is taken from its primary`, {
      hint: "name the primary's address as the source",
    });
  }
  const warnings = row.checksums
    ? []
    : ["its data pages carry no checksums (data_checksums): damage that is on its disks already is copied without being noticed"];
  return {
    segmentBytes: Number(row.segment),
    pageChecksums: row.checksums,
    superuser: row.superuser ?? "postgres",
    database: {
      serverVersion: row.version,
      serverMajor: Math.floor(client.serverVersionNumber / 10_000),
      database: row.database,
      user: row.user,
      tables: Number(row.tables),
      warnings,
      identity: await clusterIdentity(client),
    },
  };
}

/** The server's clock, to the microsecond. */
export async function serverClock(client: Client): Promise<Micros> {
  const [row] = await client.query<{ at: string }>(
    `select pg_catalog.to_char(pg_catalog.clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`,
  );
  return row?.at ?? "";
}
