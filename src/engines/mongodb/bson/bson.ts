// Raw BSON, element by element: values are found, compared, moved and put together without being decoded, so that a 64-bit integer
// stays one and fields keep their order. https://bsonspec.org/spec.html
import { LifeboatError } from "../../../core/errors.ts";

export const TYPE = {
  double: 0x01,
  string: 0x02,
  document: 0x03,
  array: 0x04,
  binary: 0x05,
  undefined: 0x06,
  objectId: 0x07,
  bool: 0x08,
  date: 0x09,
  null: 0x0a,
  regex: 0x0b,
  dbPointer: 0x0c,
  code: 0x0d,
  symbol: 0x0e,
  codeWithScope: 0x0f,
  int32: 0x10,
  timestamp: 0x11,
  int64: 0x12,
  decimal128: 0x13,
  minKey: 0xff,
  maxKey: 0x7f,
} as const;

/** A field of a document: its type, its name, and the bytes of its value. */
export interface Element {
  readonly type: number;
  readonly name: string;
  readonly value: Uint8Array;
}

const SMALLEST = 5;
/** A byte order mark is a part of the text: many a field that came from a file begins with one. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const DEPTH = 220;

const FIXED: Readonly<Record<number, number>> = {
  [TYPE.double]: 8,
  [TYPE.undefined]: 0,
  [TYPE.objectId]: 12,
  [TYPE.bool]: 1,
  [TYPE.date]: 8,
  [TYPE.null]: 0,
  [TYPE.int32]: 4,
  [TYPE.timestamp]: 8,
  [TYPE.int64]: 8,
  [TYPE.decimal128]: 16,
  [TYPE.minKey]: 0,
  [TYPE.maxKey]: 0,
};

export function int32At(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}

/** The fields of one document, in order. Bytes that are none: INTEGRITY. Values inside are not looked into. */
export function elementsOf(document: Uint8Array): Element[] {
  const elements: Element[] = [];
  const end = document.length - 1;
  if (document.length < SMALLEST || int32At(document, 0) !== document.length || document[end] !== 0) throw malformed("a document");
  for (let at = 4; at < end; ) {
    const type = document[at] ?? 0;
    const nameEnd = document.indexOf(0, at + 1);
    if (nameEnd < 0 || nameEnd >= end) throw malformed("a field's name");
    const name = nameOf(document, at + 1, nameEnd);
    const from = nameEnd + 1;
    const to = from + sizeOfValue(document, type, from, end);
    if (to > end) throw malformed(`field ${JSON.stringify(name)}`);
    elements.push({ type, name, value: document.subarray(from, to) });
    at = to;
  }
  return elements;
}

/** Follows every value to its end, embedded ones too. Bytes that are no BSON: INTEGRITY. */
export function assertWellFormed(document: Uint8Array, depth = 0): void {
  if (depth > DEPTH) throw malformed("documents too deep within each other");
  for (const { type, value } of elementsOf(document)) {
    if (type === TYPE.document || type === TYPE.array) assertWellFormed(value, depth + 1);
    else if (type === TYPE.string && value.at(-1) !== 0) throw malformed("a text");
    else if (type === TYPE.bool && (value[0] ?? 2) > 1) throw malformed("a boolean");
  }
}

/** One field; undefined: the document has none of that name. */
export const elementNamed = (document: Uint8Array, name: string): Element | undefined =>
  elementsOf(document).find((element) => element.name === name);

/** A document of these fields. */
export function documentOf(elements: Iterable<Element>): Uint8Array {
  const pieces: Uint8Array[] = [];
  let sizeBytes = SMALLEST;
  for (const { type, name, value } of elements) {
    const head = name.isWellFormed() ? Buffer.from(`\0${name}\0`, "utf8") : escapedBytes(`\0${name}\0`);
    head[0] = type;
    pieces.push(head, value);
    sizeBytes += head.length + value.length;
  }
  const bytes = Buffer.alloc(sizeBytes);
  bytes.writeInt32LE(sizeBytes, 0);
  let at = 4;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** A text's value. */
export const textOf = ({ value }: Pick<Element, "value">): string => utf8.decode(value.subarray(4, -1));

/** Whether it is a number that is one, or true. */
export function isTruthy(element: Element | undefined): boolean {
  if (element === undefined || element.type === TYPE.null) return false;
  return element.value.some((byte) => byte !== 0);
}

/** An integer, whichever number it was written as; undefined for everything else. */
export function integerOf(element: Element | undefined): number | undefined {
  if (element === undefined) return undefined;
  const view = Buffer.from(element.value.buffer, element.value.byteOffset, element.value.byteLength);
  if (element.type === TYPE.int32) return view.readInt32LE(0);
  if (element.type === TYPE.int64) return Number(view.readBigInt64LE(0));
  if (element.type === TYPE.double) return view.readDoubleLE(0);
  return undefined;
}

function nameOf(bytes: Uint8Array, from: number, to: number): string {
  // Most names are short and plain: a decoder costs more than they do.
  if (to - from < 24) {
    let name = "";
    for (let at = from; at < to; at++) {
      const code = bytes[at] ?? 0;
      if (code >= 0x80) return longNameOf(bytes.subarray(from, to));
      name += String.fromCharCode(code);
    }
    return name;
  }
  return longNameOf(bytes.subarray(from, to));
}

const REPLACED = "\ufffd";
/** Bytes that are no UTF-8 are kept as halves of surrogates, which no text has: servers take any bytes, and they have to come back. */
const ESCAPE = 0xdc00;

function longNameOf(bytes: Uint8Array): string {
  const name = utf8.decode(bytes);
  if (!name.includes(REPLACED) || Buffer.compare(Buffer.from(name, "utf8"), bytes) === 0) return name;
  return Array.from(bytes, (byte) => String.fromCharCode(byte < 0x80 ? byte : ESCAPE + byte)).join("");
}

const escapedBytes = (name: string): Buffer => Buffer.from(name, "latin1"); // the lower half of each letter's code is the byte

function sizeOfValue(bytes: Uint8Array, type: number, at: number, end: number): number {
  const fixed = FIXED[type];
  if (fixed !== undefined) return fixed;
  if (type === TYPE.regex) {
    const options = bytes.indexOf(0, at) + 1;
    const last = bytes.indexOf(0, options);
    if (options === 0 || last < 0) throw malformed("a regular expression");
    return last + 1 - at;
  }
  if (at + 4 > end) throw malformed("a length");
  const size = int32At(bytes, at);
  if (size < 0) throw malformed("a length");
  if (type === TYPE.document || type === TYPE.array || type === TYPE.codeWithScope) {
    if (size < SMALLEST) throw malformed("an embedded document");
    return size;
  }
  if (type === TYPE.string || type === TYPE.code || type === TYPE.symbol) {
    if (size < 1) throw malformed("a text");
    return 4 + size;
  }
  if (type === TYPE.binary) return 4 + 1 + size;
  if (type === TYPE.dbPointer) return 4 + size + 12;
  throw malformed(`a value of type ${type}`);
}

const malformed = (what: string): LifeboatError =>
  new LifeboatError("INTEGRITY", `the bytes are no BSON: ${what} does not end where it should`);
