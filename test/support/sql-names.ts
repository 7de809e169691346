// The rule for SQL in the code, checked over its texts: every system object is written with its schema.
//
// Relations, functions, types after `::` and collations begin with `pg_catalog.`; a type's own words in SQL (`int`, `boolean`) need
// no schema, for the grammar itself says what they mean. Operators are left as they are: what they mean is decided by the search path,
// which every session has from its startup packet (src/engines/postgres/connect/settings.ts). Names of a source's own objects come
// through an expression of the template, which is a placeholder here; they are quoted in one place (connect/quote.ts).
import { parseSync } from "oxc-parser";

/** Written with a parenthesis after them by the grammar itself, and so never looked up. */
const GRAMMAR = words(
  "all and any array as between by case coalesce conflict else exists extract filter from greatest grouping in into is join lateral least",
  "materialized not nullif on operator or over row select set some then union using values when where with within",
  "int integer smallint bigint real float decimal numeric dec bit char character varchar nchar time timestamp interval",
);
const TYPES = words(
  "int integer smallint bigint real float double decimal numeric dec boolean bit char character varchar nchar time timestamp interval",
);
/** Between these parentheses `from` is not a clause. */
const FROM_INSIDE = words("extract trim substring overlay position");

const LOOKS_LIKE_SQL = new RegExp(
  [
    "pg_catalog\\.|::|\\bselect\\b|\\bcase when\\b|\\bcollate\\b",
    "^\\s*(alter|create|drop|lock) (database|role|schema|table|extension|type|sequence|function)\\b|^\\s*truncate\\b",
    "^\\s*set (local |session |transaction |[a-z_]+ (=|to) )|^\\s*(grant|revoke) .* on ",
  ].join("|"),
);

interface Text {
  readonly line: number;
  readonly sql: string;
}

interface Token {
  readonly text: string;
  readonly kind: "word" | "quoted" | "string" | "placeholder" | "number" | "sign";
  readonly line: number;
}

/** Each unqualified name of a file's SQL, as `path:line: sentence`. */
export function unqualifiedNames(path: string, source: string): string[] {
  const texts = textsOf(path, source).filter(({ sql }) => LOOKS_LIKE_SQL.test(sql));
  const all = texts.map((text) => tokensOf(text));
  const own = new Set(all.flatMap(queryNames));
  return all.flatMap((tokens) => problems(tokens, own).map(({ line, what }) => `${path}:${line}: ${what}`));
}

