// Text folded at the width of the terminal: at spaces, never within a word, with the indentation of the line that it continues.
import { stripVTControlCharacters } from "node:util";

/** Returns the columns that a text takes. Most have no sequence that a terminal obeys, and looking for one is cheap. */
export const widthOf = (text: string): number =>
  (text.includes("\x1b") || text.includes("\x9b") ? stripVTControlCharacters(text) : text).length;

/** `undefined` columns: there is no terminal, and the text stays as it is. */
export function fold(text: string, columns: number | undefined): string {
  if (columns === undefined || columns < 20) return text;
  return text
    .split("\n")
    .map((line) => (widthOf(line) <= columns ? line : foldLine(line, columns)))
    .join("\n");
}

/** `name  value` continues under its value, anything else two columns further in. */
function foldLine(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  const indent = /^ */.exec(plain)?.[0].length ?? 0;
  const value = /^ *\S+(?: \S+)* {2,}(?=\S)/.exec(plain)?.[0].length ?? columns;
  const hang = " ".repeat(value <= columns / 2 ? value : Math.min(indent + 2, columns / 2));
  const lines: string[] = [];
  let current = "";
  for (const piece of line.match(/ *[^ ]+/g) ?? []) {
    if (current !== "" && widthOf(current + piece) > columns) {
      lines.push(current);
      current = hang + piece.trimStart();
    } else current += piece;
  }
  return [...lines, current].join("\n");
}
