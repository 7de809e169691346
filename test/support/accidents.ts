// Random accidents to a database, drawn from a seed, and what a merge must make of them: computed here row by row, in another way than ours.
import type { Connection } from "../../src/ports/connection.ts";
import { openApplication, query } from "./postgres.ts";

type Row = Readonly<Record<string, unknown>>;

export interface Reference {
  readonly child: string;
  readonly parent: string;
  readonly childColumns: readonly string[];
  readonly parentColumns: readonly string[];
}

export interface Shape {
  /** Key columns by table; partitions are part of their partitioned table. */
  readonly keys: ReadonlyMap<string, readonly string[]>;
  readonly references: readonly Reference[];
}

/** Every row as the text of its JSON, by table and key. */
export type State = ReadonlyMap<string, ReadonlyMap<string, string>>;

export async function shapeOf(at: Connection): Promise<Shape> {
  const tables = await query<{ name: string; key: string[] }>(
    at,
    `select c.oid::regclass::text as name, array(select a.attname::text from unnest(i.indkey::int2[]) with ordinality k(n, place) join pg_attribute a on a.attrelid = c.oid and a.attnum = k.n order by place) as key
     from pg_class c join pg_index i on i.indrelid = c.oid and i.indisprimary where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition order by 1`,
  );
  const references = await query<Reference & Record<string, unknown>>(
    at,
    `select distinct (select coalesce(max(r::regclass::text) filter (where n = m), k.conrelid::regclass::text) from (select relid as r, ordinality as n, count(*) over () as m from pg_partition_ancestors(k.conrelid) with ordinality) up) as child,
       k.confrelid::regclass::text as parent,
       array(select a.attname::text from unnest(k.conkey) with ordinality c(n, place) join pg_attribute a on a.attrelid = k.conrelid and a.attnum = c.n order by place) as "childColumns",
       array(select a.attname::text from unnest(k.confkey) with ordinality c(n, place) join pg_attribute a on a.attrelid = k.confrelid and a.attnum = c.n order by place) as "parentColumns"
     from pg_constraint k where k.contype = 'f' and k.conparentid = 0 order by 1, 2`,
  );
  return { keys: new Map(tables.map(({ name, key }) => [name, key])), references };
}

export async function stateOf(at: Connection, { keys }: Shape): Promise<State> {
  const application = await openApplication(at);
  try {
    await application.query("set timezone = 'UTC'");
    const state = new Map<string, Map<string, string>>();
    for (const [table, key] of keys) {
      const parts = key.map((column) => `t."${column}"::text`).join(", ");
      const rows = await application.query<{ k: string; r: string }>(
        `select concat_ws('|', ${parts}) as k, to_jsonb(t)::text as r from ${table} t`,
      );
      state.set(table, new Map(rows.map(({ k, r }) => [k, r])));
    }
    return state;
  } finally {
    await application.close();
  }
}

