// Opens sealed data: age file → one zstd frame → plain bytes.

import type { ByteFacts } from "../core/byte-facts.ts";
import { isLifeboatError } from "../core/errors.ts";
import { openHeader, readOpening } from "./age-header.ts";
import { openPayload, payloadKey } from "./age-payload.ts";
import { decompress } from "./compress.ts";
import { verified } from "./digest.ts";
import { gather } from "./gather.ts";
import type { OpenKey } from "./keys.ts";

export type { OpenKey } from "./keys.ts";

const READ_BYTES = 512 * 1024;
const INFLATE_BYTES = 256 * 1024;

/**
 * Yields the plain bytes. Every chunk is authenticated, but only the *end* proves completeness: a consumer that spools deletes its spool
 * when this throws, and acts on nothing before this has ended.
 *
 * Throws INTEGRITY for damaged, missing or added bytes (with the position, where known), WRONG_KEY when the bytes are intact and sealed to
 * other recipients, KEY_INVALID, and the errors of `stored`. With `expected` (the facts of a manifest) sizes and digests must match.
 * Without, damage of the key stanzas in the header cannot be distinguished from a wrong key. With it, a wrong key costs a read to the
 * end; `keyFits` tells from the manifest beforehand.
 */
export async function* unseal(
  stored: AsyncIterable<Uint8Array>,
  key: OpenKey,
  expected?: { readonly plain: ByteFacts; readonly stored: ByteFacts },
): AsyncGenerator<Uint8Array, void> {
  // Gathered first, so that decryption, which knows the position, finds damage before the digest does at the end.
  const gathered = gather(stored, READ_BYTES);
  const whole = expected === undefined ? gathered : verified(gathered, expected.stored, "stored");
  const plain = decompress(gather(openAge(whole, key, expected !== undefined), INFLATE_BYTES));
  yield* expected === undefined ? plain : verified(plain, expected.plain, "plain");
}

/**
 * Yields the payload of an age file.
 * @param readOnForDamage when no key matches, reads to the end first, so that a source that verifies itself can report damage.
 */
export async function* openAge(stored: AsyncIterable<Uint8Array>, key: OpenKey, readOnForDamage = false): AsyncGenerator<Uint8Array, void> {
  const bytes = stored[Symbol.asyncIterator]();
  const rest: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => ({ next: () => bytes.next() }) };
  try {
    const { header, nonce, excess } = await readOpening(bytes);
    const fileKey = await openHeader(header, key).catch(async (error: unknown) => {
      if (readOnForDamage && isLifeboatError(error, "WRONG_KEY")) for await (const _ of rest);
      throw error;
    });
    yield* openPayload(payloadKey(fileKey, nonce), following(excess, rest), header.length + nonce.length);
  } finally {
    await bytes.return?.();
  }
}

async function* following(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  yield first;
  yield* rest;
}
