// Which entries of an archive restore the chosen tables with all objects that belong to them.
//
// `pg_restore -t` would leave out indexes, constraints, defaults, triggers and policies; so the entries are found here, by the
// dependencies that pg_dump wrote, and given to pg_restore as a list.
import { LifeboatError } from "../../../core/errors.ts";
import type { Omission } from "../../../core/fingerprint.ts";
import { didYouMean } from "../../../core/suggest.ts";
import type { TocEntry } from "../archive/contents.ts";
import { matching } from "../dump/tables.ts";

export interface Selection {
  /** In the archive's order. */
  readonly entries: readonly TocEntry[];
  /** The chosen tables themselves. */
  readonly tables: readonly TocEntry[];
  /** What those tables depend on (types, functions, schemas …): to be restored only where it is not there already. */
  readonly foundations: readonly TocEntry[];
  /** Entries of the chosen tables that depend on other relations of the archive, which were not chosen. */
  readonly outward: readonly Outward[];
  readonly notRestored: readonly Omission[];
}

export interface Outward {
  readonly entry: TocEntry;
  readonly others: readonly TocEntry[];
}

/** Kinds that have no life without their table. */
const ATTACHED = new Set([
  ...[
    "TABLE DATA",
    "DEFAULT",
    "CONSTRAINT",
    "CHECK CONSTRAINT",
    "FK CONSTRAINT",
    "INDEX",
    "INDEX ATTACH",
    "TABLE ATTACH",
    "TRIGGER",
    "RULE",
  ],
  ...["POLICY", "ROW SECURITY", "STATISTICS", "STATISTICS DATA", "COMMENT", "ACL", "SECURITY LABEL", "SEQUENCE OWNED BY", "SEQUENCE SET"],
]);
/** Attached kinds whose name begins with that of their table. */
const NAMED_AFTER_TABLE = new Set(["FK CONSTRAINT", "TRIGGER", "RULE", "POLICY", "DEFAULT", "CONSTRAINT", "CHECK CONSTRAINT"]);
/** Kinds with rows or queries of their own: never brought along for another table's sake. */
const INDEPENDENT = new Set([
  "TABLE",
  "VIEW",
  "MATERIALIZED VIEW",
  "FOREIGN TABLE",
  "SERVER",
  "PUBLICATION",
  "PUBLICATION TABLE",
  "EVENT TRIGGER",
]);

const RELATIONS = new Set(["TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE"]);

/** Tables of which the archive holds the definition alone, because those that its backup chose need it. A partitioned table has no rows. */
function definitionsAlone(entries: readonly TocEntry[]): ReadonlySet<TocEntry> {
  const filled = new Set(entries.filter(({ kind }) => kind === "TABLE DATA").map(({ schema, name }) => `${schema}.${name}`));
  if (filled.size === 0) return new Set();
  const empty = (entry: TocEntry): boolean =>
    entry.kind === "TABLE" && !filled.has(`${entry.schema}.${entry.name}`) && !/\)\nPARTITION BY /.test(entry.definition);
  return new Set(entries.filter(empty));
}

