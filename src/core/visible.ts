// Makes foreign text (table names, server messages, object names) safe to print: it cannot control a terminal, begin a line, or reverse
// the text around it. Such characters are shown as escapes.

/** C0, DEL, C1, line and paragraph separators, bidirectional controls, and annotations. */
const HIDDEN = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]/gu;
const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(character: string): string {
  const code = character.charCodeAt(0).toString(16);
  return SHORT[character] ?? (code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`);
}

const ONE_HIDDEN = new RegExp(HIDDEN.source, "u");

/** Makes a text safe and one line long. */
export const visible = (text: string): string => (ONE_HIDDEN.test(text) ? text.replace(HIDDEN, escaped) : text);

/**
 * Makes every text in the data safe, including keys. Instances of classes other than errors are unchanged; so is what holds safe texts only,
 * which is then not copied.
 */
export function shown<T>(data: T): T {
  return copy(data) as T;
}

function copy(value: unknown): unknown {
  if (typeof value === "string") return visible(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    const items = value.map(copy);
    return items.every((item, index) => item === value[index]) ? value : items;
  }
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [copy(key), copy(item)]));
  if (value instanceof Set) return new Set([...value].map(copy));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (value instanceof Error)
    return Object.assign(Object.create(prototype as object), copyFields(value), { message: visible(value.message) });
  return prototype === Object.prototype || prototype === null ? copyFields(value) : value;
}

function copyFields(value: object): object {
  const fields = Object.entries(value);
  const items = fields.map(([, item]) => copy(item));
  const isSafe = fields.every(([key, item], index) => visible(key) === key && item === items[index]);
  return isSafe ? value : Object.fromEntries(fields.map(([key], index) => [visible(key), items[index]]));
}

/** The controls allowed in multi-line text: line ends, and the program's own colours. */
const OWN = "\\n|\\x1b\\[(?:1|2|22|31|32|33|36|39)m";
const EITHER = new RegExp(`${OWN}|${HIDDEN.source}`, "gu");
const IS_OWN = new RegExp(`^(?:${OWN})$`);

/** The last filter before a terminal. Shows every control character as an escape, except line ends and the program's own colours. */
export const harmless = (text: string): string => text.replace(EITHER, (found) => (IS_OWN.test(found) ? found : escaped(found)));

/** Serialises a value as JSON without characters that control a terminal. */
export function visibleJson(value: unknown): string {
  return JSON.stringify(value).replace(HIDDEN, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
