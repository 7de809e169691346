// References between databases: what a column of one source holds must be in a column of another.
import { LifeboatError } from "./errors.ts";

/** A column, or a field of a collection. */
export interface ReferencePlace {
  readonly source: string;
  /**
   * Of PostgreSQL: table or schema and table, then the column. Of MongoDB: the collection, then the field
   * and those within it; before them the database, where the address of the source names none.
   */
  readonly path: readonly string[];
}

export interface Reference {
  readonly from: ReferencePlace;
  readonly to: ReferencePlace;
}

const PLACE = /^([A-Za-z0-9][A-Za-z0-9._-]*?)((?:\.[^.\s]+){2,})$/;

function placeIn(text: string): ReferencePlace | undefined {
  const [source = "", ...path] = text.trim().split(".");
  return PLACE.test(text.trim()) && path.length >= 2 ? { source, path } : undefined;
}

/** Reads `sessions.carts.userId -> shop.users.id`. CONFIG_INVALID. */
export function parseReference(text: string): Reference {
  const [from = "", to = "", more] = text.split(/->|→/);
  const [left, right] = [placeIn(from), placeIn(to)];
  if (left !== undefined && right !== undefined && more === undefined) return { from: left, to: right };
  throw new LifeboatError("CONFIG_INVALID", `"${text}" is not SOURCE.TABLE.COLUMN -> SOURCE.TABLE.COLUMN`);
}

const placeInWords = ({ source, path }: ReferencePlace): string => [source, ...path].join(".");

export const referenceInWords = ({ from, to }: Reference): string => `${placeInWords(from)} -> ${placeInWords(to)}`;