/** Numbers from 0 to 1, always the same for one seed. */
export function drawn(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Deletes, updates and truncates; returns the tables that an operator would name. */
export async function accident(at: Connection, { keys, references }: Shape, draw: () => number): Promise<string[]> {
  const application = await openApplication(at);
  const tables = [...keys.keys()];
  const hit = new Set<string>();
  const deleteRows = async (table: string, condition: string, path: readonly string[]): Promise<void> => {
    for (const { child, parent, childColumns, parentColumns } of references) {
      if (parent !== table) continue;
      const list = (columns: readonly string[]): string => columns.map((column) => `"${column}"`).join(", ");
      const referring = `(${list(childColumns)}) in (select ${list(parentColumns)} from ${table} where ${condition})`;
      if (child === table || path.includes(child))
        await application.query(`update ${child} set ${childColumns.map((column) => `"${column}" = null`).join(", ")} where ${referring}`);
      else await deleteRows(child, referring, [...path, table]);
    }
    await application.query(`delete from ${table} where ${condition}`);
  };
  try {
    for (let n = 1 + Math.floor(draw() * 3); n > 0; n--) {
      const table = tables[Math.floor(draw() * tables.length)] ?? "";
      const what = draw();
      const some = `abs(hashtext(${(keys.get(table) ?? []).map((column) => `"${column}"::text`).join(" || '|' || ")} || '${draw()}')) % 100 < ${1 + Math.floor(draw() * 40)}`;
      hit.add(table);
      if (what < 0.15) await application.query(`truncate ${table} cascade`);
      else if (what < 0.6) {
        await application.query("begin");
        try {
          await deleteRows(table, some, []);
          await application.query("commit");
        } catch {
          await application.query("rollback"); // rows refer to each other in a circle
        }
      } else {
        const columns = await application.query<{ name: string; type: string }>(
          `select attname as name, format_type(atttypid, null) as type from pg_attribute where attrelid = '${table}'::regclass and attnum > 0 and not attisdropped and attgenerated = ''`,
        );
        const fixed = new Set([
          ...(keys.get(table) ?? []),
          ...references.filter(({ child }) => child === table).flatMap(({ childColumns }) => childColumns),
        ]);
        const values: Readonly<Record<string, (column: string) => string>> = {
          text: (column) => `md5(${column})`,
          "character varying": (column) => `left(md5(${column}), 3)`,
          boolean: (column) => `not ${column}`,
          "timestamp with time zone": (column) => `${column} + interval '1 day'`,
        };
        const set = columns
          .filter(({ name, type }) => !fixed.has(name) && values[type] !== undefined)
          .map(({ name, type }) => `"${name}" = ${values[type]?.(`"${name}"`)}`);
        if (set.length > 0) await application.query(`update ${table} set ${set.join(", ")} where ${some}`);
      }
    }
  } finally {
    await application.close();
  }
  return [...hit];
}

/** Chosen tables become as they were then, beside rows that are new; of others come the rows that foreign keys name and that are missing. */
export function expectedAfter(past: State, live: State, chosen: readonly string[], { keys, references }: Shape): State {
  const expected = new Map([...live].map(([table, rows]) => [table, new Map(rows)]));
  const work: { readonly table: string; readonly row: Row; readonly isNew: boolean }[] = [];
  const bring = (table: string, key: string, text: string): void => {
    const isNew = live.get(table)?.has(key) !== true;
    expected.get(table)?.set(key, text);
    work.push({ table, row: JSON.parse(text), isNew });
  };
  for (const table of chosen)
    for (const [key, text] of past.get(table) ?? []) if (live.get(table)?.get(key) !== text) bring(table, key, text);
  const valuesOf = (row: Row, columns: readonly string[]): string | undefined => {
    const values = columns.map((column) => row[column]);
    return values.some((value) => value === null || value === undefined) ? undefined : JSON.stringify(values);
  };
  const indexes = new Map<string, Map<string, [string, string][]>>();
  const find = (table: string, columns: readonly string[], values: string): [string, string][] => {
    const name = `${table}\0${columns.join()}`;
    let index = indexes.get(name);
    if (index === undefined) {
      index = new Map();
      for (const [key, text] of past.get(table) ?? []) {
        const found = valuesOf(JSON.parse(text), columns);
        if (found !== undefined) index.set(found, [...(index.get(found) ?? []), [key, text]]);
      }
      indexes.set(name, index);
    }
    return index.get(values) ?? [];
  };
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    for (const { child, parent, childColumns, parentColumns } of references) {
      const wanted: [string, string, string][] = [];
      if (child === next.table && keys.has(parent)) {
        const values = valuesOf(next.row, childColumns);
        for (const [key, text] of values === undefined ? [] : find(parent, parentColumns, values)) wanted.push([parent, key, text]);
      }
      if (parent === next.table && next.isNew && keys.has(child)) {
        const values = valuesOf(next.row, parentColumns);
        for (const [key, text] of values === undefined ? [] : find(child, childColumns, values)) wanted.push([child, key, text]);
      }
      for (const [table, key, text] of wanted) if (expected.get(table)?.has(key) !== true) bring(table, key, text);
    }
  }
  return expected;
}

/** Rows that differ, a few of them, as `table key`. */
export function differing(a: State, b: State, ignored: (table: string, key: string) => boolean = () => false): string[] {
  const found: string[] = [];
  for (const [table, rows] of a) {
    const others = b.get(table) ?? new Map<string, string>();
    for (const key of new Set([...rows.keys(), ...others.keys()]))
      if (!ignored(table, key) && rows.get(key) !== others.get(key)) found.push(`${table} ${key}: ${rows.get(key)} / ${others.get(key)}`);
  }
  return found.slice(0, 5);
}
