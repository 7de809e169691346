// The condition of `--where`: comparisons of columns with constants. It is checked word by word before it becomes part of a statement, so
// that it calls no function and names nothing but columns.
import { LifeboatError } from "../../../core/errors.ts";
import { quoteName } from "../connect/quote.ts";

const TOKENS = /\s+|'(?:[^']|'')*'|"(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_]*|\d+(?:\.\d+)?|<=|>=|<>|!=|[=<>(),-]/y;
const KEYWORDS = new Set([
  "and",
  "or",
  "not",
  "in",
  "is",
  "null",
  "true",
  "false",
  "like",
  "ilike",
  "between",
  "distinct",
  "from",
  "date",
  "timestamp",
]);

/** Returns the condition in parentheses. Throws USAGE for one that is more than comparisons of columns with constants. */
export function checkedCondition(text: string, hasColumn: (name: string) => boolean): string {
  const refuse = (why: string): never => {
    throw new LifeboatError("USAGE", `the condition ${text} is not valid: ${why}`, {
      hint: `compare columns with constants: --where "tenant_id = 42 and status in ('new', 'paid')"`,
    });
  };
  TOKENS.lastIndex = 0;
  let depth = 0;
  let previous = "";
  const parts: string[] = [];
  while (TOKENS.lastIndex < text.length) {
    const at = TOKENS.lastIndex;
    const [token = ""] = TOKENS.exec(text) ?? [];
    if (token === "") refuse(`it holds ${text.slice(at, at + 10)}`);
    if (/^\s/.test(token)) continue;
    const isWord = /^[A-Za-z_]/.test(token);
    const word = token.toLowerCase();
    if (token === "(" && previous === "column") refuse("it calls a function");
    if (token === "(") depth++;
    if (token === ")" && --depth < 0) refuse("a parenthesis is closed that was not opened");
    if (token === "-" && previous === "-") refuse("it holds a comment");
    const isColumn = token.startsWith('"') || (isWord && !KEYWORDS.has(word));
    if (isColumn) {
      const name = token.startsWith('"') ? token.slice(1, -1).replaceAll('""', '"') : word;
      if (!hasColumn(name)) refuse(`no column is named ${name}`);
      parts.push(quoteName(name));
    } else parts.push(token);
    previous = isColumn ? "column" : token;
  }
  if (depth !== 0) refuse("a parenthesis is not closed");
  if (parts.length === 0) refuse("it is empty");
  return `(${parts.join(" ")})`;
}
