// Verifies stored bytes against the manifest, without a key.
import type { ByteFacts } from "../core/byte-facts.ts";
import { verified } from "./digest.ts";

/** Reads all bytes. Throws INTEGRITY unless size and SHA-256 match. Calls `onBytes` with the size of each chunk. */
export async function verifyStored(
  stored: AsyncIterable<Uint8Array>,
  expected: ByteFacts,
  onBytes: (sizeBytes: number) => void = () => {},
): Promise<void> {
  for await (const chunk of verified(stored, expected, "stored")) onBytes(chunk.length);
}
