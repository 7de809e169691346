// What the loader may do with objects that are not its own: granted by statements, and gone with the role.
import type { TocEntry } from "../archive/contents.ts";
import type { Client } from "../connect/client.ts";
import { quoteName as quote } from "../connect/quote.ts";
import type { Loader } from "./loader-role.ts";
import { referencedTable } from "./selection.ts";

/** What the loader needs of objects that are there before it creates anything: schemas, tablespaces, tables that keys refer to or rows go into. */
export async function rightsToFill(client: Client, { name }: Loader, entries: readonly TocEntry[]): Promise<string[]> {
  const created = new Set(entries.filter(({ kind }) => kind === "TABLE").map(qualified));
  const filled = entries.filter(({ kind }) => kind === "TABLE DATA").filter((entry) => !created.has(qualified(entry)));
  const madeSequences = new Set(entries.filter(({ kind }) => kind === "SEQUENCE").map(qualified));
  const set = entries.filter(({ kind }) => kind === "SEQUENCE SET").filter((entry) => !madeSequences.has(qualified(entry)));
  const referred = [...new Set(entries.flatMap((entry) => referencedTable(entry) ?? []))];
  const there = await client.query<{ name: string; what: string }>(
    `select 'tablespace' as what, spcname::pg_catalog.text as name from pg_catalog.pg_tablespace where spcname = any ($1)
     union all select 'referred', pg_catalog.to_regclass(name)::pg_catalog.text from pg_catalog.unnest($2::pg_catalog.text[]) name where pg_catalog.to_regclass(name) is not null`,
    [entries.map(({ tablespace }) => tablespace).filter((one) => one !== ""), referred],
  );
  const of = (kind: string): string[] => there.filter(({ what }) => what === kind).map((one) => one.name);
  const creates = new Set(entries.filter(({ kind }) => kind !== "TABLE DATA" && kind !== "SEQUENCE SET").map(({ schema }) => schema));
  return [
    ...(await foreignSchemas(client, name)).map(
      (schema) => `grant usage${creates.has(schema) ? ", create" : ""} on schema ${quote(schema)} to ${name}`,
    ),
    ...of("tablespace").map((tablespace) => `grant create on tablespace ${quote(tablespace)} to ${name}`),
    ...of("referred").map((table) => `grant select, references on ${table} to ${name}`),
    ...granting("select, insert, delete, truncate", filled, name),
    ...granting("select, update", set, name),
    ...(await partitionedAbove(client, filled)).map((table) => `grant insert on ${table} to ${name}`),
  ];
}

/** Rows of some hash partitions are put in through the table that they are partitions of. */
async function partitionedAbove(client: Client, tables: readonly TocEntry[]): Promise<string[]> {
  const rows = await client.query<{ schema: string; name: string }>(
    `select distinct pn.nspname::pg_catalog.text as schema, p.relname::pg_catalog.text as name
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     join rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) as wanted(schema, name) on wanted.schema = n.nspname and wanted.name = c.relname
     cross join lateral pg_catalog.pg_partition_ancestors(c.oid) a join pg_catalog.pg_class p on p.oid = a.relid and p.relkind = 'p'
     join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace where c.relispartition`,
    [tables.map(({ schema }) => schema), tables.map(({ name }) => name)],
  );
  return rows.map((row) => `${quote(row.schema)}.${quote(row.name)}`);
}

const READABLE = new Set(["TABLE", "SEQUENCE", "VIEW", "MATERIALIZED VIEW", "TABLE DATA"]);

/** For the comparison and the probes: reading a table runs code too, when a statement is planned. */
export async function rightsToRead(client: Client, { name }: Loader, entries: readonly TocEntry[]): Promise<string[]> {
  const readable = entries.filter(({ kind }) => READABLE.has(kind));
  return [
    ...(await foreignSchemas(client, name)).map((schema) => `grant usage on schema ${quote(schema)} to ${name}`),
    ...granting("select", readable, name),
    ...(await membersOfExtensions(client)).map((member) => `grant select on ${member} to ${name}`),
  ];
}

/** Tables and sequences that extensions brought. */
async function membersOfExtensions(client: Client): Promise<string[]> {
  const rows = await client.query<{ schema: string; name: string }>(
    `select n.nspname::pg_catalog.text as schema, c.relname::pg_catalog.text as name
     from pg_catalog.pg_depend d join pg_catalog.pg_class c on c.oid = d.objid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.deptype = 'e' and c.relkind in ('r', 'p', 'S') and n.nspname !~ '^pg_'`,
  );
  return rows.map((row) => `${quote(row.schema)}.${quote(row.name)}`);
}

/** A user's schemas that the loader does not own; types and functions of extensions are in them too. */
async function foreignSchemas(client: Client, loader: string): Promise<string[]> {
  const rows = await client.query<{ name: string }>(
    `select nspname::pg_catalog.text as name from pg_catalog.pg_namespace
     where nspname !~ '^pg_' and nspname <> 'information_schema' and nspowner <> $1::pg_catalog.regrole`,
    [loader],
  );
  return rows.map((row) => row.name);
}

const TOGETHER = 200;

function granting(what: string, entries: readonly TocEntry[], to: string): string[] {
  const names = [...new Set(entries.map(qualified))];
  return Array.from(
    { length: Math.ceil(names.length / TOGETHER) },
    (_, n) => `grant ${what} on ${names.slice(n * TOGETHER, (n + 1) * TOGETHER).join(", ")} to ${to}`,
  );
}

const qualified = ({ schema, name }: TocEntry): string => `${quote(schema)}.${quote(name)}`;
