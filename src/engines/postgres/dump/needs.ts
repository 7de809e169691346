// What chosen tables need so that they can be created: types, routines, sequences, schemas, extensions, definitions of other relations.
//
// The server records it in pg_depend, except what the text of a routine mentions: routines and types of such names count as required.
import type { TocEntry } from "../archive/contents.ts";
import type { Session } from "../fingerprint/session.ts";
import { ALONG, CALL, CLOSURE, COMES_ALONG, HEIRS, KEYS, MENTIONED, NAMES, NUMBERS, RELATIONS, SCHEMAS, WORD } from "./needs-sql.ts";

export interface Needs {
  /** Keys (`objectKey`) of all objects of the chosen tables and of what these need. */
  readonly objects: ReadonlySet<string>;
  /** Relations among them that were not chosen: their definitions are required, and the values of sequences. */
  readonly relations: readonly NeededRelation[];
  /** Objects without which a table cannot be created, for people: `type public.mood`. */
  readonly along: readonly { readonly kind: string; readonly name: string }[];
  /** Foreign keys from chosen tables to tables whose rows are not included. */
  readonly keys: readonly ForeignKey[];
  /** Relations that were not chosen and that the text of a needed routine mentions. `atLoad`: a restore calls the routine. */
  readonly mentions: readonly { readonly name: string; readonly by: string; readonly atLoad: boolean }[];
  /** Columns of chosen tables whose values name objects. */
  readonly names: readonly { readonly column: string; readonly type: string }[];
  /** Tables that inherit from a chosen one, whose rows a query of that also gives. */
  readonly heirs: readonly { readonly name: string; readonly parent: string }[];
  /** Columns of chosen tables that may hold the numbers of large objects, where there are any. */
  readonly numbers: readonly string[];
  /** Whole schemas, and relations of other schemas, of which nothing is required. */
  readonly unneeded: { readonly schemas: readonly string[]; readonly relations: readonly Named[] };
}

export interface Named {
  readonly schema: string;
  readonly table: string;
}

interface NeededRelation extends Named {
  readonly oid: string;
  /** Qualified, in quotes where SQL requires them. */
  readonly name: string;
  /** `pg_class.relkind`. */
  readonly kind: string;
  /** A sequence of a column, which comes with its table. */
  readonly owned: boolean;
}

interface ForeignKey {
  readonly key: string;
  /** As `public.orders orders_user_id_fkey`. */
  readonly name: string;
  readonly refers: string;
  /** The other table comes without its rows, so that the key could never be created. */
  readonly impossible: boolean;
}

/** Identity of an object within a database, as archives and the catalogs give it. */
const objectKey = (classOid: string | number, oid: string | number): string => `${classOid}/${oid}`;

/** What one routine mentions may mention more. */
const MENTION_ROUNDS = 20;

interface Needed {
  readonly class: string;
  /** The catalog's name. */
  readonly catalog: string;
  readonly oid: string;
  readonly root: boolean;
}

type Asking = Pick<Session, "query">;

async function ask(session: Asking, closure: readonly Needed[], sql: string, catalogs: readonly string[], ...more: unknown[]) {
  const part = closure.filter((one) => catalogs.includes(one.catalog));
  return (await session.query(sql, [part.map((one) => one.class), part.map(({ oid }) => oid), ...more])).rows;
}

async function closureOf(session: Asking, tables: readonly string[]): Promise<readonly Needed[]> {
  const mentioned = { routine: new Set<string>(), type: new Set<string>() };
  let closure: readonly Needed[] = [];
  for (let round = 0; round < MENTION_ROUNDS; round++) {
    const { rows } = await session.query(CLOSURE, [tables, [...mentioned.routine], [...mentioned.type]]);
    closure = rows as unknown as Needed[];
    const found = (await ask(session, closure, MENTIONED, ["pg_proc", "pg_type"], CALL, WORD)) as {
      what: "routine" | "type";
      oid: string;
    }[];
    if (found.length === 0) break;
    for (const { what, oid } of found) mentioned[what].add(oid);
  }
  return closure;
}

/** Of the tables and sequences, those that the chosen ones of these OIDs need beside themselves: `neededTables`, when nothing else is asked. */
export async function relationsNeeded<T extends { readonly oid: string }>(
  session: Asking,
  tables: readonly T[],
  chosen: readonly string[],
): Promise<T[]> {
  const closure = await closureOf(session, chosen);
  const needed = new Set(closure.flatMap(({ catalog, oid, root }) => (catalog === "pg_class" && !root ? [oid] : [])));
  return tables.filter(({ oid }) => needed.has(oid));
}

