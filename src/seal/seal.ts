// Sealing: plain bytes → one zstd frame → one age file, with size and SHA-256 of both, in one streaming pass.
import { randomBytes } from "node:crypto";
import type { ByteFacts } from "../core/byte-facts.ts";
import { LifeboatError } from "../core/errors.ts";
import { makeHeader } from "./age-header.ts";
import { NONCE_BYTES, payloadKey, sealPayload } from "./age-payload.ts";
import { compress } from "./compress.ts";
import { Meter } from "./digest.ts";
import { gather } from "./gather.ts";
import type { SealKey } from "./keys.ts";
import { OneFrame } from "./zstd-frame.ts";

export type { SealKey } from "./keys.ts";

/** Level 1 keeps up with a dump on two cores. Higher levels save little on rows and cost much time. */
export const DEFAULT_LEVEL = 1;
/** The chunk size for the compressor, in bytes. */
const READ_BYTES = 1024 * 1024;

export interface SealOptions {
  /** The zstd level, 1 to 19. */
  readonly level?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Sealed {
  /**
   * The stored bytes. May be iterated once. The iteration ends only after `plain` has ended. When `plain` throws, it throws the same error,
   * so that a storage never commits half an object. Leaving early closes `plain`.
   */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Returns the facts for the manifest. Throws until `bytes` has ended. */
  facts(): { plain: ByteFacts; stored: ByteFacts };
}

/**
 * Seals a stream. A producer must not write into a yielded buffer until the second `next` call after the one that yielded it. Throws
 * KEY_INVALID, CANCELLED, and the errors of `plain`.
 */
export function seal(plain: AsyncIterable<Uint8Array>, key: SealKey, options: SealOptions = {}): Sealed {
  const plainMeter = new Meter();
  const storedMeter = new Meter();
  return {
    bytes: storedMeter.measure(sealedBytes(plainMeter.measure(gather(plain, READ_BYTES)), key, options)),
    facts() {
      if (plainMeter.facts === undefined || storedMeter.facts === undefined) {
        throw new LifeboatError("BUG", "the facts of sealed bytes were requested before the bytes had ended");
      }
      return { plain: plainMeter.facts, stored: storedMeter.facts };
    },
  };
}

/**
 * Seals bytes that are already one zstd frame. `plain` returns the facts of the frame's content and is called once the bytes have ended.
 * Throws the errors of `seal`, and INTEGRITY unless the bytes are exactly one whole frame.
 */
export function sealFrame(frame: AsyncIterable<Uint8Array>, plain: () => ByteFacts, key: SealKey): Sealed {
  const storedMeter = new Meter();
  return {
    bytes: storedMeter.measure(encryptedBytes(oneFrame(frame), key)),
    facts() {
      if (storedMeter.facts === undefined) {
        throw new LifeboatError("BUG", "the facts of sealed bytes were requested before the bytes had ended");
      }
      return { plain: plain(), stored: storedMeter.facts };
    },
  };
}

function sealedBytes(plain: AsyncGenerator<Uint8Array, void>, key: SealKey, options: SealOptions): AsyncGenerator<Uint8Array, void> {
  return encryptedBytes(compress(plain, { level: options.level ?? DEFAULT_LEVEL, signal: options.signal }), key);
}

async function* encryptedBytes(compressed: AsyncIterable<Uint8Array>, key: SealKey): AsyncGenerator<Uint8Array, void> {
  const { fileKey, header } = await makeHeader(key);
  const nonce = randomBytes(NONCE_BYTES);
  yield Buffer.concat([header, nonce]);
  yield* sealPayload(payloadKey(fileKey, nonce), compressed);
}

async function* oneFrame(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const frame = new OneFrame();
  for await (const chunk of bytes) {
    frame.push(chunk);
    yield chunk;
  }
  frame.end();
}
