// Which entries of an archive a load brings: all of them, rows alone, or the chosen tables with the objects that they depend on and the database lacks.
import { LifeboatError } from "../../../core/errors.ts";
import type { Omission } from "../../../core/fingerprint.ts";
import type { LoadOptions } from "../../../ports/engine.ts";
import type { TocEntry } from "../archive/contents.ts";
import type { Client } from "../connect/client.ts";
import { quoteName as quote, readableName } from "../connect/quote.ts";
import { existing } from "./clear.ts";
import { tablesOf } from "./rows-in.ts";
import { type Outward, referencedTable, selectTables } from "./selection.ts";

export interface Wanted {
  readonly entries: readonly TocEntry[];
  readonly tables: readonly TocEntry[];
  /** Of the entries, objects that the tables depend on and the database lacks. */
  readonly foundations: readonly TocEntry[];
  readonly notRestored: readonly Omission[];
}

/** Changes nothing. */
export async function choose(client: Client, all: readonly TocEntry[], options: LoadOptions): Promise<Wanted> {
  if (options.tables === undefined) {
    const dangling = options.chosen === true && options.dataOnly !== true ? await danglingKeys(client, all, all.filter(isTable)) : [];
    const without = new Set(dangling);
    const entries = all.filter((entry) =>
      options.dataOnly ? isData(entry) : !(entry.kind === "SCHEMA" && entry.name === "public") && !without.has(entry),
    );
    const notRestored = dangling.map((key) => keyNotRestored(key, "the backup does not hold it"));
    return { entries, tables: tablesOf(all), foundations: [], notRestored };
  }
  const selection = selectTables(all, options.tables);
  if (options.dataOnly) return { ...selection, entries: selection.entries.filter(isData) };
  if (options.replace !== true) {
    const present = await existing(client, selection.tables);
    if (present.length > 0) {
      throw new LifeboatError("RESTORE_TARGET_NOT_EMPTY", `${client.connection.label} already holds ${present.join(", ")}`);
    }
  }
  const there = await foundationsThere(client, selection.foundations);
  const chosen = new Set([...selection.entries, ...selection.foundations.filter((entry) => !there.has(entry.dumpId))]);
  const notRestored = [...selection.notRestored];
  for (const key of await danglingKeys(client, selection.entries, selection.tables)) {
    chosen.delete(key);
    notRestored.push(keyNotRestored(key, `was not chosen; to include it: --tables ${[...options.tables, referencedTable(key)].join(",")}`));
  }
  for (const { entry, others } of await outwardOf(client, selection.outward)) {
    const { other, include } = refuseWithout({ entry, others }, options.tables);
    chosen.delete(entry);
    const reason = `${other} is not here and was not chosen; to include it: ${include}`;
    notRestored.push({ kind: entry.kind.toLowerCase(), object: `${entry.schema}.${entry.name}`, reason });
  }
  const entries = all.filter((entry) => chosen.has(entry));
  const foundations = selection.foundations.filter((entry) => chosen.has(entry));
  return { entries, tables: selection.tables, foundations, notRestored };
}

/** Such an archive is loaded into tables that exist; to take it for a whole one would drop them on `replace`. */
export const holdsOnlyData = (entries: readonly TocEntry[]): boolean =>
  entries.some((entry) => entry.hasData) && !entries.some((entry) => entry.kind === "TABLE");

const isData = (entry: TocEntry): boolean =>
  entry.hasData || entry.kind === "SEQUENCE SET" || entry.kind === "BLOB" || entry.kind === "BLOB METADATA";

/** A backup of chosen tables names schemas without holding them. */
export async function createLooseSchemas(client: Client, all: readonly TocEntry[], entries: readonly TocEntry[]): Promise<void> {
  const present = new Set(all.filter((entry) => entry.kind === "SCHEMA").map((entry) => entry.name));
  const loose = new Set(entries.filter((entry) => entry.kind === "TABLE" && !present.has(entry.schema)).map((entry) => entry.schema));
  loose.delete("public");
  for (const schema of loose) await client.query(`create schema if not exists ${quote(schema)}`);
}

