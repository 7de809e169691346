// Which rows of which tables are erased: by their keys, and by what they refer to.
import { type ErasedKeys, mergedKeys } from "../../../core/erasure.ts";
import type { Client } from "../connect/client.ts";
import type { Column, Table } from "../merge/tables.ts";
import { followRows, placeOf, type Tables, wholeName } from "./closure.ts";
import { columnsNamed, isErased } from "./match.ts";

export interface Erasing {
  readonly table: Table;
  readonly keys: readonly { readonly columns: readonly Column[]; readonly salt: string; readonly hashes: readonly string[] }[];
  /** Where rows lie that refer to erased ones. */
  readonly places: readonly string[];
}

/** What is erased where. What the copy lacks is passed over: the keys do not apply to it. */
export async function targetsOf(client: Client, tables: Tables, keys: readonly ErasedKeys[], chosen: ReadonlySet<string> | undefined) {
  const isChosen = ({ table }: ErasedKeys): boolean => chosen === undefined || chosen.has(table);
  // What a chosen row refers to may be in a table that is not chosen.
  const closures = new Set(keys.filter(isChosen).map(({ closure }) => closure));
  const marks = await followRows(
    client,
    tables,
    keys.filter(({ closure }) => closures.has(closure)),
  );
  const passedOver: string[] = [];
  const targets: Erasing[] = [];
  for (const [name, own] of Map.groupBy(mergedKeys(keys.filter(isChosen)), ({ table }) => table)) {
    const table = tables.all.find((each) => each.name === name);
    if (table === undefined) {
      passedOver.push(`there is no table ${name}`);
      continue;
    }
    const found = own.flatMap(({ columns: wanted, salt, hashes }) => {
      const columns = columnsNamed(table, wanted);
      if (typeof columns !== "string") return [{ columns, salt, hashes }];
      passedOver.push(`${name} has no column ${columns}`);
      return [];
    });
    const places = marks.get(wholeName(tables, table)) ?? new Map();
    if (found.length > 0) targets.push({ table, keys: found, places: [...places.keys()] });
  }
  return { targets, passedOver };
}

/** Whether row `t` is to be erased; what it is compared with is added to the parameters. */
export function conditionOf({ keys, places }: Erasing, values: (readonly string[])[]): string {
  const conditions = keys.map(({ columns, salt, hashes }) => isErased(columns, { salt }, "t", values.push(hashes)));
  if (places.length > 0)
    conditions.push(`${placeOf("t")} in (select q from pg_catalog.unnest($${values.push(places)}::pg_catalog.text[]) as given(q))`);
  return conditions.join(" or ");
}
