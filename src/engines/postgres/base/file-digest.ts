// The checksums that a backup_manifest may hold of its files.
import { createHash } from "node:crypto";
import { LifeboatError } from "../../../core/errors.ts";
import { CRC_BEGIN, finishCrc, updateCrc } from "../log/crc32c.ts";

export interface FileDigest {
  update(bytes: Uint8Array): void;
  /** As the manifest writes it: lower-case hexadecimal. */
  hex(): string;
}

/** `algorithm` by the manifest's own name for it. INTEGRITY for an unknown one. */
export function openFileDigest(algorithm: string): FileDigest {
  if (algorithm === "CRC32C") return new CrcDigest();
  if (!/^SHA(224|256|384|512)$/.test(algorithm)) {
    throw new LifeboatError("INTEGRITY", `the server's manifest of the base backup has checksums of an unknown kind, ${algorithm}`);
  }
  const hash = createHash(algorithm.toLowerCase());
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
}

const NO_WORDS = new Int32Array(0);

class CrcDigest implements FileDigest {
  #state = CRC_BEGIN;

  update(bytes: Uint8Array): void {
    // Words must begin at a multiple of four in memory; what comes before is taken byte by byte.
    const unaligned = Math.min(bytes.length, -bytes.byteOffset & 3);
    if (unaligned > 0) this.#state = updateCrc(this.#state, NO_WORDS, bytes, 0, unaligned);
    if (unaligned === bytes.length) return;
    const rest = bytes.subarray(unaligned);
    const words = new Int32Array(rest.buffer, rest.byteOffset, rest.length >> 2);
    this.#state = updateCrc(this.#state, words, rest, 0, rest.length);
  }

  hex(): string {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(finishCrc(this.#state)); // byte order of the server's memory
    return bytes.toString("hex");
  }
}
