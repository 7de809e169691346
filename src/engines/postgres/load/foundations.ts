// Which of the types, functions and schemas that chosen tables stand on are in the database already.
import type { TocEntry } from "../archive/contents.ts";
import type { Client } from "../connect/client.ts";

/** How to look for an object of each kind; `$1` schema, `$2` name. Kinds not listed are taken for absent. */
const LOOK: Readonly<Record<string, string>> = {
  SCHEMA: "select 1 from pg_catalog.pg_namespace where nspname = $2 and $1::pg_catalog.text is not null",
  EXTENSION: "select 1 from pg_catalog.pg_extension where extname = $2 and $1::pg_catalog.text is not null",
  TYPE: "select 1 from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace where n.nspname = $1 and t.typname = $2",
  SEQUENCE:
    "select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2",
  COLLATION:
    "select 1 from pg_catalog.pg_collation c join pg_catalog.pg_namespace n on n.oid = c.collnamespace where n.nspname = $1 and c.collname = $2",
  // An archive names a routine with its arguments: `area(integer, text)`.
  FUNCTION: `select 1 from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = $1 and p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')' = $2`,
};
const SAME_LOOK: Readonly<Record<string, string>> = { DOMAIN: "TYPE", "SHELL TYPE": "TYPE", PROCEDURE: "FUNCTION", AGGREGATE: "FUNCTION" };

/** Dump ids of those that exist. */
export async function foundationsThere(client: Client, foundations: readonly TocEntry[]): Promise<ReadonlySet<number>> {
  const there = new Set<number>();
  for (const entry of foundations) {
    const look = LOOK[SAME_LOOK[entry.kind] ?? entry.kind];
    if (look === undefined) continue;
    if ((await client.query(look, [entry.schema, entry.name])).length > 0) there.add(entry.dumpId);
  }
  return there;
}
