// The check that needs no key: are the stored bytes the ones that were written?
import type { ByteFacts } from "../core/byte-facts.ts";
import { verified } from "./digest.ts";

/** Reads everything; throws INTEGRITY unless size and SHA-256 are the expected ones. `onBytes` is told of each chunk's size. */
export async function verifyStored(
  stored: AsyncIterable<Uint8Array>,
  expected: ByteFacts,
  onBytes: (sizeBytes: number) => void = () => {},
): Promise<void> {
  for await (const chunk of verified(stored, expected, "stored")) onBytes(chunk.length);
}
