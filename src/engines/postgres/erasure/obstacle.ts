// Whether the erasure of rows that were just loaded into tables in use would be refused: asked while the load can still be taken back.
import type { ErasedKeys } from "../../../core/erasure.ts";
import { LifeboatError } from "../../../core/errors.ts";
import type { Client } from "../connect/client.ts";
import { type ForeignKey, foreignKeys, wholeOf } from "../merge/foreign-keys.ts";
import { describeTables, type Table } from "../merge/tables.ts";
import { type Link, linkOf, type Marks, placeOf, rowsOf, spread, wholeName } from "./closure.ts";
import { conditionOf, targetsOf } from "./targets.ts";

type TableName = { readonly schema: string; readonly name: string };

/**
 * ERASURE_BLOCKED when rows that stay refer to rows of these tables that are erased, as this session sees them. Tables that its role may not
 * read are passed over. `replaced`: asked before the load, which replaces all rows of the tables: only those of other tables stay.
 */
export async function refuseBlocked(
  client: Client,
  keys: readonly ErasedKeys[],
  loaded: readonly TableName[],
  replaced = false,
): Promise<void> {
  if (keys.length === 0) return;
  const asker = { ask: (sql: string, values?: readonly unknown[]) => client.query(sql, values) };
  const tables = { all: (await describeTables(asker, [])).filter(({ readable }) => readable), references: await foreignKeys(asker) };
  const isLoaded = (table: Table): boolean => loaded.some(({ schema, name }) => schema === table.schema && name === table.table);
  const chosen = new Set(tables.all.filter(isLoaded).map(({ name }) => name));
  const { targets } = await targetsOf(client, tables, keys, chosen);
  const marks: Marks = new Map();
  for (const target of targets) {
    const values: (readonly string[])[] = [];
    const rows = await client.query<{ place: string }>(
      `select ${placeOf("t")} as place from ${target.table.name} t where ${conditionOf(target, values)}`,
      values,
    );
    const places = marks.get(wholeName(tables, target.table)) ?? new Map<string, ReadonlySet<string>>();
    marks.set(wholeName(tables, target.table), places);
    for (const { place } of rows) places.set(place, new Set(["erased"]));
  }
  const links = tables.references.flatMap((key) => {
    const link = linkOf(tables.all, key);
    return link === undefined || (replaced && chosen.has(link.table)) ? [] : [{ link, key }];
  });
  const deleting = links.filter(({ key }) => key.onDelete === "delete");
  await spread(
    client,
    tables,
    deleting.map(({ link }) => ({ ...link, closures: new Set(["erased"]) })),
    marks,
  );
  for (const { link, key } of links)
    if (key.onDelete === "refuse" && (await isInTheWay(client, tables, link, marks))) throw blockedBy(tables.all, key, key.name);
}

async function isInTheWay(client: Client, tables: Parameters<typeof rowsOf>[1], link: Link, marks: Marks): Promise<boolean> {
  const parents = [...(marks.get(link.follows.table)?.keys() ?? [])];
  const gone = marks.get(link.table);
  return (await rowsOf(client, tables, link, parents)).some(({ place }) => gone?.has(place) !== true);
}

/** Names what refers to an erased row, never a value of it. */
export function blockedBy(all: readonly Table[], key: ForeignKey | undefined, constraint: string, table?: string): LifeboatError {
  const child = key && wholeOf(all, key.child);
  const parent = key && wholeOf(all, key.parent);
  return new LifeboatError(
    "ERASURE_BLOCKED",
    `rows of ${child?.name ?? table ?? "a table"} refer to a row in the erasure ledger (${constraint})`,
    {
      details: {
        table: child?.name,
        columns: key?.columns.map((pair) => pair.child),
        parent: parent?.name,
        parentColumns: key?.columns.map((pair) => pair.parent),
      },
    },
  );
}
