// The output of the demonstration: headings, sentences, commands and what they printed, indented and wrapped; plain text in a log.
import { stripVTControlCharacters } from "node:util";
import type { Output } from "../output.ts";
import type { Paint } from "../render/paint.ts";

export interface Stage {
  readonly paint: Paint;
  /** What fits beside the indentation. */
  readonly columns: number;
  readonly isTerminal: boolean;
  /** Begins an act. */
  heading(title: string): void;
  /** A paragraph. */
  say(text: string): void;
  /** A command, as a user would type it. */
  command(line: string): void;
  /** Lines as they are: a command's output, facts, a table. */
  show(text: string): void;
  /** The text as `show` would print it. */
  lay(text: string): string;
}

export const INDENT = "  ";
/** Lines longer than that are hard to read, however wide the terminal. */
const WIDEST = 110;
/** A log has no width of its own. */
const LOG_COLUMNS = 100;

export function makeStage(output: Output, paint: Paint, acts: number): Stage {
  const width = output.isTerminal ? Math.max(40, Math.min(output.columns, WIDEST)) : LOG_COLUMNS;
  const columns = width - INDENT.length;
  const lay = (text: string): string => {
    const lines = text.replace(/\n$/, "").split("\n");
    return lines.flatMap((line) => wrap(line, columns).map((part) => (part === "" ? "\n" : `${INDENT}${part}\n`))).join("");
  };
  let blank = false;
  /** Never prints two empty lines in a row. */
  const print = (text: string): void => {
    for (const line of lay(text).split(/(?<=\n)/)) {
      if (line !== "\n" || !blank) output.write(line);
      blank = line === "\n";
    }
  };
  let act = 0;
  return {
    paint,
    columns,
    isTerminal: output.isTerminal,
    heading(title) {
      act++;
      const place = `${act} of ${acts}`;
      const rule = "─".repeat(Math.max(3, width - title.length - place.length - 7));
      print("\n");
      output.write(`${paint.cyan("──")} ${paint.bold(title)} ${paint.cyan(rule)} ${paint.dim(place)}\n\n`);
      blank = true;
    },
    say: print,
    command: (line) => print(`${paint.dim("$")} ${paint.bold(line)}`),
    show: print,
    lay,
  };
}

/**
 * The line cut at spaces so that every part fits; what follows is set under the line's own text, behind its marks or its
 * title. Words that do not fit by themselves (paths, keys) stay whole, so that they can be copied.
 */
export function wrap(line: string, columns: number): string[] {
  if (visible(line) <= columns) return [line];
  const hang = " ".repeat(Math.min(hangOf(stripVTControlCharacters(line)), Math.floor(columns / 2)));
  const parts: string[] = [];
  let part = "";
  for (const word of line.match(/\s*\S+/g) ?? []) {
    const size = visible(word.trimStart());
    // A word that never fits gains nothing from a new line; a mark at the end of a line must not get one of its own.
    const movable = size > 1 && hang.length + size <= columns;
    if (part !== "" && movable && visible(part) + visible(word) > columns) {
      parts.push(part);
      part = hang + word.trimStart();
    } else part += word;
  }
  return [...parts, part];
}

const visible = (text: string): number => [...stripVTControlCharacters(text)].length;

/** Where the text after a line's title or marks begins: behind the first run of spaces after the first word. */
function hangOf(line: string): number {
  return /^\s*\S.{0,20}?\s{2,}(?=\S)/.exec(line)?.[0].length ?? /^\s*(?:[$✓✗?•]\s)?/.exec(line)?.[0].length ?? 0;
}

/** `300 061`: a number that is easy to read. */
export const spaced = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, " ");

/** `20 000 users, 40 000 projects and 300 000 orders`. */
export const listed = (rows: Readonly<Record<string, number>>): string => {
  const words = Object.entries(rows).map(([table, one]) => `${spaced(one)} ${table}`);
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
};
