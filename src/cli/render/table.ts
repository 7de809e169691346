// Tables without borders: columns aligned, nothing cut on paper, wrapped on narrow terminals.
import { widthOf } from "./fold.ts";
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

/** The table as text without a last line end. When it does not fit, every row becomes a paragraph of `title  value` lines. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[], options: TableOptions = {}): string {
  const paint = options.paint ?? makePaint(false);
  const lines = [columns.map((column) => paint.dim(column.title)), ...rows];
  const widths = lines.map((line) => line.map(widthOf));
  const widest = columns.map((_, index) => widths.reduce((most, line) => Math.max(most, line[index] ?? 0), 0));
  const total = widest.reduce((sum, width) => sum + width + GAP.length, -GAP.length);
  if (options.columns !== undefined && total > options.columns) return paragraphs(columns, rows, paint);
  const padded = (line: readonly string[], at: number): string => {
    let text = "";
    line.forEach((cell, index) => {
      const space = " ".repeat((widest[index] ?? 0) - (widths[at]?.[index] ?? 0));
      text += `${index === 0 ? "" : GAP}${columns[index]?.align === "right" ? space + cell : cell + space}`;
    });
    return text.trimEnd();
  };
  return lines.map(padded).join("\n");
}

const GAP = "  ";

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