const keyNotRestored = (key: TocEntry, why: string): Omission => ({
  kind: "foreign key",
  object: `${key.schema}.${key.name}`,
  reason: `${referencedTable(key)} is not here and ${why}`,
});

const isTable = ({ kind }: TocEntry): boolean => kind === "TABLE";

/** Foreign keys to tables that are neither chosen nor in the database. */
async function danglingKeys(client: Client, entries: readonly TocEntry[], tables: readonly TocEntry[]): Promise<TocEntry[]> {
  const keys = entries.filter((entry) => entry.kind === "FK CONSTRAINT");
  const names = [...new Set(keys.flatMap((key) => referencedTable(key) ?? []))];
  const rows = await client.query<{ name: string; found: boolean; plain: string }>(
    `select name, pg_catalog.to_regclass(name) is not null as found, pg_catalog.array_to_string(pg_catalog.parse_ident(name), '.') as plain from pg_catalog.unnest($1::pg_catalog.text[]) name`,
    [names],
  );
  const chosen = new Set(tables.map((table) => `${table.schema}.${table.name}`));
  const lost = new Set(rows.filter((row) => !row.found && !chosen.has(row.plain)).map((row) => row.name));
  return keys.filter((key) => lost.has(referencedTable(key) ?? ""));
}

/** LOAD_FAILED for an entry that cannot be without what it depends on; else how that can be included. */
export function refuseWithout({ entry, others }: Outward, tables: readonly string[]): { readonly other: string; readonly include: string } {
  const [other = ""] = others.map(({ schema, name }) => `${readableName(schema)}.${readableName(name)}`);
  const include = `--tables ${[...tables, other].join(",")}`;
  if (LEAVABLE.has(entry.kind)) return { other, include };
  throw new LifeboatError("LOAD_FAILED", `${entry.schema}.${entry.name} needs ${other}, which is not here and was not chosen`, {
    hint: `include it: ${include}`,
  });
}

/** Entries without which their table has all its rows. */
const LEAVABLE: ReadonlySet<string> = new Set(["POLICY", "RULE"]);

/** Those that depend on a relation which the database lacks. */
async function outwardOf(client: Client, outward: readonly Outward[]): Promise<Outward[]> {
  const there = new Set(
    await existing(
      client,
      outward.flatMap(({ others }) => others),
    ),
  );
  return outward
    .map(({ entry, others }) => ({ entry, others: others.filter(({ schema, name }) => !there.has(`${quote(schema)}.${quote(name)}`)) }))
    .filter(({ others }) => others.length > 0);
}

/** How to look for an object of each kind; `$1` schema, `$2` name. Kinds not listed are taken for absent. */
const LOOK: Readonly<Record<string, string>> = {
  SCHEMA: "select 1 from pg_catalog.pg_namespace where nspname = $2 and $1::pg_catalog.text is not null",
  EXTENSION: "select 1 from pg_catalog.pg_extension where extname = $2 and $1::pg_catalog.text is not null",
  TYPE: "select 1 from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace where n.nspname = $1 and t.typname = $2",
  SEQUENCE:
    "select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2",
  COLLATION:
    "select 1 from pg_catalog.pg_collation c join pg_catalog.pg_namespace n on n.oid = c.collnamespace where n.nspname = $1 and c.collname = $2",
  // An archive names a routine with the types of its arguments, without their names: `area(integer, text)`.
  FUNCTION: `select 1 from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = $1 and p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')' = $2`,
};
const SAME_LOOK: Readonly<Record<string, string>> = {
  TABLE: "SEQUENCE",
  DOMAIN: "TYPE",
  "SHELL TYPE": "TYPE",
  PROCEDURE: "FUNCTION",
  AGGREGATE: "FUNCTION",
};

/** Dump ids of those that exist. */
async function foundationsThere(client: Client, foundations: readonly TocEntry[]): Promise<ReadonlySet<number>> {
  const there = new Set<number>();
  for (const entry of foundations) {
    const look = LOOK[SAME_LOOK[entry.kind] ?? entry.kind];
    if (look === undefined) continue;
    if ((await client.query(look, [entry.schema, entry.name])).length > 0) there.add(entry.dumpId);
  }
  return there;
}
