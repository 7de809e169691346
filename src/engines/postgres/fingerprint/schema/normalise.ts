// Makes two texts of one expression equal where PostgreSQL itself rewrites it between a definition and its restored copy.
//
// A first restore turns `(ARRAY['a'::varchar, 'b'::varchar])::text[]` (from `varchar IN (…)`) into
// `ARRAY[('a'::varchar)::text, ('b'::varchar)::text]`, and flattens `((a AND b) AND c)` (from BETWEEN) into `(a AND b AND c)`.
// A view of one relation names its columns with that relation before version 16, and without it since.
// Nothing else is touched: parentheses that group different operators stay.

/** A token, or a bracketed group with what is inside. */
type Node = string | Group;
interface Group {
  readonly open: "(" | "[";
  readonly items: Node[];
}

const TOKEN =
  /\s+|[EUBX]?&?'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d[\d.eE]*|::|[()[\],;.]|[-+*/<>=~!@#%^&|`?:]+|./gsy;

function parse(text: string): Node[] {
  const stack: Group[] = [{ open: "(", items: [] }];
  for (const [token] of text.matchAll(TOKEN)) {
    if (token.trim() === "") continue;
    const top = stack.at(-1);
    if (token === "(" || token === "[") stack.push({ open: token, items: [] });
    else if ((token === ")" || token === "]") && stack.length > 1) {
      stack.pop();
      stack.at(-1)?.items.push(top as Group);
    } else top?.items.push(token);
  }
  // Unbalanced text is not an expression; open brackets are closed.
  while (stack.length > 1) {
    const top = stack.pop();
    if (top) stack.at(-1)?.items.push(top);
  }
  return stack[0]?.items ?? [];
}

const isGroup = (node: Node | undefined, open: "(" | "["): node is Group => typeof node === "object" && node.open === open;
const isWord = (node: Node | undefined): boolean => typeof node === "string" && /^["A-Za-z_\u0080-\uffff]/.test(node);

/** Splits at top-level separators. */
function split(items: readonly Node[], separator: string): Node[][] {
  const parts: Node[][] = [[]];
  for (const item of items) {
    if (item === separator) parts.push([]);
    else parts.at(-1)?.push(item);
  }
  return parts;
}

/** `( … AND … )` within an AND list of the same kind becomes part of it; only where the list holds nothing but that operator. */
function flatten(items: Node[], operator: "AND" | "OR"): Node[] {
  const other = operator === "AND" ? "OR" : "AND";
  if (!items.includes(operator) || items.includes(other)) return items;
  return split(items, operator).flatMap((part, index) => {
    const [only] = part;
    const inner =
      part.length === 1 && isGroup(only, "(") && only.items.includes(operator) && !only.items.includes(other) ? only.items : part;
    return index === 0 ? inner : [operator, ...inner];
  });
}

/** The type after `::` at `from`, as the index behind it, when it ends in `[]`. */
function endOfArrayType(items: readonly Node[], from: number): number | undefined {
  let at = from;
  while (isWord(items[at]) || items[at] === "." || (isGroup(items[at], "(") && at > from)) at += 1;
  const brackets = items[at];
  return at > from && isGroup(brackets, "[") && brackets.items.length === 0 ? at : undefined;
}

/** `(ARRAY[a, b])::t[]` → `ARRAY[(a)::t, (b)::t]`. */
function pushCasts(items: readonly Node[]): Node[] {
  const result: Node[] = [];
  for (let i = 0; i < items.length; i += 1) {
    const item = items[i] as Node;
    const array = isGroup(item, "(") && item.items.length === 2 && item.items[0] === "ARRAY" ? item.items[1] : undefined;
    const end = isGroup(array, "[") && items[i + 1] === "::" ? endOfArrayType(items, i + 2) : undefined;
    if (end === undefined || !isGroup(array, "[")) {
      result.push(item);
      continue;
    }
    const type = items.slice(i + 2, end);
    const elements = split(array.items, ",").map((element): Node[] => [{ open: "(", items: element }, "::", ...type]);
    result.push("ARRAY", { open: "[", items: elements.flatMap((element, n) => (n === 0 ? element : [",", ...element])) });
    i = end;
  }
  return result;
}

/** Where a FROM clause ends. */
const CLAUSES = new Set(["WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR", ";"]);

/** What the only relation of a query is called in it; undefined where there are none or several. */
function onlyRelation(items: readonly Node[]): string | undefined {
  if (items[0] !== "SELECT" || items.some((item) => item === "UNION" || item === "INTERSECT" || item === "EXCEPT")) return undefined;
  const from = items.indexOf("FROM");
  if (from < 0) return undefined;
  const length = items.slice(from + 1).findIndex((item) => typeof item === "string" && CLAUSES.has(item));
  const relation = items.slice(from + 1, length < 0 ? undefined : from + 1 + length);
  if (relation.length < 3 || relation.length > 4 || relation[1] !== "." || !relation.every((item, at) => at === 1 || isWord(item)))
    return undefined;
  const name = relation.at(-1);
  return typeof name === "string" ? name : undefined;
}

/** Without the name before the columns of that relation. */
function unqualified(items: readonly Node[], relation: string): Node[] {
  const result: Node[] = [];
  for (let i = 0; i < items.length; i += 1) {
    const item = items[i] as Node;
    if (item === relation && items[i + 1] === "." && items[i - 1] !== ".") i += 1;
    else result.push(typeof item === "string" ? item : { open: item.open, items: unqualified(item.items, relation) });
  }
  return result;
}

function normaliseItems(items: readonly Node[]): Node[] {
  const inner = items.map((item) => (typeof item === "string" ? item : { open: item.open, items: normaliseItems(item.items) }));
  return flatten(flatten(pushCasts(inner), "AND"), "OR");
}

const print = (items: readonly Node[]): string =>
  items.map((item) => (typeof item === "string" ? item : `${item.open}${print(item.items)}${item.open === "(" ? ")" : "]"}`)).join(" ");

/** The expression in a form that a restore does not change, for comparing and not for running. */
export function normaliseExpression(text: string): string {
  const items = parse(text);
  const relation = onlyRelation(items);
  return print(normaliseItems(relation === undefined ? items : unqualified(items, relation)));
}
