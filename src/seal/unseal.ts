// Opening what was sealed: age file → one zstd frame → plain bytes, every byte of both ends accounted for.

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
 * The plain bytes. Every chunk was authenticated, but only the *end* says that all of it was there: a consumer that
 * spools deletes its spool when this throws, and acts on nothing before this has ended.
 *
 * Throws INTEGRITY for anything damaged, missing or added (with the place, where it can be told), WRONG_KEY when the
 * bytes are whole and sealed for somebody else, KEY_INVALID, and whatever `stored` throws. With `expected` (a
 * manifest's facts) both sizes and digests must fit; without, damage to the header's key stanzas cannot be told from
 * a wrong key. With it, a key that does not match costs reading to the end: `keyFits` asks the manifest beforehand.
 */
export async function* unseal(
  stored: AsyncIterable<Uint8Array>,
  key: OpenKey,
  expected?: { readonly plain: ByteFacts; readonly stored: ByteFacts },
): AsyncGenerator<Uint8Array, void> {
  // Gathered first, so that damage is met by the decryption, which knows its place, before the digest at the end.
  const gathered = gather(stored, READ_BYTES);
  const whole = expected === undefined ? gathered : verified(gathered, expected.stored, "stored");
  const plain = decompress(gather(openAge(whole, key, expected !== undefined), INFLATE_BYTES));
  yield* expected === undefined ? plain : verified(plain, expected.plain, "plain");
}

/**
 * The payload of an age file.
 * @param readOnForDamage when no key matches, read to the end first, so that a source that checks itself can object.
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
