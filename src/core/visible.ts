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
  return (isSafe(data) ? data : copy(data)) as T;
}

/** Whether an object is one of data: its fields are shown, those of other classes are not. */
const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

/** Looked at first, because it makes nothing: a long list of safe texts, as they usually are, costs no memory. */
function isSafe(value: unknown): boolean {
  if (typeof value === "string") return !ONE_HIDDEN.test(value);
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every(isSafe);
  if (value instanceof Map || value instanceof Set || value instanceof Error) return false;
  if (!isPlain(value)) return true;
  for (const key in value) if (ONE_HIDDEN.test(key) || !isSafe((value as Record<string, unknown>)[key])) return false;
  return true;
}

function copy(value: unknown): unknown {
  if (typeof value === "string") return visible(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(shown);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [shown(key), shown(item)]));
  if (value instanceof Set) return new Set([...value].map(shown));
  if (value instanceof Error)
    return Object.assign(Object.create(Object.getPrototypeOf(value) as object), copyFields(value), { message: visible(value.message) });
  return isPlain(value) ? copyFields(value) : value;
}

const copyFields = (value: object): object => Object.fromEntries(Object.entries(value).map(([key, item]) => [visible(key), shown(item)]));

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
