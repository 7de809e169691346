// What a physical copy of a cluster does not bring back, named with the reason before it is made.
import type { Omission } from "../../../core/fingerprint.ts";
import type { Client } from "../connect/client.ts";

const UNLOGGED = `select c.oid::pg_catalog.regclass::pg_catalog.text as object from pg_catalog.pg_class c
  where c.relpersistence = 'u' and c.relkind in ('r', 'm', 'S') order by 1`;
// Who may not read all settings sees none of these, and then nothing can be said of them.
const OUTSIDE = `select f.name || ' = ' || f.setting as object from pg_catalog.pg_settings f
  join pg_catalog.pg_settings d on d.name = 'data_directory'
  where f.name in ('config_file', 'hba_file', 'ident_file') and f.setting <> '' and not pg_catalog.starts_with(f.setting, d.setting || '/')
  order by 1`;
const SLOTS = "select slot_name::pg_catalog.text as object from pg_catalog.pg_replication_slots where not temporary order by 1";

/** Asked in the database that the source names; what belongs to every database is said of every database. */
export async function baseOmissions(client: Client): Promise<Omission[]> {
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
