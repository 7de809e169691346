// A merge as data: what would be brought back into a live database, row by row, before it is done.

import { counted } from "./words.ts";

export type RowChange = "insert" | "update" | "delete";

/** One row of the sample, with the columns that differ. */
export interface MergeSample {
  readonly rowChange: RowChange;
  /** Column of the key → its value as text. */
  readonly keyValues: Readonly<Record<string, string>>;
  /** Null: there is no value, or no such row. Long values are shortened. */
  readonly values: readonly { readonly name: string; readonly past: string | null; readonly now: string | null }[];
}

export interface MergeTable {
  /** As the engine writes it where people read it: `public.users`. */
  readonly table: string;
  readonly keyColumns: readonly string[];
  readonly insert: number;
  readonly update: number;
  readonly delete: number;
  /** Rows that only the live table has, and that are left alone. */
  readonly extra: number;
  /** Rows that were changed after the state that is undone, and that are left alone. */
  readonly changedSince: number;
  /** Foreign keys for whose sake rows of this table come along. Absent: the table was chosen. */
  readonly followed?: readonly string[] | undefined;
  readonly samples: readonly MergeSample[];
}

/** Why a table cannot be merged, and the commands that can be run instead. */
export interface MergeRefusal {
  readonly table: string;
  readonly obstacle:
    | "no key"
    | "columns differ"
    | "keys differ"
    | "only then"
    | "only now"
    | "other kind"
    | "expiring"
    | "not readable"
    | "not writable";
  readonly message: string;
}

/** A sequence that continues too early for the rows that come back. It is raised, never lowered. */
export interface RaisedSequence {
  readonly sequence: string;
  readonly from: string;
  readonly to: string;
}

export interface MergeFindings {
  readonly tables: readonly MergeTable[];
  /** Rows that took part in the comparison, of both states together. Absent: an undo, which reads what was compared before. */
  readonly compared?: number | undefined;
  /** Chosen tables that cannot be merged, or that others need: with any, nothing is done. */
  readonly unmergeable: readonly MergeRefusal[];
  readonly sequences: readonly RaisedSequence[];
  /** What is done about triggers, generated columns and row-level security, one sentence each. */
  readonly remarks: readonly string[];
  /** Locks that are taken, one sentence each. */
  readonly locks: readonly string[];
  /** SHA-256 over every change: its table, its key, and the hashes of the row then and now. */
  readonly digest: string;
}

/** What was done, per table. */
export interface MergedTable {
  readonly table: string;
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  /** Rows that had the wanted state already. */
  readonly unchanged: number;
  /** Rows that were changed since they were compared, and were left alone. */
  readonly changedSince: number;
  /** Keys of a few of them. */
  readonly changedKeys: readonly string[];
}

const CHANGES: Readonly<Record<RowChange, string>> = { insert: "+", update: "~", delete: "-" };
const SAMPLE_COLUMNS = 6;

/** The sample, and what is done about triggers, locks and the like: one line each, indented. */
export function mergeInWords({ tables, remarks, locks }: MergeFindings): string[] {
  const lines: string[] = [];
  for (const { table, followed, extra, changedSince, samples } of tables) {
    if (followed !== undefined) lines.push(`    ${table} comes along for the sake of ${followed.join(", ")}`);
    if (extra > 0) lines.push(`    ${counted(extra, "row")} of ${table} did not exist then, and ${extra === 1 ? "is" : "are"} left alone`);
    if (changedSince > 0)
      lines.push(
        `    ${counted(changedSince, "row")} of ${table} ${changedSince === 1 ? "was" : "were"} changed since, and are left alone`,
      );
    for (const { rowChange: change, keyValues, values } of samples) {
      const name = Object.entries(keyValues).map(([column, value]) => `${column}=${value}`);
      const shown = values.slice(0, SAMPLE_COLUMNS).map(({ name: column, past, now }) => {
        if (change === "insert") return `${column} ${valueInWords(past)}`;
        return change === "delete" ? `${column} ${valueInWords(now)}` : `${column} ${valueInWords(now)} → ${valueInWords(past)}`;
      });
      const more = values.length > SAMPLE_COLUMNS ? [`and ${values.length - SAMPLE_COLUMNS} more`] : [];
      lines.push(`    ${CHANGES[change]} ${table} ${[name.join(" "), ...shown, ...more].join(", ")}`);
    }
  }
  return [...lines, ...remarks.map((remark) => `    ${remark}`), ...locks.map((lock) => `    lock on ${lock}`)];
}

const valueInWords = (value: string | null): string => (value === null ? "null" : JSON.stringify(value));

export const changesIn = (tables: readonly MergeTable[]): number =>
  tables.reduce((sum, each) => sum + each.insert + each.update + each.delete, 0);
