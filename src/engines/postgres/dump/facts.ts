// What a database says of itself before a backup: its size, its version, and what its user should know.
import type { DatabaseFacts } from "../../../ports/connection.ts";
import type { Client } from "../connect/client.ts";
import { clusterIdentity } from "../connect/identity.ts";
import { routinesWithBareNames } from "../features/bare-names.ts";
import { collationReasons } from "../features/collations.ts";
import { tablesThatRunCode } from "../fingerprint/planning.ts";
import { USER_SCHEMA } from "../fingerprint/relations.ts";

const QUERY = `
select pg_catalog.current_setting('server_version') as version, pg_catalog.current_database()::pg_catalog.text as database, current_user::pg_catalog.text as "user",
  pg_catalog.pg_database_size(pg_catalog.current_database())::pg_catalog.text as size,
  (select pg_catalog.count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p') and c.relpersistence <> 't' and ${USER_SCHEMA})::pg_catalog.text as tables,
  pg_catalog.pg_encoding_to_char(d.encoding)::pg_catalog.text as encoding,
  (select rolsuper or rolbypassrls from pg_catalog.pg_roles where rolname = current_user) as sees_all,
  (select pg_catalog.count(*) from pg_catalog.pg_class where relrowsecurity) > 0 as row_security,
  pg_catalog.pg_is_in_recovery() as standby,
  case when pg_catalog.pg_is_in_recovery() then (select pg_catalog.string_agg(c.oid::pg_catalog.regclass::pg_catalog.text, ', ')
   from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind = 'r' and c.relpersistence = 'u' and ${USER_SCHEMA}) end as unlogged,
  (select pg_catalog.sum(numbackends) from pg_catalog.pg_stat_database)::pg_catalog.text as connections,
  (pg_catalog.current_setting('max_connections')::int - pg_catalog.current_setting('superuser_reserved_connections')::int)::pg_catalog.text as most_connections,
  extract(epoch from pg_catalog.clock_timestamp())::pg_catalog.text as now
from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()`;

interface Facts extends Record<string, unknown> {
  readonly version: string;
  readonly database: string;
  readonly user: string;
  readonly size: string;
  readonly tables: string;
  readonly encoding: string;
  readonly sees_all: boolean;
  readonly row_security: boolean;
  readonly standby: boolean;
  readonly unlogged: string | null;
  readonly connections: string;
  readonly most_connections: string;
  readonly now: string;
}

const NAMED = 5;

/** `tool`: the program that will be used, as `pg_dump 15.20`. */
export async function databaseFacts(client: Client, tool: string): Promise<DatabaseFacts> {
  const [facts] = (await client.query<Facts>(QUERY)) as [Facts];
  const warnings: string[] = [];
  if (facts.tables === "0") warnings.push("it has no tables");
  if (facts.encoding === "SQL_ASCII")
    warnings.push("its encoding is SQL_ASCII: texts are restored byte for byte, without regard to their meaning");
  if (facts.row_security && !facts.sees_all) {
    warnings.push(`row-level security is in use and ${facts.user} does not bypass it: a backup is refused where rows would be hidden`);
  }
  if (facts.standby)
    warnings.push("it is a standby: a long backup may be cancelled by what the primary changes (max_standby_streaming_delay)");
  if (facts.unlogged !== null)
    warnings.push(`a standby has no rows of unlogged tables (${facts.unlogged}): back up the primary, or make them LOGGED there`);
  const refused = await tablesThatRunCode({ ask: (sql, values) => client.query(sql, values) }, null);
  for (const { name, reason } of refused.slice(0, NAMED)) warnings.push(`${name} is backed up and cannot be compared: ${reason}`);
  if (refused.length > NAMED) warnings.push(`so it is with ${refused.length - NAMED} more tables`);
  const bare = await routinesWithBareNames(client);
  warnings.push(...bare.slice(0, NAMED));
  if (bare.length > NAMED) warnings.push(`so it is with ${bare.length - NAMED} more functions`);
  return {
    serverVersion: facts.version,
    serverMajor: Math.floor(client.serverVersionNumber / 10_000),
    database: facts.database,
    user: facts.user,
    sizeBytes: Number(facts.size),
    tables: Number(facts.tables),
    tool,
    warnings,
    reasons: await collationReasons(client),
    identity: await clusterIdentity(client),
    now: new Date(Number(facts.now) * 1000),
    limits: [{ name: "connections", used: Number(facts.connections), max: Number(facts.most_connections), unit: "count" }],
  };
}
