// Which tables the code of constraints, generated columns, domains and indexes reads: an archive records that such code calls a routine, and
// only the routine's text says what it reads. What it reads is created and filled first: an index that is built, or a column that is
// computed, while the other table is empty is wrong without any error.
import type { TocEntry } from "../archive/contents.ts";
import { othersFirst } from "./key-order.ts";

const RELATIONS = new Set(["TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE"]);
const ROUTINES = new Set(["FUNCTION", "PROCEDURE"]);
/** Built from rows that are there. */
const BUILT = new Set(["INDEX", "CONSTRAINT", "CHECK CONSTRAINT", "STATISTICS"]);
/** Of pg_dump's sections, the one of indexes, keys and triggers. */
const POST_DATA = 4;
const WORD = /[\p{L}_][\p{L}\p{N}_$]*|"(?:[^"]|"")+"/gu;

const nameOf = ({ schema, name }: Pick<TocEntry, "schema" | "name">): string => `${schema}.${name}`;

export interface Turn {
  readonly entries: readonly TocEntry[];
  /** Whether the entries may be restored side by side; otherwise in their order. */
  readonly parallel: boolean;
}

export class Reads {
  readonly #byId: ReadonlyMap<number, TocEntry>;
  /** Relations and routines by name, as a text may write it. */
  readonly #named: ReadonlyMap<string, readonly TocEntry[]>;
  readonly #tables: ReadonlyMap<string, TocEntry>;
  /** Of a partition, what joins it to its table depends on. */
  readonly #attached: ReadonlyMap<number, readonly number[]>;
  /** Tables whose rows a query of another table gives too. */
  readonly #children: ReadonlyMap<TocEntry, readonly TocEntry[]>;
  readonly #texts = new Map<number, readonly TocEntry[]>();

  /** `all`: of the whole archive. */
  constructor(all: readonly TocEntry[]) {
    this.#byId = new Map(all.map((entry) => [entry.dumpId, entry]));
    this.#named = Map.groupBy(
      all.filter(({ kind }) => RELATIONS.has(kind) || ROUTINES.has(kind)),
      ({ kind, name }) => (ROUTINES.has(kind) ? name.replace(/\(.*$/s, "") : name).toLowerCase(),
    );
    this.#tables = new Map(all.filter(({ kind }) => kind === "TABLE").map((entry) => [nameOf(entry), entry]));
    const attached = all.filter(({ kind }) => kind === "TABLE ATTACH");
    this.#attached = new Map(attached.map((entry) => [this.#tables.get(nameOf(entry))?.dumpId ?? -1, entry.dependencies]));
    const related = [...this.#tables.values()].flatMap((table) => this.#parentsOf(table).map((parent) => ({ table, parent })));
    this.#children = new Map(
      [...Map.groupBy(related, ({ parent }) => parent)].map(([parent, ones]) => [parent, ones.map(({ table }) => table)]),
    );
  }

  /** Routines that the entry's code may call, directly or not. */
  routines(entry: TocEntry): TocEntry[] {
    const table = entry.kind === "TABLE DATA" ? this.#tables.get(nameOf(entry)) : undefined;
    return this.#reached(table ?? entry).filter(({ kind }) => ROUTINES.has(kind));
  }

  /** Entries of the definitions, each relation before those whose code reads it. Everything else stays where it is. */
  inOrder(entries: readonly TocEntry[]): readonly TocEntry[] {
    const reads = new Map(
      entries.flatMap((entry): [number, readonly TocEntry[]][] => {
        const read = entry.kind === "TABLE" ? this.#relations(entry) : [];
        return read.length === 0 ? [] : [[entry.dumpId, read]];
      }),
    );
    if (reads.size === 0) return entries;
    const wanted = new Map(entries.map((entry) => [entry.dumpId, entry]));
    return othersFirst(entries, ({ dumpId, dependencies }) =>
      [...dependencies, ...(reads.get(dumpId) ?? []).map((one) => one.dumpId)].flatMap((id) => wanted.get(id) ?? []),
    );
  }

