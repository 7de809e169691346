// A document of the archive's own (header, collection, block header) as an object; its 64-bit integers are bigints.
import { deserialize } from "bson";
import { LifeboatError } from "../../../core/errors.ts";

/** INTEGRITY, naming the place, when the bytes are no BSON document. */
export function readDocument(bytes: Uint8Array, place: string): Record<string, unknown> {
  try {
    return deserialize(bytes, { useBigInt64: true });
  } catch (cause) {
    throw new LifeboatError("INTEGRITY", `${place} cannot be read`, { cause });
  }
}
