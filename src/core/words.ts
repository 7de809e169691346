// What people call the pieces of their data: tables and rows, or collections and documents.

export interface Words {
  readonly table: string;
  readonly row: string;
}

const TABLES: Words = { table: "table", row: "row" };
const BY_ENGINE: Readonly<Record<string, Words>> = { mongodb: { table: "collection", row: "document" } };

/** By the engine's name. */
export const wordsOf = (engine: string): Words => (Object.hasOwn(BY_ENGINE, engine) ? BY_ENGINE[engine] : undefined) ?? TABLES;

/** `1 table`, `2 tables`. */
export const counted = (number: number, thing: string): string => `${number} ${thing}${number === 1 ? "" : "s"}`;
