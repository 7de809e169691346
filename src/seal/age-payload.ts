// The payload of an age v1 file: ChaCha20-Poly1305 over 64 KiB chunks (the STREAM construction), with Node's OpenSSL.
// Specification: https://c2sp.org/age#payload. The age-encryption package does the same in JavaScript, ten times slower.
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { LifeboatError } from "../core/errors.ts";

export const CHUNK_BYTES = 64 * 1024;
export const TAG_BYTES = 16;
export const NONCE_BYTES = 16;
const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES;
/** The number of chunks yielded at a time: half a MiB keeps calls of storage and digest few. */
const CHUNKS_AT_A_TIME = 8;

/** Derives the key of the payload from the file key and the nonce between header and payload. */
export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", fileKey, nonce, "payload", 32));
}

/** Returns the nonce of a chunk: an 11-byte big-endian counter, then 1 for the last chunk. */
function chunkNonce(counter: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(counter, 5, 6); // 2^48 chunks are 16 EiB
  nonce[11] = last ? 1 : 0;
  return nonce;
}

/** Encrypts. The yielded buffers belong to the consumer. */
export async function* sealPayload(key: Uint8Array, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const waiting = new Pieces();
  let counter = 0;
  let out = Buffer.allocUnsafeSlow(CHUNKS_AT_A_TIME * SEALED_CHUNK_BYTES);
  let used = 0;
  const sealChunk = (last: boolean): void => {
    const cipher = createCipheriv("chacha20-poly1305", key, chunkNonce(counter++, last), { authTagLength: TAG_BYTES });
    for (const piece of waiting.take(CHUNK_BYTES)) used += cipher.update(piece).copy(out, used);
    cipher.final();
    used += cipher.getAuthTag().copy(out, used);
  };
  for await (const chunk of bytes) {
    waiting.add(chunk);
    // Strictly more than a chunk, because a full chunk may be the last one, which must never be empty.
    while (waiting.sizeBytes > CHUNK_BYTES) {
      sealChunk(false);
      if (used === out.length) {
        yield out;
        out = Buffer.allocUnsafeSlow(CHUNKS_AT_A_TIME * SEALED_CHUNK_BYTES);
        used = 0;
      }
    }
  }
  sealChunk(true);
  yield out.subarray(0, used);
}

/**
 * Decrypts and authenticates, chunk by chunk. No unauthenticated byte is yielded. Throws INTEGRITY for a damaged, truncated or extended
 * payload. `startsAt` is the position of the payload in the stored data, for messages.
 */
export async function* openPayload(key: Uint8Array, bytes: AsyncIterable<Uint8Array>, startsAt: number): AsyncGenerator<Uint8Array, void> {
  const waiting = new Pieces();
  let counter = 0;
  const openChunk = function* (last: boolean): Generator<Uint8Array, void> {
    const sealed = waiting.takeWhole(SEALED_CHUNK_BYTES);
    const plain = decrypt(key, counter, last, sealed);
    const startByte = startsAt + counter * SEALED_CHUNK_BYTES;
    const endByte = startByte + sealed.length;
    if (plain === undefined) {
      const misplaced = decrypt(key, counter, !last, sealed);
      if (misplaced === undefined) throw damaged(`is damaged between bytes ${startByte} and ${endByte} of the stored data`, startByte);
      // An intact chunk, but marked last where more follows, or the reverse. The age vectors require that a full one is yielded anyway.
      if (sealed.length === SEALED_CHUNK_BYTES) yield misplaced;
      throw damaged(`${last ? "ends before" : "continues after"} its final chunk, at byte ${endByte} of the stored data`, endByte);
    }
    if (plain.length === 0 && counter > 0) throw damaged(`has an empty final chunk, at byte ${startByte} of the stored data`, startByte);
    counter += 1;
    if (plain.length > 0) yield plain;
  };
  for await (const chunk of bytes) {
    waiting.add(chunk);
    while (waiting.sizeBytes > SEALED_CHUNK_BYTES) yield* openChunk(false);
  }
  yield* openChunk(true);
}

function damaged(what: string, aboutByte: number): LifeboatError {
  return new LifeboatError("INTEGRITY", `the encrypted data ${what}`, { details: { where: "payload", aboutByte } });
}

function decrypt(key: Uint8Array, counter: number, last: boolean, sealed: Uint8Array): Uint8Array | undefined {
  const end = sealed.length - TAG_BYTES;
  if (end < 0) return undefined;
  const decipher = createDecipheriv("chacha20-poly1305", key, chunkNonce(counter, last), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(end));
  const plain = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    return undefined; // the tag does not fit
  }
  return plain;
}

/** A queue of bytes that is read in other sizes than it was written. */
class Pieces {
  sizeBytes = 0;
  #pieces: Uint8Array[] = [];

  add(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.sizeBytes += piece.length;
  }

  /** Takes up to that many bytes, as pieces. */
  take(wantedBytes: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let missing = wantedBytes;
    while (missing > 0) {
      const first = this.#pieces[0];
      if (first === undefined) break;
      if (first.length <= missing) {
        this.#pieces.shift();
        taken.push(first);
        missing -= first.length;
      } else {
        taken.push(first.subarray(0, missing));
        this.#pieces[0] = first.subarray(missing);
        missing = 0;
      }
    }
    this.sizeBytes -= wantedBytes - missing;
    return taken;
  }

  /** Takes up to that many bytes, as one; copies only where they came apart. */
  takeWhole(wantedBytes: number): Uint8Array {
    const taken = this.take(wantedBytes);
    return taken.length === 1 ? (taken[0] as Uint8Array) : Buffer.concat(taken);
  }
}
