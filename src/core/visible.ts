// Text that others wrote (names of tables, words of servers, names in a storage), made safe to show: nothing in it drives a terminal,
// begins a line of its own, or reverses what stands around it. What is changed is shown as an escape, so that it can be seen.

/** C0, DEL, C1, what separates lines and paragraphs, what changes the direction of writing, and annotations. */
const HIDDEN = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]/gu;
const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(character: string): string {
  const code = character.charCodeAt(0).toString(16);
  return SHORT[character] ?? (code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`);
}

/** One line of text. */
export const visible = (text: string): string => text.replace(HIDDEN, escaped);

/** The same data with every text in it made visible, keys of objects too. Instances of classes other than errors stay as they are. */
export function shown<T>(data: T): T {
  return copy(data) as T;
}

function copy(value: unknown): unknown {
  if (typeof value === "string") return visible(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [copy(key), copy(item)]));
  if (value instanceof Set) return new Set([...value].map(copy));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (value instanceof Error)
    return Object.assign(Object.create(prototype as object), copyFields(value), { message: visible(value.message) });
  return prototype === Object.prototype || prototype === null ? copyFields(value) : value;
}

const copyFields = (value: object): object => Object.fromEntries(Object.entries(value).map(([key, item]) => [visible(key), copy(item)]));

/** What may stand in text of several lines: line ends, and the colours that the program itself writes. */
const OWN = "\\n|\\x1b\\[(?:1|2|22|31|32|33|36|39)m";
const EITHER = new RegExp(`${OWN}|${HIDDEN.source}`, "gu");
const IS_OWN = new RegExp(`^(?:${OWN})$`);

/** The last look at what goes to a terminal: what drives it, and is not one of the program's own colours, is shown as an escape. */
export const harmless = (text: string): string => text.replace(EITHER, (found) => (IS_OWN.test(found) ? found : escaped(found)));

/** JSON of the same value, of which no character drives a terminal that it is printed on. */
export function visibleJson(value: unknown): string {
  return JSON.stringify(value).replace(HIDDEN, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
