// Raw BSON: documents are located, compared, moved and assembled without being decoded, so that no type and no order of fields is lost.
// https://bsonspec.org/spec.html

import { deserialize } from "bson";
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

/** An empty document: its length and its end. */
export const SMALLEST_DOCUMENT_BYTES = 5;
/** The limit of 16 MiB for users, and 16 KiB that the server adds for its own documents, such as oplog entries. */
export const LARGEST_DOCUMENT_BYTES = 16 * 1024 * 1024 + 16 * 1024;
/** A byte order mark is part of the text: fields that were read from files often begin with one. */
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

/** A little-endian signed 32-bit integer. 0 beyond the end. */
export function int32At(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
}

/** Returns the fields of one document, in order. Embedded values are not checked. Throws INTEGRITY for malformed bytes. */
export function elementsOf(document: Uint8Array): Element[] {
  const elements: Element[] = [];
  const end = document.length - 1;
  if (document.length < SMALLEST_DOCUMENT_BYTES || int32At(document, 0) !== document.length || document[end] !== 0)
    throw malformed("a document");
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

/** Checks a document with all embedded ones. Throws INTEGRITY for malformed bytes. */
export function assertWellFormed(document: Uint8Array, depth = 0): void {
  if (depth > DEPTH) throw malformed("documents too deep within each other");
  for (const { type, value } of elementsOf(document)) {
    if (type === TYPE.document || type === TYPE.array) assertWellFormed(value, depth + 1);
    else if (type === TYPE.string && value.at(-1) !== 0) throw malformed("a text");
    else if (type === TYPE.bool && (value[0] ?? 2) > 1) throw malformed("a boolean");
  }
}

/** Returns the field of that name; undefined when there is none. */
export const elementNamed = (document: Uint8Array, name: string): Element | undefined =>
  elementsOf(document).find((element) => element.name === name);

/** Assembles a document of these fields. */
export function documentOf(elements: Iterable<Element>): Uint8Array {
  const pieces: Uint8Array[] = [];
  let sizeBytes = SMALLEST_DOCUMENT_BYTES;
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

/** Returns the value of a string field. */
export const textOf = ({ value }: Pick<Element, "value">): string => utf8.decode(value.subarray(4, -1));

/** Returns whether the field is true or a number other than zero. */
export function isTruthy(element: Element | undefined): boolean {
  if (element === undefined || element.type === TYPE.null) return false;
  return element.value.some((byte) => byte !== 0);
}

/** Returns the value of a field of any numeric type; undefined for other types. */
export function integerOf(element: Element | undefined): number | undefined {
  if (element === undefined) return undefined;
  const view = Buffer.from(element.value.buffer, element.value.byteOffset, element.value.byteLength);
  if (element.type === TYPE.int32) return view.readInt32LE(0);
  if (element.type === TYPE.int64) return Number(view.readBigInt64LE(0));
  if (element.type === TYPE.double) return view.readDoubleLE(0);
  return undefined;
}

function nameOf(bytes: Uint8Array, from: number, to: number): string {
  // Most names are short ASCII: a decoder costs more.
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
/** Servers accept names that are not valid UTF-8. Their bytes are kept as lone surrogates, which no valid text contains. */
const ESCAPE = 0xdc00;

function longNameOf(bytes: Uint8Array): string {
  const name = utf8.decode(bytes);
  if (!name.includes(REPLACED) || Buffer.compare(Buffer.from(name, "utf8"), bytes) === 0) return name;
  return Array.from(bytes, (byte) => String.fromCharCode(byte < 0x80 ? byte : ESCAPE + byte)).join("");
}

const escapedBytes = (name: string): Buffer => Buffer.from(name, "latin1"); // the low byte of each code unit is the original byte

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
    if (size < SMALLEST_DOCUMENT_BYTES) throw malformed("an embedded document");
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
  new LifeboatError("INTEGRITY", `the bytes are not valid BSON: ${what} does not end where it should`);

/** Returns what is wrong with a document of that length and last byte; undefined when nothing is. */
export function documentFlaw(sizeBytes: number, lastByte: number): string | undefined {
  if (sizeBytes < SMALLEST_DOCUMENT_BYTES) return `a document of ${sizeBytes} bytes`;
  if (sizeBytes > LARGEST_DOCUMENT_BYTES) return `a document of ${sizeBytes} bytes, more than any server allows`;
  if (lastByte !== 0) return `a document of ${sizeBytes} bytes that does not end where its length says`;
  return undefined;
}

/** Calls `each` with the bounds of every document, and returns their number. Throws INTEGRITY for anything but whole documents. */
export function walkDocuments(bytes: Uint8Array, each: (from: number, to: number) => void): number {
  let count = 0;
  for (let at = 0; at < bytes.length; count++) {
    const sizeBytes = at + 4 <= bytes.length ? int32At(bytes, at) : bytes.length - at;
    const to = at + sizeBytes;
    const flaw = to > bytes.length ? "a document that is cut off" : documentFlaw(sizeBytes, bytes[to - 1] as number);
    if (flaw !== undefined) throw new LifeboatError("INTEGRITY", `the documents hold ${flaw}`);
    each(at, to);
    at = to;
  }
  return count;
}

/** Returns the documents as views of the bytes. */
export function documentsOf(bytes: Uint8Array): Uint8Array[] {
  const documents: Uint8Array[] = [];
  walkDocuments(bytes, (from, to) => documents.push(bytes.subarray(from, to)));
  return documents;
}

/** A document that the driver writes back unchanged. In an object, fields with numeric names would change their order. */
export type Ordered = ReadonlyMap<string, unknown>;

const OPTIONS = { promoteValues: false, promoteBuffers: false, bsonRegExp: true } as const;

/** Decodes a document into maps and the driver's own types, so that numbers keep their type. */
export function orderedOf(document: Uint8Array): Map<string, unknown> {
  return new Map(elementsOf(document).map((element) => [element.name, decode(element)]));
}

export function decode(element: Element): unknown {
  if (element.type === TYPE.document) return orderedOf(element.value);
  if (element.type === TYPE.array) return elementsOf(element.value).map(decode);
  return deserialize(documentOf([{ ...element, name: "v" }]), OPTIONS).v;
}

/** Decodes a document into an object; 64-bit integers become bigints. Throws INTEGRITY, naming the place, for malformed bytes. */
export function readDocument(bytes: Uint8Array, place: string): Record<string, unknown> {
  try {
    return deserialize(bytes, { useBigInt64: true });
  } catch (cause) {
    throw new LifeboatError("INTEGRITY", `${place} cannot be read`, { cause });
  }
}
