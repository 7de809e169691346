// Places in the configuration file: line and column, the line itself with a caret, and the error that shows them.
import { LifeboatError } from "../core/errors.ts";
import { maskLine } from "./redact.ts";

export interface SourceText {
  /** As messages call it: relative to where the user stands. */
  readonly file: string;
  readonly text: string;
}

export interface Problem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** The line with a caret under the place. */
  readonly excerpt: string;
}

/** What is wrong at an offset of the text. What may be a secret on that line is not repeated. */
export function problemAt(source: SourceText, offset: number, message: string): Problem {
  const before = source.text.slice(0, offset);
  const line = before.split("\n").length;
  const start = before.lastIndexOf("\n") + 1;
  const end = source.text.indexOf("\n", start);
  const shown = maskLine(source.text.slice(start, end === -1 ? undefined : end).replace(/\r$/, ""));
  const column = offset - start + 1;
  // Tabs stay tabs under tabs, so that the caret stands where the terminal shows the place.
  const indent = shown.slice(0, column - 1).replace(/[^\t]/g, " ");
  const gutter = `${line} | `;
  return { file: source.file, line, column, message, excerpt: `${gutter}${shown}\n${" ".repeat(gutter.length)}${indent}^` };
}

/** The error for one or several problems; the first is its message, all are in `details.problems`. */
export function configError(
  problems: readonly Problem[],
  code: "CONFIG_INVALID" | "SECRET_MISSING" | "NAME_INVALID" = "CONFIG_INVALID",
): LifeboatError {
  const sorted = [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
  const first = sorted[0];
  if (first === undefined) throw new TypeError("configError needs a problem");
  const more = sorted.length > 1 ? ` (and ${sorted.length - 1} more)` : "";
  return new LifeboatError(code, `${first.file}:${first.line}:${first.column}: ${first.message}${more}`, { details: { problems: sorted } });
}

/** An option as messages call it: `sources.shop.checks[0].rows`. */
export function nameOf(path: readonly PropertyKey[]): string {
  return path.map((step, index) => (typeof step === "number" ? `[${step}]` : `${index === 0 ? "" : "."}${String(step)}`)).join("");
}
