// What a backup of one database does not bring back, found before it is made and named with the reason.
import type { Omission } from "../../../core/fingerprint.ts";
import type { Gap } from "../../../ports/chosen.ts";
import type { DumpOptions } from "../../../ports/dump.ts";

/** The part of a client that is asked; its errors are the caller's. */
export interface Asked {
  query(sql: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
}

interface Rule {
  readonly kind: string;
  /** Kinds of backup that the rule concerns; absent: all. */
  readonly in?: readonly DumpOptions["kind"][];
  readonly reason: string;
  /** Gives one row a thing, `object`. It is asked only where `needs` (a boolean expression) holds. */
  readonly sql: string;
  readonly needs?: string;
}

const USER = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'";
const HERE = "(select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())";
const relations = (where: string) => `select c.oid::pg_catalog.regclass::pg_catalog.text as object from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace where ${USER} and ${where} order by 1`;
const MEMBER =
  "exists (select from pg_catalog.pg_depend m where m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and m.objid = c.oid and m.deptype = 'e')";
const WITH_ROWS = ["full", "data", "tables"] as const;

const RULES: readonly Rule[] = [
  {
    kind: "roles",
    in: ["data", "tables"],
    reason: "only full and schema backups hold roles: create them before a restore, or owners and privileges are left out",
    sql: "select pg_catalog.quote_ident(rolname) as object from pg_catalog.pg_roles where rolname !~ '^pg_' order by 1",
  },
  {
    kind: "tablespaces",
    reason: "tablespaces belong to the cluster; where a server lacks them, tables are restored into its default one",
    sql: "select pg_catalog.quote_ident(spcname) as object from pg_catalog.pg_tablespace where spcname !~ '^pg_' order by 1",
  },
  {
    kind: "other databases",
    reason: "a backup holds one database; each other one is a source of its own",
    sql: `select pg_catalog.quote_ident(datname) as object from pg_catalog.pg_database
      where not datistemplate and datname not in ('postgres', pg_catalog.current_database()) order by 1`,
  },
  {
    kind: "database owner",
    reason: "a restore leaves owner, comment and tablespace of the database itself as they are",
    sql: "select pg_catalog.quote_ident(pg_catalog.current_database()) as object",
  },
  {
    kind: "server settings",
    reason: "postgresql.conf, pg_hba.conf and ALTER SYSTEM belong to the server",
    sql: "select 'the server''s configuration' as object",
  },
  {
    kind: "replication slots",
    reason: "a slot is a position in this server's log and means nothing elsewhere",
    sql: `select pg_catalog.quote_ident(slot_name) as object from pg_catalog.pg_replication_slots
      where not temporary and (datoid is null or datoid = ${HERE}) order by 1`,
  },
  {
    kind: "rows of unlogged tables",
    reason: "a standby has none of them: back up the primary, or make the tables LOGGED there",
    in: WITH_ROWS,
    needs: "pg_catalog.pg_is_in_recovery()",
    sql: relations("c.relkind = 'r' and c.relpersistence = 'u'"),
  },
  {
    kind: "prepared transactions",
    reason: "what they changed is not committed and so not part of the backup",
    in: WITH_ROWS,
    sql: "select pg_catalog.quote_ident(gid) as object from pg_catalog.pg_prepared_xacts where database = pg_catalog.current_database() order by 1",
  },
  {
    kind: "subscriptions",
    reason: "a restore makes them disabled, so that a copy does not take the source's place: enable them by hand",
    in: ["full", "schema"],
    needs: "(select rolsuper from pg_catalog.pg_roles where rolname = current_user)",
    sql: `select pg_catalog.quote_ident(subname) as object from pg_catalog.pg_subscription where subdbid = ${HERE} order by 1`,
  },
  {
    kind: "subscriptions",
    reason: "only a superuser can read subscriptions: any that this database has are not in the backup",
    in: ["full", "schema"],
    needs: "not (select rolsuper from pg_catalog.pg_roles where rolname = current_user)",
    sql: `select 'subscriptions of ' || pg_catalog.quote_ident(pg_catalog.current_database()) as object
      where exists (select subname from pg_catalog.pg_stat_subscription)`,
  },
  {
    kind: "foreign tables",
    reason: "the definition is in the backup; the rows live on another server",
    in: WITH_ROWS,
    sql: relations("c.relkind = 'f'"),
  },
  {
    kind: "user mappings",
    reason: "an ordinary user cannot read the options of other users' mappings, such as passwords: they come back without them",
    in: ["full", "schema"],
    needs: "not (select rolsuper from pg_catalog.pg_roles where rolname = current_user)",
    sql: "select pg_catalog.quote_ident(usename) || ' on ' || pg_catalog.quote_ident(srvname) as object from pg_catalog.pg_user_mappings where umoptions is null order by 1",
  },
  {
    kind: "materialized views",
    reason: "the content is not in the backup; a restore computes it anew",
    in: ["full"],
    sql: relations("c.relkind = 'm'"),
  },
  {
    kind: "extension tables",
    reason:
      "a dump leaves their content to the extension: rows of yours in them are not in the backup, and a drill that misses any is inconclusive",
    in: ["full", "data"],
    sql: relations(`c.relkind in ('r', 'S') and ${MEMBER}
      and not exists (select from pg_catalog.pg_extension x where c.oid = any (x.extconfig))`),
  },
  {
    kind: "extensions",
    reason: "the server restored to must offer their files, and gives its own version of each",
    in: ["full", "schema"],
    sql: "select pg_catalog.quote_ident(extname) as object from pg_catalog.pg_extension where extname <> 'plpgsql' order by 1",
  },
  {
    kind: "large objects",
    reason: "a schema backup holds definitions only: neither large objects nor their owners and comments",
    in: ["schema"],
    sql: "select m.oid::pg_catalog.text as object from pg_catalog.pg_largeobject_metadata m order by m.oid limit 21",
  },
  {
    kind: "invalid indexes",
    reason: "an index that was left invalid (a CREATE INDEX CONCURRENTLY that failed) is not dumped: rebuild or drop it",
    in: ["full", "schema", "tables"],
    sql: `select i.indexrelid::pg_catalog.regclass::pg_catalog.text as object from pg_catalog.pg_index i
      join pg_catalog.pg_class c on c.oid = i.indexrelid and c.relkind = 'i' join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where not i.indisvalid and ${USER} order by 1`,
  },
  {
    kind: "temporary tables",
    reason: "they belong to a session and end with it",
    in: WITH_ROWS,
    sql: `select pg_catalog.quote_ident(c.relname) as object from pg_catalog.pg_class c where c.relpersistence = 't' and c.relkind = 'r' order by 1`,
  },
  {
    kind: "objects in system schemas",
    reason: "a dump leaves out objects in pg_catalog and information_schema",
    in: ["full", "schema"],
    sql: `select c.oid::pg_catalog.regclass::pg_catalog.text as object from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('pg_catalog', 'information_schema') and c.oid >= 16384 and c.relkind in ('r', 'v', 'm', 'S', 'f', 'p') and not ${MEMBER} order by 1`,
  },
];

/** What each narrower kind leaves out as a whole. */
const BY_KIND: Readonly<Record<DumpOptions["kind"], readonly Omission[]>> = {
  full: [],
  data: [{ kind: "definitions", object: "all definitions", reason: "a data backup holds rows only: restore it into tables that exist" }],
  schema: [{ kind: "rows", object: "all rows", reason: "a schema backup holds definitions only" }],
  tables: [
    {
      kind: "everything else",
      object: "all other objects",
      reason: "only the chosen tables are in the backup, with the definitions that they need to be created",
    },
    {
      kind: "large objects",
      object: "all large objects",
      reason: "large objects belong to no table; only a full or data backup holds them",
    },
  ],
};

const NAMED_PER_ENTRY = 20;

/** One entry a kind of thing, naming the first of many; most telling first. Errors of the session are the caller's. */
export async function findOmissions(client: Asked, options: Pick<DumpOptions, "kind">): Promise<Omission[]> {
  const found: Omission[] = [...BY_KIND[options.kind]];
  for (const rule of RULES) {
    if (rule.in && !rule.in.includes(options.kind)) continue;
    if (rule.needs && (await client.query(`select coalesce(${rule.needs}, false) as ok`)).rows[0]?.ok !== true) continue;
    const objects = (await client.query(rule.sql)).rows.map((row) => String(row.object));
    if (objects.length === 0) continue;
    found.push({ kind: rule.kind, object: named(objects), reason: rule.reason });
  }
  return found;
}

function named(objects: readonly string[]): string {
  const more = objects.length > NAMED_PER_ENTRY ? ` and ${objects.length - NAMED_PER_ENTRY} more` : "";
  return objects.slice(0, NAMED_PER_ENTRY).join(", ") + more;
}

/** The gaps of a backup of chosen tables, one entry a kind and reason. */
export function withGaps(gaps: readonly Gap[]): Omission[] {
  const groups = Map.groupBy(gaps, ({ kind, reason }) => `${kind}: ${reason}`);
  return [...groups.values()].flatMap(([first, ...more]) =>
    first === undefined ? [] : [{ kind: first.kind, object: named([first, ...more].map(({ object }) => object)), reason: first.reason }],
  );
}
