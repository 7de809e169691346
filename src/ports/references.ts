// Reading columns that refer to other databases. Values are compared as text, which is the same for equal ids of every engine.
import type { Connection, Work } from "./connection.ts";

export interface ReferenceReader {
  /** Yields the values of a column in batches, without null. A batch has each value once. TABLE_UNKNOWN: there is no such column. */
  values(connection: Connection, path: readonly string[], work?: Work): AsyncIterable<readonly string[]>;
  /** Which of these values the column holds. TABLE_UNKNOWN. */
  present(connection: Connection, path: readonly string[], values: readonly string[], work?: Work): Promise<ReadonlySet<string>>;
}
