// BSON byte by byte, for what no object of JavaScript can say: deprecated types, names given twice, names in an order of their own.
// https://bsonspec.org/spec.html
import { type ObjectId, serialize } from "bson";
import { type Db, type Document, MongoServerError } from "mongodb";
// biome-ignore lint/suspicious/noTsIgnore: see below
// @ts-ignore: the driver's own way to send documents that are bytes already; not among its documented types
import { DocumentSequence } from "mongodb/lib/cmap/commands.js";

/** Elements of a document, without its length and end. */
export type Elements = Buffer;

const cString = (text: string): Buffer => Buffer.concat([Buffer.from(text), Buffer.alloc(1)]);

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

/** One element, of any type and with any bytes as its value. */
export const element = (type: number, name: string, ...value: readonly Uint8Array[]): Elements =>
  Buffer.concat([Buffer.from([type]), cString(name), ...value]);

/** Elements of an ordinary object, as the library writes them; its `undefined` fields are left out. */
export const elementsOf = (fields: Document): Elements => Buffer.from(serialize(fields, { ignoreUndefined: true }).subarray(4, -1));

/** A document of elements in exactly this order. */
export function document(...elements: readonly Elements[]): Buffer {
  const content = Buffer.concat(elements);
  return Buffer.concat([int32(content.length + 5), content, Buffer.alloc(1)]);
}

export const undefinedValue = (name: string): Elements => element(0x06, name);
export const dbPointer = (name: string, namespace: string, id: ObjectId): Elements =>
  element(0x0c, name, int32(Buffer.byteLength(namespace) + 1), cString(namespace), id.id);
/** A string of any bytes, whether they are UTF-8 or not. */
export const stringOfBytes = (name: string, bytes: Uint8Array): Elements =>
  element(0x02, name, int32(bytes.length + 1), bytes, Buffer.alloc(1));
/** The bits of a double: not every NaN is the same. */
export function doubleOfBits(name: string, bits: bigint): Elements {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(bits);
  return element(0x01, name, bytes);
}
export function dateOf(name: string, epochMs: bigint): Elements {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(epochMs);
  return element(0x09, name, bytes);
}

const BATCH_BYTES = 40_000_000;
const BATCH_COUNT = 100_000;

/** Inserts documents as they are, in order. `bypass` for those that a validator would refuse. Fails when one is refused. */
export async function insertRaw(
  db: Db,
  collection: string,
  documents: readonly Uint8Array[],
  options: { readonly bypass?: boolean } = {},
): Promise<void> {
  for (let at = 0; at < documents.length; ) {
    const sequence = new DocumentSequence("documents");
    for (let count = 0; count < BATCH_COUNT && at < documents.length; count++) {
      const next = documents[at] as Uint8Array;
      if (count > 0 && sequence.serializedDocumentsLength + next.length > BATCH_BYTES) break;
      sequence.push({}, next);
      at++;
    }
    const command = { insert: collection, documents: sequence, ordered: true, bypassDocumentValidation: options.bypass ?? false };
    const reply = await db.command(command);
    const [first] = (reply.writeErrors as Document[] | undefined) ?? [];
    if (first !== undefined) throw new MongoServerError({ ...first, message: `document ${first.index}: ${first.errmsg}` } as never);
  }
}
