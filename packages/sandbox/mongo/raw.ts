// BSON as bytes: where fields are, without making objects of them. https://bsonspec.org/spec.html
import { type Document, deserialize, serialize } from "bson";

/** A document inside a larger buffer. */
export interface Raw {
  readonly chunk: Buffer;
  readonly offset: number;
  readonly length: number;
}

/** Where one element is: its type, its name, and its value's first and last+1 byte. `at` is the type byte. */
export interface Element {
  readonly type: number;
  readonly name: string;
  readonly at: number;
  readonly start: number;
  readonly end: number;
}

/** Values as they are typed on the wire: Int32, Long, Double, Binary stay what they are. */
const TYPED = { promoteValues: false, promoteBuffers: false, bsonRegExp: true } as const;

const FIXED: Readonly<Record<number, number>> = {
  1: 8,
  6: 0,
  7: 12,
  8: 1,
  9: 8,
  10: 0,
  16: 4,
  17: 8,
  18: 8,
  19: 16,
  127: 0,
  255: 0,
};

/** Where the value of that type that begins at `start` ends. */
function valueEnd(bytes: Buffer, type: number, start: number): number {
  const fixed = FIXED[type];
  if (fixed !== undefined) return start + fixed;
  if (type === 3 || type === 4 || type === 15) return start + bytes.readInt32LE(start);
  if (type === 2 || type === 13 || type === 14) return start + 4 + bytes.readInt32LE(start);
  if (type === 5) return start + 5 + bytes.readInt32LE(start);
  if (type === 12) return start + 16 + bytes.readInt32LE(start);
  if (type === 11) return bytes.indexOf(0, bytes.indexOf(0, start) + 1) + 1;
  throw new Error(`unknown BSON type ${type}`);
}

/** The elements of the document that begins at `offset`, in order. */
export function* elements(bytes: Buffer, offset: number): Generator<Element> {
  const end = offset + bytes.readInt32LE(offset) - 1;
  let at = offset + 4;
  while (at < end) {
    const type = bytes[at] as number;
    const nameEnd = bytes.indexOf(0, at + 1);
    const start = nameEnd + 1;
    const stop = valueEnd(bytes, type, start);
    yield { type, name: bytes.toString("utf8", at + 1, nameEnd), at, start, end: stop };
    at = stop;
  }
}

/** The first element of that name at the top of the document. */
export function findField(raw: Raw, name: string): Element | undefined {
  const bytes = raw.chunk;
  const end = raw.offset + raw.length - 1;
  let at = raw.offset + 4;
  while (at < end) {
    const type = bytes[at] as number;
    const nameEnd = bytes.indexOf(0, at + 1);
    const stop = valueEnd(bytes, type, nameEnd + 1);
    if (nameEnd - at - 1 === name.length && bytes.toString("latin1", at + 1, nameEnd) === name) {
      return { type, name, at, start: nameEnd + 1, end: stop };
    }
    at = stop;
  }
  return undefined;
}

export const bytesOf = (raw: Raw): Buffer => raw.chunk.subarray(raw.offset, raw.offset + raw.length);
export const rawOf = (bytes: Buffer): Raw => ({ chunk: bytes, offset: 0, length: bytes.length });

/** The document as an object whose values keep their types. */
export const typedOf = (raw: Raw): Document => deserialize(bytesOf(raw), TYPED);

/** The bytes of an object. */
export function encode(document: Document): Buffer {
  const bytes = serialize(document, { ignoreUndefined: true });
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A document of the given elements' bytes. */
export function assemble(parts: readonly Buffer[]): Buffer {
  let length = 5;
  for (const part of parts) length += part.length;
  const bytes = Buffer.allocUnsafe(length);
  bytes.writeInt32LE(length, 0);
  let at = 4;
  for (const part of parts) at += part.copy(bytes, at);
  bytes[at] = 0;
  return bytes;
}

/** One element from one document, as it is. */
export const elementBytes = (bytes: Buffer, element: Element): Buffer => bytes.subarray(element.at, element.end);

/** The value of one element, typed. */
export function valueAt(bytes: Buffer, element: Element): unknown {
  return deserialize(assemble([elementBytes(bytes, element)]), TYPED)[element.name];
}

/** The documents of an array field. */
export function rawArray(bytes: Buffer, array: Element): Raw[] {
  const found: Raw[] = [];
  for (const each of elements(bytes, array.start)) {
    if (each.type !== 3) continue;
    found.push({ chunk: bytes, offset: each.start, length: each.end - each.start });
  }
  return found;
}

/** `{_id}` of a document, as bytes. */
export function idDocument(raw: Raw): Buffer {
  const id = findField(raw, "_id");
  return assemble(id === undefined ? [] : [elementBytes(raw.chunk, id)]);
}