/** Throws TABLE_UNKNOWN when the archive holds no such table. */
export function selectTables(entries: readonly TocEntry[], patterns: readonly string[]): Selection {
  const tables = findTables(entries, patterns);
  const chosen = new Set(tables.map((entry) => entry.dumpId));
  const byId = new Map(entries.map((entry) => [entry.dumpId, entry]));
  addOwnedSequences(entries, byId, chosen);

  const notRestored: Omission[] = [];
  const names = new Set(tables.map((entry) => `${entry.schema}.${entry.name}`));
  // Entries come after what they depend on, so one pass finds comments on constraints of chosen tables too.
  for (const entry of entries) {
    if (!ATTACHED.has(entry.kind) || !entry.dependencies.some((id) => chosen.has(id))) continue;
    if (NAMED_AFTER_TABLE.has(entry.kind) && !belongsToOne(entry, names)) continue;
    const missing = entry.kind === "TABLE ATTACH" || entry.kind === "INDEX ATTACH" ? independents(entry, byId, chosen) : [];
    if (missing.length > 0) {
      notRestored.push({
        kind: entry.kind.toLowerCase(),
        object: `${entry.schema}.${entry.name}`,
        reason: "its partitioned table was not chosen",
      });
      continue;
    }
    chosen.add(entry.dumpId);
  }
  const foundations = foundationsOf(entries, byId, chosen, definitionsAlone(entries));
  const held = new Set([...chosen, ...foundations.map(({ dumpId }) => dumpId)]);
  const selected = entries.filter((entry) => chosen.has(entry.dumpId));
  // A partition can be created without its partitioned table, which `TABLE ATTACH` joins it to.
  const partitions = new Set(entries.filter(({ kind }) => kind === "TABLE ATTACH").map(({ schema, name }) => `${schema}.${name}`));
  const outward = selected.flatMap((entry) => {
    if (entry.kind === "FK CONSTRAINT" || (entry.kind === "TABLE" && partitions.has(`${entry.schema}.${entry.name}`))) return [];
    const others = independents(entry, byId, held).filter(({ kind }) => RELATIONS.has(kind));
    return others.length === 0 ? [] : [{ entry, others }];
  });
  return { entries: selected, tables, foundations, outward, notRestored };
}

function findTables(entries: readonly TocEntry[], patterns: readonly string[]): TocEntry[] {
  // An archive of data alone names its tables only by their data.
  const hasDefinitions = entries.some((entry) => entry.kind === "TABLE");
  const all = entries.filter((entry) => entry.kind === (hasDefinitions ? "TABLE" : "TABLE DATA"));
  const inPublic = new Set(all.filter((entry) => entry.schema === "public").map((entry) => entry.name));
  // An archive has no search path. A bare name means `public`'s table, or else the one of that name anywhere.
  const named = all.map((entry) => ({
    entry,
    schema: entry.schema,
    table: entry.name,
    visible: entry.schema === "public" || !inPublic.has(entry.name),
  }));
  const found = new Set<TocEntry>();
  const empty = definitionsAlone(entries);
  for (const pattern of patterns) {
    const matches = matching(named, pattern);
    if (matches.length === 0) {
      const names = named.flatMap(({ schema, table }) => [table, `${schema}.${table}`]);
      throw new LifeboatError("TABLE_UNKNOWN", `the backup holds no table that matches ${pattern}${didYouMean(pattern, names)}`);
    }
    const schemas = new Set(matches.map((match) => match.schema));
    if (/^[^.*?]+$/.test(pattern) && schemas.size > 1) {
      throw new LifeboatError("USAGE", `the backup holds ${pattern} in several schemas (${[...schemas].join(", ")}): name one`);
    }
    const filled = matches.filter(({ entry }) => !empty.has(entry));
    if (filled.length === 0)
      throw new LifeboatError("TABLE_UNKNOWN", `the backup holds the definition of ${pattern} and not its rows: it was not chosen for it`);
    for (const { entry } of filled) found.add(entry);
  }
  addPartitions(entries, found);
  return all.filter((entry) => found.has(entry));
}

/** A partitioned table comes with its partitions: `TABLE ATTACH` names both by its dependencies. */
function addPartitions(entries: readonly TocEntry[], found: Set<TocEntry>): void {
  const byId = new Map(entries.map((entry) => [entry.dumpId, entry]));
  const partitions = new Map<TocEntry, TocEntry[]>();
  for (const attach of entries) {
    if (attach.kind !== "TABLE ATTACH") continue;
    const both = attach.dependencies.map((id) => byId.get(id)).filter((entry) => entry?.kind === "TABLE");
    const partition = both.find((entry) => entry?.name === attach.name && entry.schema === attach.schema);
    const parent = both.find((entry) => entry !== partition);
    if (partition === undefined || parent === undefined) continue;
    const known = partitions.get(parent);
    if (known === undefined) partitions.set(parent, [partition]);
    else known.push(partition);
  }
  // What is added while the set is walked is walked as well.
  for (const parent of found) for (const partition of partitions.get(parent) ?? []) found.add(partition);
}

