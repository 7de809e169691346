// Answers as bytes. Documents of a cursor's batch are copied as they are stored.
import { type Document, serialize } from "bson";
import type { Raw } from "./raw.ts";

/** What a command answers. */
export interface Reply {
  readonly fields: Document;
  /** Documents of `cursor.firstBatch` or `cursor.nextBatch`; `fields.cursor` has the rest of the cursor. */
  readonly batch?: { readonly name: "firstBatch" | "nextBatch"; readonly documents: readonly Raw[] } | undefined;
}

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
};

const inner = (document: Document): Buffer => {
  const bytes = serialize(document, { ignoreUndefined: true });
  return Buffer.from(bytes.buffer, bytes.byteOffset + 4, bytes.byteLength - 5);
};

const END = Buffer.alloc(1);

/** A BSON array of documents, copied once. */
function arrayBytes(documents: readonly Raw[]): Buffer {
  let length = 5;
  for (let index = 0; index < documents.length; index++) length += 2 + digits(index) + (documents[index] as Raw).length;
  const bytes = Buffer.allocUnsafe(length);
  bytes.writeInt32LE(length, 0);
  let at = 4;
  for (let index = 0; index < documents.length; index++) {
    const { chunk, offset, length: size } = documents[index] as Raw;
    bytes[at++] = 3;
    at = writeDecimal(bytes, at, index);
    bytes[at++] = 0;
    chunk.copy(bytes, at, offset, offset + size);
    at += size;
  }
  bytes[at] = 0;
  return bytes;
}

const digits = (value: number): number => (value < 10 ? 1 : value < 100 ? 2 : value < 1000 ? 3 : value < 10_000 ? 4 : String(value).length);

function writeDecimal(bytes: Buffer, at: number, value: number): number {
  const end = at + digits(value);
  let rest = value;
  for (let place = end - 1; place >= at; place--) {
    bytes[place] = 48 + (rest % 10);
    rest = (rest / 10) | 0;
  }
  return end;
}

/** The whole answer as a document in parts. */
export function replyBytes(reply: Reply): Buffer[] {
  const { batch, fields } = reply;
  if (batch === undefined) return [Buffer.from(serialize(fields, { ignoreUndefined: true }))];
  const { cursor, ...rest } = fields;
  const array = arrayBytes(batch.documents);
  const before = Buffer.from(`\x04${batch.name}\0`, "latin1");
  const cursorFields = inner(cursor);
  const cursorLength = 4 + before.length + array.length + cursorFields.length + 1;
  const opening = Buffer.from("\x03cursor\0", "latin1");
  const restFields = inner(rest);
  const length = 4 + opening.length + cursorLength + restFields.length + 1;
  return [int32(length), opening, int32(cursorLength), before, array, cursorFields, END, restFields, END];
}
