// Makes two texts of one expression equal where PostgreSQL itself rewrites it between a definition and its restored copy.
//
// A first restore turns `(ARRAY['a'::varchar, 'b'::varchar])::text[]` (from `varchar IN (…)`) into
// `ARRAY[('a'::varchar)::text, ('b'::varchar)::text]`, and flattens `((a AND b) AND c)` (from BETWEEN) into `(a AND b AND c)`.
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
  // Unbalanced text is no expression; what is left open is closed.
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

function normaliseItems(items: readonly Node[]): Node[] {
  const inner = items.map((item) => (typeof item === "string" ? item : { open: item.open, items: normaliseItems(item.items) }));
  return flatten(flatten(pushCasts(inner), "AND"), "OR");
}

const print = (items: readonly Node[]): string =>
  items.map((item) => (typeof item === "string" ? item : `${item.open}${print(item.items)}${item.open === "(" ? ")" : "]"}`)).join(" ");

/** The expression in a form that a restore does not change, for comparing and not for running. */
export const normaliseExpression = (text: string): string => print(normaliseItems(parse(text)));
