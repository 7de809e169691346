// Size and SHA-256 of a byte stream, and the comparison with a manifest.
import { createHash } from "node:crypto";
import type { ByteFacts } from "../core/byte-facts.ts";
import { LifeboatError } from "../core/errors.ts";

/** Measures size and SHA-256 of a stream. `facts` is undefined until the bytes have ended. */
export class Meter {
  facts: ByteFacts | undefined;
  readonly #hash = createHash("sha256");
  #sizeBytes = 0;

  async *measure(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of bytes) {
      this.#hash.update(chunk);
      this.#sizeBytes += chunk.length;
      yield chunk;
    }
    this.facts = { sizeBytes: this.#sizeBytes, sha256: this.#hash.digest("hex") };
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }
}

/** The measured side, for messages. */
export type Side = "stored" | "plain";

/**
 * Passes bytes on, and ends only if they were exactly the expected ones. Otherwise it throws INTEGRITY: at once when there are too many,
 * else at their end.
 */
export async function* verified(bytes: AsyncIterable<Uint8Array>, expected: ByteFacts, side: Side): AsyncGenerator<Uint8Array, void> {
  const meter = new Meter();
  for await (const chunk of meter.measure(bytes)) {
    if (meter.sizeBytes > expected.sizeBytes) {
      throw new LifeboatError(
        "INTEGRITY",
        `the ${side} data continues after byte ${expected.sizeBytes}, where the manifest says that it ends`,
        {
          details: { side, expectedBytes: expected.sizeBytes },
        },
      );
    }
    yield chunk;
  }
  if (meter.facts !== undefined) compareFacts(meter.facts, expected, side);
}

/** Throws INTEGRITY unless both are equal. */
export function compareFacts(actual: ByteFacts, expected: ByteFacts, side: Side): void {
  const details = { side, expected, actual };
  if (actual.sizeBytes !== expected.sizeBytes) {
    const how = actual.sizeBytes < expected.sizeBytes ? "ends early, at" : "continues to";
    throw new LifeboatError("INTEGRITY", `the ${side} data ${how} byte ${actual.sizeBytes} of ${expected.sizeBytes}`, { details });
  }
  if (actual.sha256 !== expected.sha256) {
    throw new LifeboatError(
      "INTEGRITY",
      `the ${side} data differs from what was written: SHA-256 of its ${actual.sizeBytes} bytes is ${actual.sha256}, not ${expected.sha256}`,
      { details },
    );
  }
}

/** Reads all bytes. Throws INTEGRITY unless size and SHA-256 match. Calls `onBytes` with the size of each chunk. */
export async function verifyStored(
  stored: AsyncIterable<Uint8Array>,
  expected: ByteFacts,
  onBytes: (sizeBytes: number) => void = () => {},
): Promise<void> {
  for await (const chunk of verified(stored, expected, "stored")) onBytes(chunk.length);
}