  /** The entries in the turns in which they are restored, each after the one before it. Almost always one. */
  turns(entries: readonly TocEntry[]): Turn[] {
    const filled = new Map(entries.flatMap((entry) => (entry.kind === "TABLE DATA" ? [[nameOf(entry), entry] as const] : [])));
    const readBy = new Map(
      [...filled.values()].map((data) => {
        const table = this.#tables.get(nameOf(data));
        return [data, table === undefined ? [] : this.#filled(table, filled)] as const;
      }),
    );
    const late = new Set([...readBy].flatMap(([data, read]) => (read.length > 0 ? [data] : [])));
    const built = filled.size > 0 && entries.some((entry) => BUILT.has(entry.kind) && this.#filled(entry, filled).length > 0);
    if (late.size === 0 && !built) return [{ entries, parallel: true }];
    const end = entries.findIndex(({ section }) => section === POST_DATA);
    const before = entries.slice(0, end < 0 ? entries.length : end);
    const after = end < 0 ? [] : entries.slice(end);
    const ordered = othersFirst(late, (data) => readBy.get(data)?.filter((one) => late.has(one)) ?? []);
    const apart = ordered.every((data) => readBy.get(data)?.every((one) => !late.has(one)));
    const all = [
      { entries: before.filter((entry) => !late.has(entry)), parallel: true },
      { entries: ordered, parallel: apart },
      { entries: after, parallel: true },
    ];
    return all.filter((turn) => turn.entries.length > 0);
  }

  /** Rows of other tables that the entry's code reads, of those that are filled. */
  #filled(entry: TocEntry, filled: ReadonlyMap<string, TocEntry>): TocEntry[] {
    const read = new Set(this.#relations(entry));
    for (const one of read) for (const child of this.#children.get(one) ?? []) if (child !== entry) read.add(child);
    return [...read].flatMap((relation) => filled.get(nameOf(relation)) ?? []);
  }

  /** Relations that the entry's code reads, beside its own. */
  #relations(entry: TocEntry): TocEntry[] {
    const own = new Set(entry.kind === "TABLE" ? [] : entry.dependencies);
    return this.#reached(entry).filter(({ kind, dumpId }) => RELATIONS.has(kind) && !own.has(dumpId));
  }

  /** What the code of the entry names, directly or not. Nothing, unless it calls a routine of the archive. */
  #reached(entry: TocEntry): TocEntry[] {
    const reached = new Set<TocEntry>();
    const add = (id: number): void => {
      const other = this.#byId.get(id);
      if (other !== undefined && other !== entry) reached.add(other);
    };
    for (const one of this.#withParents(entry))
      for (const id of one.dependencies) if (!RELATIONS.has(this.#byId.get(id)?.kind ?? "")) add(id);
    // What is added while the set is walked is walked as well.
    for (const one of reached) {
      if (one.kind !== "TABLE") for (const id of one.dependencies) add(id);
      for (const other of this.#mentioned(one)) if (other !== entry) reached.add(other);
    }
    return [...reached];
  }

  /** The entry, and of a table those that it is a partition of or inherits from: their constraints are its own too. */
  #withParents(entry: TocEntry): ReadonlySet<TocEntry> {
    const all = new Set([entry]);
    for (const one of all) for (const parent of this.#parentsOf(one)) all.add(parent);
    return all;
  }

  #parentsOf(entry: TocEntry): TocEntry[] {
    if (entry.kind !== "TABLE") return [];
    const all = [...entry.dependencies, ...(this.#attached.get(entry.dumpId) ?? [])].map((id) => this.#byId.get(id));
    return all.filter((other) => other?.kind === "TABLE" && other !== entry) as TocEntry[];
  }

  #mentioned(routine: TocEntry): readonly TocEntry[] {
    if (!ROUTINES.has(routine.kind)) return [];
    const known = this.#texts.get(routine.dumpId);
    if (known !== undefined) return known;
    const words = new Set(Array.from(routine.definition.matchAll(WORD), ([word]) => word.replace(/^"|"$/g, "").toLowerCase()));
    const found = [...words].flatMap((word) => this.#named.get(word) ?? []).filter((one) => one !== routine);
    this.#texts.set(routine.dumpId, found);
    return found;
  }
}
