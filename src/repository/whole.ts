// Objects that are read whole into memory, with their size limits. The size in a manifest or record is checked before the first byte is
// read, and no more bytes are read, so that a stored object cannot exhaust memory or time.
import { LifeboatError } from "../core/errors.ts";

const MIB = 1024 * 1024;

/** Far more than any source requires. */
const MOST_BYTES = {
  /** About a million tables. */
  fingerprint: 256 * MIB,
  /** About fifty thousand roles. */
  "description of roles": 32 * MIB,
  /** PostgreSQL's own largest segment. */
  "log segment": 1024 * MIB,
  /** 16 MiB of entries, or a single entry of the largest document. */
  "oplog segment": 64 * MIB,
  /** About 450 000 keys. */
  "list of erased keys": 32 * MIB,
  /** One line for each timeline. */
  "history file": MIB,
} as const;

export type WholeObject = keyof typeof MOST_BYTES;

/** Throws INTEGRITY when the stated size is above the limit of the object. */
export function assertReadable(what: WholeObject, sizeBytes: number): void {
  if (sizeBytes >= 0 && sizeBytes <= MOST_BYTES[what]) return;
  throw new LifeboatError("INTEGRITY", `a ${what} is said to have ${sizeBytes} bytes; at most ${MOST_BYTES[what]} are read`);
}

/** Reads proven bytes into memory. Throws INTEGRITY when there are more than stated, or the limit is exceeded, and the reader's errors. */
export async function readWhole(what: WholeObject, chunks: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<Uint8Array> {
  assertReadable(what, sizeBytes);
  const bytes = new Uint8Array(sizeBytes);
  let at = 0;
  for await (const chunk of chunks) {
    if (at + chunk.byteLength > sizeBytes) throw new LifeboatError("INTEGRITY", `a ${what} has more than the ${sizeBytes} bytes stated`);
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  if (at < sizeBytes) throw new LifeboatError("INTEGRITY", `a ${what} has ${at} of the ${sizeBytes} bytes stated`);
  return bytes;
}

/** Serialises a fingerprint. Throws DUMP_FAILED for one that is too large to be read again. */
export function fingerprintBytes(fingerprint: object): Uint8Array {
  const bytes = new TextEncoder().encode(JSON.stringify(fingerprint));
  if (bytes.length <= MOST_BYTES.fingerprint) return bytes;
  throw new LifeboatError("DUMP_FAILED", `the fingerprint has ${bytes.length} bytes; at most ${MOST_BYTES.fingerprint} are supported`, {
    hint: "back up fewer tables at a time: `tables` of the source chooses them",
  });
}
