// Tables without borders: columns aligned, nothing cut on paper, wrapped on narrow terminals.
import { stripVTControlCharacters } from "node:util";
import Table from "cli-table3";
import { makePaint, type Paint } from "./paint.ts";

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

export interface TableOptions {
  readonly paint?: Paint;
  /** Where it must fit; absent: as wide as it comes. */
  readonly columns?: number | undefined;
}

const NO_BORDERS = Object.fromEntries(
  [
    "top",
    "top-mid",
    "top-left",
    "top-right",
    "bottom",
    "bottom-mid",
    "bottom-left",
    "bottom-right",
    "left",
    "left-mid",
    "mid",
    "mid-mid",
    "right",
    "right-mid",
    "middle",
  ].map((part) => [part, ""]),
);

/** The table as text without a last line end. When it does not fit, every row becomes a paragraph of `title  value` lines. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[], options: TableOptions = {}): string {
  const paint = options.paint ?? makePaint(false);
  const table = new Table({
    head: columns.map((column) => paint.dim(column.title)),
    colAligns: columns.map((column) => column.align ?? "left"),
    chars: { ...NO_BORDERS, middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0, compact: true },
  });
  table.push(...rows.map((row) => [...row]));
  const text = table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
  const width = Math.max(...text.split("\n").map((line) => stripVTControlCharacters(line).length));
  return options.columns !== undefined && width > options.columns ? paragraphs(columns, rows, paint) : text;
}

function paragraphs(columns: readonly Column[], rows: readonly (readonly string[])[], paint: Paint): string {
  const widest = Math.max(...columns.map((column) => column.title.length));
  return rows
    .map((row) =>
      columns.flatMap((column, index) => (row[index] ? [`${paint.dim(column.title.padEnd(widest))}  ${row[index]}`] : [])).join("\n"),
    )
    .join("\n\n");
}

/** `title  value` lines, aligned; entries without a value are left out. */
export function renderFacts(facts: readonly (readonly [string, string | undefined])[], paint: Paint = makePaint(false)): string {
  const present = facts.filter((fact): fact is [string, string] => fact[1] !== undefined && fact[1] !== "");
  const widest = Math.max(0, ...present.map(([title]) => title.length));
  return present
    .map(([title, value]) => `${paint.dim(title.padEnd(widest))}  ${value.replaceAll("\n", `\n${" ".repeat(widest + 2)}`)}`)
    .join("\n");
}
