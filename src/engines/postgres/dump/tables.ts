// The relations that a dump will hold: found before anything is locked, refused by name when they cannot be read whole.
import { LifeboatError } from "../../../core/errors.ts";
import { didYouMean } from "../../../core/suggest.ts";
import { USER_SCHEMA } from "../fingerprint/relations.ts";
import { parsePattern } from "../fingerprint/scope.ts";
import type { Session } from "../fingerprint/session.ts";

export interface SourceTable {
  readonly oid: string;
  readonly schema: string;
  readonly table: string;
  /** Qualified, quoted where needed. */
  readonly name: string;
  /** `pg_class.relkind`: r table, p partitioned table, S sequence, v view, m materialized view, f foreign table. */
  readonly kind: string;
  /** Null when it was dropped while it was listed. */
  readonly readable: boolean | null;
  /** Row-level security would hide rows from this user. */
  readonly hidden: boolean;
  /** First on the search path among those of its name: what the bare name means. */
  readonly visible: boolean;
  /** OIDs of the partitioned tables above it. */
  readonly ancestors: readonly string[];
}

// Members of extensions are not dumped, unless the extension marked them as holding a user's configuration.
const QUERY = `
with path as (
  select part, place from pg_catalog.unnest($1::pg_catalog.text[]) with ordinality as parts(part, place)
), listed as (
  select c.oid, n.nspname, c.relname, c.relkind, c.relispartition, n.oid as schema_oid,
    pg_catalog.row_number() over (partition by c.relname order by path.place nulls last) = 1 and path.place is not null as visible
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join path on path.part = n.nspname
  where c.relkind in ('r', 'p', 'S', 'v', 'm', 'f') and c.relpersistence <> 't' and ${USER_SCHEMA}
    and not exists (
      select from pg_catalog.pg_depend d join pg_catalog.pg_extension x on x.oid = d.refobjid
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.objsubid = 0 and d.deptype = 'e'
        and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and not c.oid = any (coalesce(x.extconfig, '{}')))
)
select oid::bigint::pg_catalog.text as oid, nspname::pg_catalog.text as schema, relname::pg_catalog.text as "table", relkind::pg_catalog.text as kind, visible,
  pg_catalog.quote_ident(nspname) || '.' || pg_catalog.quote_ident(relname) as name,
  relkind not in ('r', 'p', 'S') or pg_catalog.has_schema_privilege(schema_oid, 'USAGE') and pg_catalog.has_table_privilege(oid, 'SELECT') as readable,
  relkind = 'r' and pg_catalog.row_security_active(oid) as hidden,
  case when relispartition then array(select relid::bigint::pg_catalog.text from pg_catalog.pg_partition_ancestors(oid) relid) else '{}' end as ancestors
from listed
order by nspname collate pg_catalog."C", relname collate pg_catalog."C"`;

/** Whether a dump locks it. */
export const isTable = ({ kind }: Pick<SourceTable, "kind">): boolean => kind === "r" || kind === "p";

/** Every relation that a dump of this database would hold. `path`: the schemas in which a bare name is looked for. */
export async function listTables(session: Session, path: readonly string[]): Promise<SourceTable[]> {
  const { rows } = await session.query(QUERY, [path]);
  return rows as unknown as SourceTable[];
}

/** SOURCE_PERMISSION, naming what this user cannot read whole, before any byte flows. */
export function refuseUnreadable(tables: readonly SourceTable[], label: string, withData: boolean, why = ""): void {
  const unreadable = tables.filter((table) => table.readable === false);
  if (unreadable.length > 0) {
    throw new LifeboatError("SOURCE_PERMISSION", `the user of ${label} may not read ${namesOf(unreadable)}${why}`, {
      details: { objects: unreadable.map((table) => table.name) },
    });
  }
  const hidden = withData ? tables.filter((table) => table.hidden) : [];
  if (hidden.length > 0) {
    throw new LifeboatError("SOURCE_PERMISSION", `row-level security would hide rows of ${namesOf(hidden)} from the user of ${label}`, {
      details: { objects: hidden.map((table) => table.name) },
      hint: "connect as the owner of these tables (without FORCE ROW LEVEL SECURITY), a superuser, or a role with BYPASSRLS",
    });
  }
}