function addOwnedSequences(entries: readonly TocEntry[], byId: ReadonlyMap<number, TocEntry>, chosen: Set<number>): void {
  for (const entry of entries) {
    // Of an identity column the sequence itself depends on the table; of a serial one, the entry that says who owns it.
    const identity = entry.kind === "SEQUENCE" && entry.dependencies.some((id) => chosen.has(id));
    if (identity) chosen.add(entry.dumpId);
    if (entry.kind !== "SEQUENCE OWNED BY" || !entry.dependencies.some((id) => byId.get(id)?.kind === "TABLE" && chosen.has(id))) continue;
    for (const id of entry.dependencies) if (byId.get(id)?.kind === "SEQUENCE") chosen.add(id);
  }
}

function belongsToOne(entry: TocEntry, names: ReadonlySet<string>): boolean {
  for (const name of beginnings(entry)) if (names.has(name)) return true;
  return false;
}

/** Longer than any server's name. */
const LONGEST_NAME = 1024;

/** What the table of an entry named `table object` may be called. Either may hold blanks: every way to split it is one. */
export function* beginnings(entry: Pick<TocEntry, "schema" | "name">): Generator<string> {
  const { schema, name } = entry;
  for (let at = name.indexOf(" "); at > 0 && at <= LONGEST_NAME; at = name.indexOf(" ", at + 1)) yield `${schema}.${name.slice(0, at)}`;
}

const independents = (entry: TocEntry, byId: ReadonlyMap<number, TocEntry>, chosen: ReadonlySet<number>): TocEntry[] =>
  entry.dependencies.flatMap((id) => {
    const other = byId.get(id);
    return other !== undefined && (INDEPENDENT.has(other.kind) || other.kind === "INDEX") && !chosen.has(id) ? [other] : [];
  });

/** All that the chosen entries depend on, directly or not, except tables with rows. */
function foundationsOf(
  entries: readonly TocEntry[],
  byId: ReadonlyMap<number, TocEntry>,
  chosen: ReadonlySet<number>,
  definitions: ReadonlySet<TocEntry>,
): TocEntry[] {
  const needed = new Set<number>();
  const isFoundation = (id: number): boolean => {
    const entry = byId.get(id);
    return entry !== undefined && !chosen.has(id) && (!INDEPENDENT.has(entry.kind) || definitions.has(entry)) && !ATTACHED.has(entry.kind);
  };
  const need = (id: number): void => {
    for (const dependency of byId.get(id)?.dependencies ?? []) if (isFoundation(dependency)) needed.add(dependency);
  };
  for (const id of chosen) need(id);
  for (const id of needed) need(id); // what is added while the set is walked is walked as well
  // A schema is not a dependency in an archive; it is known by name.
  const schemas = new Set(entries.filter((entry) => chosen.has(entry.dumpId) || needed.has(entry.dumpId)).map((entry) => entry.schema));
  return entries.filter((entry) => needed.has(entry.dumpId) || (entry.kind === "SCHEMA" && schemas.has(entry.name)));
}

// pg_dump writes: ALTER TABLE ONLY public.orders ADD CONSTRAINT … FOREIGN KEY (user_id) REFERENCES public.users(id);
const REFERENCES = /REFERENCES ((?:"(?:[^"]|"")+"|[^\s".(]+)\.(?:"(?:[^"]|"")+"|[^\s".(]+))\s*\(/;

/** The table that a foreign key points to, qualified and quoted as the server quotes it. */
export function referencedTable(entry: TocEntry): string | undefined {
  return entry.kind === "FK CONSTRAINT" ? REFERENCES.exec(entry.definition)?.[1] : undefined;
}