/** Finds what the tables of these OIDs, and their partitions, need. It is exact within the snapshot of a dump. */
export async function needsOf(session: Asking, tables: readonly string[]): Promise<Needs> {
  const closure = await closureOf(session, tables);
  const asked = (sql: string, catalogs: readonly string[], ...more: unknown[]) => ask(session, closure, sql, catalogs, ...more);
  const about = async (sql: string) => (await session.query(sql, [roots])).rows;
  // What calls a routine is looked at only where there is one.
  const callers = closure.some((one) => one.catalog === "pg_proc") ? ["pg_constraint", "pg_attrdef"] : [];
  const roots = closure.filter(({ root }) => root).map(({ oid }) => oid);
  const relations = (await asked(
    RELATIONS,
    ["pg_class", "pg_namespace", "pg_proc", ...callers],
    roots,
    WORD,
  )) as unknown as (NeededRelation & {
    chosen: boolean;
    needed: boolean;
    near: boolean;
    by: string | null;
    atLoad: boolean;
  })[];
  const keys = (await asked(KEYS, ["pg_class", "pg_constraint"], roots)) as unknown as (ForeignKey & { class: string; oid: string })[];
  return {
    objects: new Set(closure.map((one) => objectKey(one.class, one.oid))),
    relations: relations.filter(({ needed, chosen }) => needed && !chosen),
    along: (await asked(ALONG, COMES_ALONG)) as unknown as Needs["along"],
    keys: keys.map((one) => ({ ...one, key: objectKey(one.class, one.oid) })),
    mentions: relations.flatMap(({ chosen, name, by, atLoad }) => (by === null || chosen ? [] : [{ name, by, atLoad }])),
    names: (await about(NAMES)) as unknown as Needs["names"],
    heirs: (await about(HEIRS)) as unknown as Needs["heirs"],
    numbers: (await about(NUMBERS)).map(({ column }) => String(column)),
    unneeded: {
      schemas: (await asked(SCHEMAS, ["pg_namespace"])).map(({ schema }) => String(schema)),
      relations: relations.filter(({ needed, near }) => near && !needed),
    },
  };
}

/** Of the tables and sequences of a dump, those that were not chosen and are required: a dump locks them, and reads the values of sequences. */
export function neededTables<T extends { readonly oid: string }>(tables: readonly T[], { relations }: Needs): T[] {
  const needed = new Set(relations.map(({ oid }) => oid));
  return tables.filter(({ oid }) => needed.has(oid));
}

/** Relations whose definitions come without rows. */
export const withoutRows = ({ relations }: Needs): readonly NeededRelation[] => relations.filter(({ kind }) => kind !== "S");

/** The OID of pg_database: its entry says how the archive would create a database, and nothing requires it. */
const DATABASES = 1262;
/** Settings of the session that restores. */
const SETTINGS: ReadonlySet<string> = new Set(["ENCODING", "STDSTRINGS", "SEARCHPATH"]);

/** Entries of a dump without the unneeded relations that restore the chosen tables: those of the needed objects, and what is about these. */
export function entriesOf(entries: readonly TocEntry[], { objects, keys }: Needs): ReadonlySet<TocEntry> {
  const impossible = new Set(keys.filter((one) => one.impossible).map(({ key }) => key));
  const isNeeded = ({ classOid, oid }: TocEntry): boolean =>
    objects.has(objectKey(classOid, oid)) && !impossible.has(objectKey(classOid, oid));
  // Entries come after what they depend on, except the shell of a type, which comes first.
  const types = new Set(entries.filter((entry) => entry.kind === "TYPE" && isNeeded(entry)).map(({ schema, name }) => `${schema}.${name}`));
  const kept = new Map<number, TocEntry>();
  for (const entry of entries) {
    const { classOid, kind, schema, name, dependencies, dumpId } = entry;
    const keeps =
      classOid === DATABASES ||
      SETTINGS.has(kind) ||
      (classOid !== 0
        ? isNeeded(entry)
        : dependencies.some((id) => kept.has(id)) || (kind === "SHELL TYPE" && types.has(`${schema}.${name}`)));
    if (keeps) kept.set(dumpId, entry);
  }
  return new Set(kept.values());
}