const NAMED = 5;

/** The first of them, and how many more there are. */
export function namesOf(tables: readonly SourceTable[]): string {
  const names = tables.slice(0, NAMED).map((table) => table.name);
  const more = tables.length - names.length;
  return names.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/**
 * The chosen tables, with the partitions of those that are partitioned. A name without a schema means what an ordinary session
 * would see; `*` and `?` stand for letters; quoted parts are literal. Throws TABLE_UNKNOWN for a pattern that matches nothing.
 */
export function chooseTables(all: readonly SourceTable[], patterns: readonly string[], label: string): SourceTable[] {
  const found = patterns.flatMap((pattern) => {
    const tables = matchingOf(all, pattern, label).filter(isTable);
    if (tables.length === 0) throw notTables(matching(all, pattern), label);
    return tables;
  });
  return withPartitions(all, found);
}

/** The same, with the other relations that the patterns match. TABLE_UNKNOWN where none of them is a table: such a backup would hold no rows. */
export function chooseRelations(all: readonly SourceTable[], patterns: readonly string[], label: string): SourceTable[] {
  const found = patterns.flatMap((pattern) => matchingOf(all, pattern, label));
  if (found.length > 0 && !found.some(isTable)) throw notTables(found, label);
  return withPartitions(all, found);
}

function matchingOf(all: readonly SourceTable[], pattern: string, label: string): SourceTable[] {
  const found = matching(all, pattern);
  if (found.length > 0) return found;
  const names = all.filter(isTable).flatMap((table) => (table.visible ? [table.table, table.name] : [table.name]));
  const elsewhere = all.filter((one) => isTable(one) && !one.visible && one.table === pattern).map(({ name }) => name);
  const near = elsewhere.length > 0 ? `; there is ${elsewhere.join(" and ")}` : didYouMean(pattern, names);
  throw new LifeboatError("TABLE_UNKNOWN", `no table of ${label} matches ${pattern}${near}`);
}

function withPartitions(all: readonly SourceTable[], found: readonly SourceTable[]): SourceTable[] {
  if (found.length === 0) throw new LifeboatError("USAGE", "a backup of chosen tables needs at least one table");
  const chosen = new Set(found.map(({ oid }) => oid));
  return all.filter((table) => chosen.has(table.oid) || table.ancestors.some((ancestor) => chosen.has(ancestor)));
}

const NO_TABLES: Readonly<Record<string, string>> = {
  v: "a view, which holds no rows: choose the tables that it reads",
  m: "a materialized view, whose rows a restore computes: choose the tables that it reads",
  f: "a foreign table, whose rows are on another server: make that a source of its own",
  S: "a sequence, which comes with the table that uses it: choose that",
};

const notTables = ([first]: readonly SourceTable[], label: string): LifeboatError =>
  new LifeboatError("TABLE_UNKNOWN", `${first?.name} of ${label} is ${NO_TABLES[first?.kind ?? ""] ?? "not a table"}`);

interface NamedTable {
  readonly schema: string;
  readonly table: string;
  readonly visible: boolean;
}

/** Tables that a pattern means. */
export function matching<T extends NamedTable>(tables: readonly T[], pattern: string): T[] {
  const { schema, name } = parsePattern(pattern);
  const nameMatches = new RegExp(`^(?:${name})$`, "s");
  const schemaMatches = schema === null ? undefined : new RegExp(`^(?:${schema})$`, "s");
  return tables.filter(
    (table) => nameMatches.test(table.table) && (schemaMatches === undefined ? table.visible : schemaMatches.test(table.schema)),
  );
}