/** Each place where a name is put between quotes by hand. */
export function ownQuoting(path: string, source: string): string[] {
  const byHand = /replaceAll\(\s*(['"`])["']\1\s*,\s*(['"`])(""|'')\2\s*\)/;
  return source
    .split("\n")
    .flatMap((line, at) => (byHand.test(line) ? [`${path}:${at + 1}: quote names and texts with connect/quote.ts`] : []));
}

interface Problem {
  readonly line: number;
  readonly what: string;
}

function problems(tokens: readonly Token[], own: ReadonlySet<string>): Problem[] {
  const found: Problem[] = [];
  const revokes = tokens[0]?.text === "revoke" || tokens[0]?.text === "grant";
  const say = (token: Token, what: string): void => void found.push({ line: token.line, what });
  for (const [at, token] of tokens.entries()) {
    const before = tokens[at - 1];
    const after = tokens[at + 1];
    const named = token.kind === "word" || token.kind === "quoted";
    if (named && after?.text === "(" && before?.text !== "." && !GRAMMAR.has(token.text) && !isAlias(tokens, at)) {
      say(token, `the function ${token.text} has no schema`);
    }
    if (token.text === "::" && after && after.kind !== "placeholder" && !TYPES.has(after.text) && after.text !== "pg_catalog") {
      say(token, `the type ${after.text} has no schema`);
    }
    if (token.text === "collate" && after?.text !== "pg_catalog") say(token, `the collation ${after?.text} has no schema`);
    if ((token.text === "from" || token.text === "join") && before?.text !== "distinct" && !revokes && !isInside(tokens, at)) {
      let next = at + 1;
      while (["only", "lateral"].includes(tokens[next]?.text ?? "")) next++;
      for (const relation of [next, ...furtherRelations(tokens, next)]) {
        const { text, kind } = tokens[relation] ?? { text: "", kind: "sign" };
        const isName = kind === "word" || kind === "quoted";
        if (isName && ![".", "(", "from"].includes(tokens[relation + 1]?.text ?? "") && !own.has(text)) {
          say(tokens[relation] as Token, `the relation ${text} has no schema`);
        }
      }
    }
  }
  return found;
}

const CLAUSES = words(
  "where group order having union limit offset on join left right full cross window for fetch except intersect returning from",
);

/** Where the further relations of a `from a, lateral b, c` begin. */
function furtherRelations(tokens: readonly Token[], first: number): number[] {
  const found: number[] = [];
  let depth = 0;
  for (let at = first; at < tokens.length && depth >= 0; at++) {
    const { text } = tokens[at] as Token;
    if (depth === 0 && CLAUSES.has(text)) break;
    if (text === "(") depth++;
    if (text === ")") depth--;
    if (text === "," && depth === 0) found.push(tokens[at + 1]?.text === "lateral" ? at + 2 : at + 1);
  }
  return found;
}

/** `as t (a, b)`, `with q (a) as (…)`, `index on t (a)`: a name with columns after it. */
function isAlias(tokens: readonly Token[], at: number): boolean {
  const before = tokens[at - 1]?.text ?? "";
  if (before === "as") return true;
  return ["with", "recursive", ","].includes(before) && tokens[closing(tokens, at + 1) + 1]?.text === "as";
}

function closing(tokens: readonly Token[], opening: number): number {
  let depth = 0;
  for (let at = opening; at < tokens.length; at++) {
    if (tokens[at]?.text === "(") depth++;
    if (tokens[at]?.text === ")" && --depth === 0) return at;
  }
  return tokens.length;
}

function isInside(tokens: readonly Token[], at: number): boolean {
  let depth = 0;
  for (let i = at - 1; i > 0; i--) {
    if (tokens[i]?.text === ")") depth++;
    if (tokens[i]?.text === "(" && --depth < 0) return FROM_INSIDE.has(tokens[i - 1]?.text ?? "");
  }
  return false;
}

/** Names that queries define for themselves: `with q as (`, `q(a) as materialized (`. They come before any relation. */
function queryNames(tokens: readonly Token[]): string[] {
  return tokens.flatMap((token, at) => {
    if (token.kind !== "word") return [];
    const next = tokens[at + 1]?.text === "(" ? closing(tokens, at + 1) + 1 : at + 1;
    if (tokens[next]?.text !== "as") return [];
    const opens = tokens[tokens[next + 1]?.text === "materialized" ? next + 2 : next + 1]?.text === "(";
    return opens && ["with", "recursive", ","].includes(tokens[at - 1]?.text ?? "") ? [token.text] : [];
  });
}

const TOKEN =
  /(\s+|--[^\n]*)|(E?'(?:[^'\\]|''|\\[\s\S])*')|("(?:[^"]|"")*")|(◆)|([A-Za-z_][A-Za-z0-9_$]*)|(\$?\d[\d.]*)|(::|<>|!~\*?|~\*|->>?|\|\||[<>]=?|[^\s])/g;

function tokensOf({ sql, line }: Text): Token[] {
  const tokens: Token[] = [];
  let at = line;
  for (const [text, blank, string, quoted, placeholder, word, number] of sql.matchAll(TOKEN)) {
    if (blank === undefined) {
      const kind = string ? "string" : quoted ? "quoted" : placeholder ? "placeholder" : word ? "word" : number ? "number" : "sign";
      tokens.push({ text: kind === "word" ? text.toLowerCase() : text, kind, line: at });
    }
    at += text.split("\n").length - 1;
  }
  return tokens;
}

type Node = { readonly type: string; readonly start: number } & Readonly<Record<string, unknown>>;

/** Every string and template of a file; the expressions of a template are placeholders. */
function textsOf(path: string, source: string): Text[] {
  const texts: Text[] = [];
  const lineAt = (offset: number): number => source.slice(0, offset).split("\n").length;
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) for (const each of node) visit(each);
    if (node === null || typeof node !== "object" || typeof (node as Node).type !== "string") return;
    const { type, start } = node as Node;
    if (type === "Literal" && typeof (node as Node).value === "string")
      texts.push({ line: lineAt(start), sql: String((node as Node).value) });
    if (type === "TemplateLiteral") {
      const quasis = (node as Node).quasis as { value: { cooked: string } }[];
      texts.push({ line: lineAt(start), sql: quasis.map(({ value }) => value.cooked).join("◆") });
    }
    for (const value of Object.values(node)) if (value !== null && typeof value === "object") visit(value);
  };
  visit(parseSync(path, source).program.body);
  return texts;
}

function words(...lines: readonly string[]): ReadonlySet<string> {
  return new Set(lines.join(" ").split(" "));
}
