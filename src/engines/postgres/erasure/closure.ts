// Rows that refer to erased ones, over any number of foreign keys: followed set by set until no further row is found. A row is named by
// where it lies, which is exact within one snapshot or transaction.
import type { ErasedKeys, Reference } from "../../../core/erasure.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { Follower } from "../../../ports/erasure.ts";
import { type Client, openClient } from "../connect/client.ts";
import { directConnection } from "../connect/pooled.ts";
import { asSourceError } from "../fingerprint/failure.ts";
import { type ForeignKey, foreignKeys, refers, wholeOf } from "../merge/foreign-keys.ts";
import { describeTables, type Table, textsOf } from "../merge/tables.ts";
import { columnsNamed, hashExpression } from "./match.ts";

export interface Tables {
  readonly all: readonly Table[];
  readonly references: readonly ForeignKey[];
}

export type Link = Pick<ErasedKeys, "table" | "columns"> & { readonly follows: Reference };
/** Where rows lie, by their table (of a partition: its partitioned table), with the closures that reach them. */
export type Marks = Map<string, Map<string, ReadonlySet<string>>>;

/** Where row `alias` lies, as text. */
export const placeOf = (alias: string): string => `(${alias}.tableoid::bigint::pg_catalog.text || ${alias}.ctid::pg_catalog.text)`;

export const wholeName = ({ all }: Pick<Tables, "all">, { oid, name }: Table): string => wholeOf(all, oid)?.name ?? name;

/** Rows of closures that follow foreign keys. Entries of other closures are passed over: their keys alone say what they erase. */
export async function followRows(client: Client, tables: Tables, keys: readonly ErasedKeys[]): Promise<Marks> {
  const following = new Set(keys.flatMap(({ closure, follows }) => (follows === undefined || closure === undefined ? [] : [closure])));
  const own = keys.filter(({ closure }) => closure !== undefined && following.has(closure));
  const marks: Marks = new Map();
  for (const group of Map.groupBy(own, ({ table, columns, salt }) => JSON.stringify([table, columns, salt])).values())
    await markKeys(client, tables, group, marks);
  const groups = Map.groupBy(own.filter(isLink), ({ table, columns, follows }) =>
    JSON.stringify([table, columns, follows.table, follows.columns]),
  );
  const links = [...groups.values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : [{ ...first, closures: new Set([first, ...others].map(({ closure }) => closure ?? "")) }],
  );
  await spread(client, tables, links, marks);
  return marks;
}

/** Marks what refers to marked rows by these links, until no further row is found. A link acts for its closures alone. */
export async function spread(
  client: Client,
  tables: Tables,
  links: readonly (Link & { readonly closures: ReadonlySet<string> })[],
  marks: Marks,
): Promise<void> {
  const followed = new Map(links.map((link) => [link, new Map<string, number>()]));
  for (let isGrowing = links.length > 0; isGrowing; ) {
    isGrowing = false;
    for (const [link, done] of followed) {
      const shared = (reached: ReadonlySet<string>): Set<string> => new Set([...reached].filter((one) => link.closures.has(one)));
      const parents = [...(marks.get(link.follows.table) ?? [])].map(([place, reached]) => [place, shared(reached)] as const);
      const fresh = new Map(parents.filter(([place, reached]) => reached.size > (done.get(place) ?? 0)));
      if (fresh.size === 0) continue;
      isGrowing = true;
      for (const [place, reached] of fresh) done.set(place, reached.size);
      for (const { place, parent } of await rowsOf(client, tables, link, [...fresh.keys()]))
        mark(marks, link.table, place, fresh.get(parent) ?? []);
    }
  }
}

const isLink = (keys: ErasedKeys): keys is ErasedKeys & Link => keys.follows !== undefined;

function mark(marks: Marks, table: string, place: string, closures: Iterable<string>): void {
  const places = marks.get(table) ?? new Map<string, ReadonlySet<string>>();
  marks.set(table, places);
  places.set(place, new Set([...(places.get(place) ?? []), ...closures]));
}

/** Marks the rows that have one of the keys. All have the same table, columns and salt. */
async function markKeys(client: Client, tables: Tables, keys: readonly ErasedKeys[], marks: Marks): Promise<void> {
  const [first] = keys;
  const table = tables.all.find(({ name }) => name === first?.table);
  if (first === undefined || table === undefined) return;
  const columns = columnsNamed(table, first.columns);
  if (typeof columns === "string") return;
  const closures = new Map<string, string[]>();
  for (const { closure = "", hashes } of keys) for (const hash of hashes) closures.set(hash, [...(closures.get(hash) ?? []), closure]);
  if (closures.size === 0) return;
  const rows = await client.query<{ place: string; hash: string }>(
    `select place, hash from (select ${placeOf("t")} as place, ${hashExpression(columns, first.salt, "t")} as hash from ${table.name} t) t
     where hash in (select h from pg_catalog.unnest($1::pg_catalog.text[]) as given(h))`,
    [[...closures.keys()]],
  );
  for (const { place, hash } of rows) mark(marks, wholeName(tables, table), place, closures.get(hash) ?? []);
}

