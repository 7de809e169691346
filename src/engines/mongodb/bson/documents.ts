// Raw BSON documents that lie one after the other: finding where each begins, without looking inside.
import { LifeboatError } from "../../../core/errors.ts";

/** An empty document: its length and its end. */
export const SMALLEST_DOCUMENT_BYTES = 5;
/** The server's limit of 16 MiB, and what it allows itself beyond that for its own documents, as those of the oplog. */
export const LARGEST_DOCUMENT_BYTES = 16 * 1024 * 1024 + 16 * 1024;

/** The number in front of every document, which is its length in bytes; as the server reads it, signed. */
export function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
}

/** What is wrong with a document of that length that ends in that byte, or undefined. */
export function documentFlaw(sizeBytes: number, lastByte: number): string | undefined {
  if (sizeBytes < SMALLEST_DOCUMENT_BYTES) return `a document of ${sizeBytes} bytes`;
  if (sizeBytes > LARGEST_DOCUMENT_BYTES) return `a document of ${sizeBytes} bytes, more than any server allows`;
  if (lastByte !== 0) return `a document of ${sizeBytes} bytes that does not end where its length says`;
  return undefined;
}

/** Calls back with where each document begins and ends; returns how many there are. Anything but whole documents: INTEGRITY. */
export function walkDocuments(bytes: Uint8Array, each: (from: number, to: number) => void): number {
  let count = 0;
  for (let at = 0; at < bytes.length; count++) {
    const sizeBytes = at + 4 <= bytes.length ? lengthAt(bytes, at) : bytes.length - at;
    const to = at + sizeBytes;
    const flaw = to > bytes.length ? "a document that is cut off" : documentFlaw(sizeBytes, bytes[to - 1] as number);
    if (flaw !== undefined) throw new LifeboatError("INTEGRITY", `the documents hold ${flaw}`);
    each(at, to);
    at = to;
  }
  return count;
}

/** The documents themselves, as views of the bytes. */
export function documentsOf(bytes: Uint8Array): Uint8Array[] {
  const documents: Uint8Array[] = [];
  walkDocuments(bytes, (from, to) => documents.push(bytes.subarray(from, to)));
  return documents;
}
