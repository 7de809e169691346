// Texts that were put in order by another version of their collation than the server has now: after an upgrade of the operating system,
// for example. Their indexes may be wrong, and a restore orders and compares texts by the new version.
import type { HealthReason } from "../../../core/monitors.ts";
import type { Client } from "../connect/client.ts";
import { quoteName } from "../connect/quote.ts";

const OF_DATABASE = `
select d.datname::pg_catalog.text as name, d.datcollversion as then, pg_catalog.pg_database_collation_actual_version(d.oid) as now
from pg_catalog.pg_database d
where d.datname = pg_catalog.current_database() and d.datcollversion <> pg_catalog.pg_database_collation_actual_version(d.oid)`;

/** Only those that a column or an index uses: the others order nothing, and to take the versions of all 800 is slow. */
const OF_COLLATIONS = `
select pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.collname) as name, c.collversion as then,
  pg_catalog.pg_collation_actual_version(c.oid) as now
from (
  select c.* from (select distinct a.attcollation from pg_catalog.pg_attribute a where a.attcollation <> 0 and not a.attisdropped) a
  join pg_catalog.pg_collation c on c.oid = a.attcollation where c.collversion is not null offset 0
) c join pg_catalog.pg_namespace n on n.oid = c.collnamespace
where c.collversion <> pg_catalog.pg_collation_actual_version(c.oid)
order by 1`;

const NAMED = 5;

interface Changed extends Record<string, unknown> {
  readonly name: string;
  readonly then: string;
  readonly now: string;
}

/** COLLATION_CHANGED, with the statements to run on the source. Empty where nothing has changed, or the server keeps no versions. */
export async function collationReasons(client: Client): Promise<HealthReason[]> {
  const found = client.serverVersionNumber >= 150_000 ? await client.query<Changed>(OF_DATABASE) : [];
  const used = await client.query<Changed>(OF_COLLATIONS);
  const [database] = found;
  const changed = [
    ...found.map(({ name, ...versions }) => ({ ...versions, what: `database ${name}`, refresh: `ALTER DATABASE ${quoteName(name)}` })),
    ...used.map(({ name, ...versions }) => ({ ...versions, what: `collation ${name}`, refresh: `ALTER COLLATION ${name}` })),
  ];
  if (changed.length === 0) return [];
  const rebuild = database === undefined ? "REINDEX the tables that use it" : `REINDEX DATABASE ${quoteName(database.name)}`;
  const which = changed.slice(0, NAMED).map(({ what, then, now }) => `${what} (version ${then}, now ${now})`);
  const more = changed.length > NAMED ? ` and ${changed.length - NAMED} more` : "";
  const statements = [rebuild, ...changed.slice(0, NAMED).map(({ refresh }) => `${refresh} REFRESH COLLATION VERSION`)].join("; ");
  const message = `the order of texts has changed since they were stored: ${which.join(", ")}${more}; run on the source: ${statements};`;
  return [{ code: "COLLATION_CHANGED", message }];
}
