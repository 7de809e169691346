// The engine's words for pieces of data: tables and rows, or collections and documents.

export interface Words {
  readonly table: string;
  readonly row: string;
}

const TABLES: Words = { table: "table", row: "row" };
const BY_ENGINE: Readonly<Record<string, Words>> = { mongodb: { table: "collection", row: "document" } };

/** Returns the words of an engine, by name. */
export const wordsOf = (engine: string): Words => (Object.hasOwn(BY_ENGINE, engine) ? BY_ENGINE[engine] : undefined) ?? TABLES;

/** Formats a count: `1 table`, `2 tables`. */
export const counted = (number: number, thing: string): string => `${number} ${thing}${number === 1 ? "" : "s"}`;