/** Where the rows lie that refer to those of the places, and to which. */
export async function rowsOf(
  client: Client,
  tables: Tables,
  link: Link,
  parents: readonly string[],
): Promise<{ readonly place: string; readonly parent: string }[]> {
  const join = joinOf(tables, link);
  if (join === undefined || parents.length === 0) return [];
  return await client.query(
    `select ${placeOf("f")} as place, ${placeOf("p")} as parent from ${join.from} where ${placeOf("p")} in (select q from pg_catalog.unnest($1::pg_catalog.text[]) as given(q))`,
    [parents],
  );
}

/** Row `f` of the one table with the row `p` that it refers to; undefined when a table or column is missing. Without a foreign key, texts are compared. */
function joinOf({ all, references }: Tables, { table, columns, follows }: Link) {
  const child = all.find(({ name }) => name === table);
  const parent = all.find(({ name }) => name === follows.table);
  if (child === undefined || parent === undefined) return undefined;
  const from = columnsNamed(child, columns);
  const to = columnsNamed(parent, follows.columns);
  if (typeof from === "string" || typeof to === "string") return undefined;
  const key = references.find((one) => {
    const given = linkOf(all, one);
    return given !== undefined && JSON.stringify(given) === JSON.stringify({ table, columns, follows });
  });
  const on = key === undefined ? `${textsOf(from, "f")} = ${textsOf(to, "p")}` : refers(key, child, parent);
  return { child, columns: from, from: `${child.name} f join ${parent.name} p on ${on}` };
}

export function linkOf(all: readonly Table[], key: ForeignKey): Link | undefined {
  const child = wholeOf(all, key.child);
  const parent = wholeOf(all, key.parent);
  if (child === undefined || parent === undefined) return undefined;
  const columns = key.columns.map((pair) => pair.child);
  return { table: child.name, columns, follows: { table: parent.name, columns: key.columns.map((pair) => pair.parent) } };
}

export async function findFollowers(given: Connection, keys: ErasedKeys, { signal }: Work = {}): Promise<Follower[]> {
  const client = await openClient(directConnection(given), { signal, statementTimeoutMs: 0 });
  try {
    await client.query("begin isolation level repeatable read read only");
    const asker = { ask: (sql: string, values?: readonly unknown[]) => client.query(sql, values) };
    const tables = { all: await describeTables(asker, []), references: await foreignKeys(asker) };
    const closure = "";
    const links = linksTo(tables, keys.table);
    const refusing = new Set(
      tables.references.filter(({ onDelete }) => onDelete === "refuse").map((key) => JSON.stringify(linkOf(tables.all, key))),
    );
    const marks = await followRows(client, tables, [
      { ...keys, closure },
      ...links.map((link) => ({ ...link, salt: keys.salt, hashes: [], closure })),
    ]);
    const followers: Follower[] = [];
    for (const link of links)
      followers.push({
        ...(await followerOf(client, tables, keys, link, [...(marks.get(link.follows.table)?.keys() ?? [])])),
        refuses: refusing.has(JSON.stringify(link)),
      });
    return followers;
  } catch (error) {
    throw asSourceError(error, signal);
  } finally {
    await client.close();
  }
}

/** Foreign keys that lead to the table, nearest first. One that clears what refers to a deleted row needs no erasure. */
function linksTo({ all, references }: Tables, table: string): Link[] {
  const start = all.find(({ name }) => name === table);
  const reached = new Set(start === undefined ? [] : [wholeName({ all }, start)]);
  const links = new Map<string, Link>();
  for (const name of reached) {
    for (const key of references) {
      const link = key.onDelete === "change" ? undefined : linkOf(all, key);
      if (link?.follows.table !== name) continue;
      links.set(JSON.stringify(link), link);
      reached.add(link.table);
    }
  }
  return [...links.values()];
}

async function followerOf(
  client: Client,
  tables: Tables,
  keys: ErasedKeys,
  link: Link,
  parents: readonly string[],
): Promise<Omit<Follower, "refuses">> {
  const { salt } = keys;
  const join = joinOf(tables, link);
  const rows =
    join === undefined || parents.length === 0
      ? []
      : await client.query<{ hash: string; n: string }>(
          `select hash, pg_catalog.count(*)::pg_catalog.text as n from (select ${hashExpression(join.columns, salt, "f")} as hash from ${join.from}
           where ${placeOf("p")} in (select q from pg_catalog.unnest($1::pg_catalog.text[]) as given(q))) t group by hash`,
          [parents],
        );
  const { table, columns } = link.follows;
  // Rows that are gone from the live database may be in a backup: what refers to them has the same keys.
  const same = table === keys.table && columns.join("\0") === keys.columns.join("\0") ? keys.hashes : [];
  const hashes = new Set([...same, ...rows.map(({ hash }) => hash)]);
  return { ...link, salt, hashes: [...hashes], live: rows.reduce((sum, { n }) => sum + Number(n), 0) };
}
