// Canonical extended JSON as the archive's metadata has it, from raw BSON and back, with every field in its place.
// https://github.com/mongodb/specifications/blob/master/source/extended-json/extended-json.md
//
// JavaScript's objects put fields that are called like whole numbers first. In an index or a view's pipeline the order of fields has a
// meaning, so no objects are used: texts are written from the bytes themselves, and read into maps where a name is a number.
import { Double, deserialize, EJSON, Int32, Long } from "bson";
import { LifeboatError } from "../../../core/errors.ts";
import { documentOf, type Element, elementsOf, TYPE, textOf } from "../bson/bson.ts";

/** A document with its fields in order: an object, or a map where an object would change their order. Both can be given to the driver. */
export type OrderedDocument = Record<string, unknown> | Map<string, unknown>;

/** The document as canonical extended JSON. INTEGRITY when it is none. */
export function toEjson(document: Uint8Array): string {
  return `{${elementsOf(document)
    .map((element) => `${JSON.stringify(element.name)}:${valueText(element)}`)
    .join(",")}}`;
}

/** One value as canonical extended JSON. */
export function valueText(element: Element): string {
  if (element.type === TYPE.document) return toEjson(element.value);
  if (element.type === TYPE.array) return `[${elementsOf(element.value).map(valueText).join(",")}]`;
  if (element.type === TYPE.string) return JSON.stringify(textOf(element));
  if (element.type === TYPE.undefined) return '{"$undefined":true}';
  const { v } = deserialize(documentOf([{ ...element, name: "v" }]), { promoteValues: false, bsonRegExp: true });
  return EJSON.stringify(v, { relaxed: false });
}

/** Extended JSON, canonical or relaxed, as values for the driver. INTEGRITY when it is none. */
export function fromEjson(text: string): OrderedDocument {
  try {
    const parser = new Parser(text);
    const value = parser.value();
    parser.end();
    if (isDocument(value)) return value;
  } catch (cause) {
    throw new LifeboatError("INTEGRITY", "a collection's metadata in the archive is not extended JSON", { cause });
  }
  throw new LifeboatError("INTEGRITY", "a collection's metadata in the archive is not a document");
}

export const isDocument = (value: unknown): value is OrderedDocument =>
  value instanceof Map || (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype);

/** A field of either form. */
export const fieldOf = (document: OrderedDocument, name: string): unknown =>
  document instanceof Map ? document.get(name) : document[name];

const TOKEN = /\s*(?:([{}[\],:])|("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/y;
/** Objects that stand for one value. Each has only such names. */
const WRAPPERS =
  /^\$(oid|symbol|numberInt|numberLong|numberDouble|numberDecimal|binary|uuid|code|scope|timestamp|regularExpression|dbPointer|date|minKey|maxKey|undefined)$/;
/** Servers allow 200 levels at most. */
const DEPTH = 220;
const LIKE_A_NUMBER = /^(0|[1-9]\d*)$/;

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #next: readonly (string | undefined)[] = [];

  constructor(text: string) {
    this.#text = text;
    this.#advance();
  }

  value(): unknown {
    const from = this.#at - (this.#next[0]?.length ?? 0);
    const [, mark, string, number, word] = this.#next;
    if (mark === "{") return this.#object(from);
    if (mark === "[") return this.#list();
    this.#advance();
    if (string !== undefined) return JSON.parse(string);
    if (number !== undefined) return numberOf(number);
    if (word !== undefined) return JSON.parse(word);
    throw new SyntaxError(`nothing that can be read at ${from}`);
  }

  end(): void {
    if (this.#next.length > 0 || this.#text.slice(this.#at).trim() !== "") throw new SyntaxError("text follows its end");
  }

  #object(from: number): unknown {
    const fields = new Map<string, unknown>();
    this.#items("}", () => {
      const name = this.#next[2];
      if (name === undefined) throw new SyntaxError("a field without a name");
      this.#advance();
      this.#take(":");
      fields.set(JSON.parse(name), this.value());
    });
    const names = [...fields.keys()];
    if (names.length > 0 && names.every((name) => WRAPPERS.test(name))) {
      return EJSON.parse(this.#text.slice(from, this.#closedAt), { relaxed: false });
    }
    return names.some((name) => LIKE_A_NUMBER.test(name)) ? fields : Object.fromEntries(fields);
  }

  #list(): unknown[] {
    const values: unknown[] = [];
    this.#items("]", () => void values.push(this.value()));
    return values;
  }

  /** Where the last object or list ended. */
  #closedAt = 0;

  #items(close: string, item: () => void): void {
    this.#depth += 1;
    if (this.#depth > DEPTH) throw new SyntaxError("documents too deep within each other");
    this.#advance();
    if (this.#next[1] !== close) {
      item();
      while (this.#next[1] === ",") {
        this.#advance();
        item();
      }
    }
    const at = this.#at;
    this.#take(close);
    this.#closedAt = at;
    this.#depth -= 1;
  }

  #take(mark: string): void {
    if (this.#next[1] !== mark) throw new SyntaxError(`${mark} is missing`);
    this.#advance();
  }

  #advance(): void {
    TOKEN.lastIndex = this.#at;
    const match = TOKEN.exec(this.#text);
    this.#next = match ?? [];
    if (match !== null) this.#at = TOKEN.lastIndex;
  }
}

/** A bare number, as relaxed extended JSON has it. */
function numberOf(text: string): Int32 | Long | Double {
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) return new Double(value);
  return (value | 0) === value ? new Int32(value) : Long.fromNumber(value);
}
