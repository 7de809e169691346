// How a row is found by the hashes of its key: an expression that the server computes, the same as docs/forget.md gives for a restore by hand.
import type { ErasedKeys } from "../../../core/erasure.ts";
import { quoteText } from "../connect/quote.ts";
import { type Column, keyTextOf, type Table } from "../merge/tables.ts";

/** The columns of those names; of the first that is missing, its name. */
export function columnsNamed({ columns }: Table, names: readonly string[]): readonly Column[] | string {
  const found: Column[] = [];
  for (const name of names) {
    const column = columns.find((each) => each.name === name);
    if (column === undefined) return name;
    found.push(column);
  }
  return found;
}

/** The hash of the columns of row `alias`. */
export function hashExpression(columns: readonly Column[], salt: string, alias: string): string {
  const texts = columns.map((column) => keyTextOf(column, alias)).join(", ");
  const text = `${quoteText(salt)} || pg_catalog.array_to_json(array[${texts}])::pg_catalog.text`;
  return `pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(${text}, 'UTF8')), 'hex')`;
}

/** Whether row `alias` has one of the keys; their hashes are parameter `place`. */
export const isErased = (columns: readonly Column[], { salt }: Pick<ErasedKeys, "salt">, alias: string, place: number): string =>
  `${hashExpression(columns, salt, alias)} in (select h from pg_catalog.unnest($${place}::pg_catalog.text[]) as given(h))`;
