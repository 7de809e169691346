// What is read whole into memory, and how large it may be. The size that a manifest or record states is looked at before the first
// byte is read, and no more bytes than it states are taken: what is stored decides neither how much memory nor how long it takes.
import { LifeboatError } from "../core/errors.ts";

const MIB = 1024 * 1024;

/** Far more than any source brings about. */
const MOST_BYTES = {
  /** About a million tables. */
  fingerprint: 256 * MIB,
  /** PostgreSQL's own largest segment. */
  "log segment": 1024 * MIB,
  /** 16 MiB of entries, or a single one as large as a document can be. */
  "oplog segment": 64 * MIB,
  /** One line for each timeline. */
  "history file": MIB,
} as const;

export type WholeObject = keyof typeof MOST_BYTES;

/** Throws INTEGRITY when the stated size is more than such an object can have. */
export function assertReadable(what: WholeObject, sizeBytes: number): void {
  if (sizeBytes >= 0 && sizeBytes <= MOST_BYTES[what]) return;
  throw new LifeboatError("INTEGRITY", `a ${what} of ${sizeBytes} bytes is stated, and ${MOST_BYTES[what]} is the most that is read`);
}

/** Proven bytes in one piece. Whatever the reading throws, nothing is given out. INTEGRITY when they are more, or could be too many. */
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

/** A fingerprint as it is stored. One so large that it could not be read again is refused here. */
export function fingerprintBytes(fingerprint: object): Uint8Array {
  const bytes = new TextEncoder().encode(JSON.stringify(fingerprint));
  if (bytes.length <= MOST_BYTES.fingerprint) return bytes;
  throw new LifeboatError("DUMP_FAILED", `the fingerprint takes ${bytes.length} bytes, and ${MOST_BYTES.fingerprint} is the most`, {
    hint: "back up fewer tables at a time: `tables` of the source chooses them",
  });
}
