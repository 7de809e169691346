// The erasure ledger as data: which rows stay erased, and what applying it did.

/** Rows of one table: those whose values in the columns hash to one of the hashes. */
export interface ErasedKeys {
  /** As the engine writes it where people read it: `public.users`. */
  readonly table: string;
  readonly columns: readonly string[];
  /** Comes before the text of a key when it is hashed. */
  readonly salt: string;
  /** SHA-256 in lower-case hexadecimal. */
  readonly hashes: readonly string[];
  /** Entries that were recorded together: what one of them erases, the others follow. */
  readonly closure?: string | undefined;
  /** Rows whose columns refer to a row that the closure erases there have one of the keys too. */
  readonly follows?: Reference | undefined;
}

/** What the columns of an entry refer to, in their order. */
export interface Reference {
  readonly table: string;
  readonly columns: readonly string[];
}

/** What applying the ledger did, for evidence: never a key. */
export interface Erasures {
  /** Entries that were applied. */
  readonly entries: number;
  /** Rows that were erased. */
  readonly rows: number;
  /** The same by table; tables without such a row are left out. */
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
}

/** What an undo says of rows that it leaves out. Nothing: no sentence. */
export const leftErased = (count: number, row: string): string[] =>
  count === 0 ? [] : [`${count} ${row}${count === 1 ? "" : "s"} in the erasure ledger ${count === 1 ? "is" : "are"} not brought back`];

/** Joins what is matched alike, so that each row is hashed once for each set of columns. Closures are not kept apart. */
export function mergedKeys(keys: readonly ErasedKeys[]): Pick<ErasedKeys, "table" | "columns" | "salt" | "hashes">[] {
  const groups = Map.groupBy(keys, ({ table, columns, salt }) => JSON.stringify([table, columns, salt]));
  return [...groups.values()].flatMap(([first, ...others]) =>
    first === undefined
      ? []
      : [
          {
            table: first.table,
            columns: first.columns,
            salt: first.salt,
            hashes: [...new Set([first, ...others].flatMap(({ hashes }) => hashes))],
          },
        ],
  );
}
