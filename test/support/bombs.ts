// What a storage may hold to which others can write: a few bytes that stand for thousands of millions. Run as a program of its own, so
// that its memory can be looked at: `node bombs.ts fingerprint|longer|window|segment|metadata`; prints one line of JSON.
import { createHash } from "node:crypto";
import { pathToFileURL } from "node:url";
import type { Context } from "../../src/operations/context.ts";
import type { PointEntry } from "../../src/operations/points/points.ts";
import { readFingerprint } from "../../src/operations/recovery/load.ts";
import { readWhole } from "../../src/repository/whole.ts";
import { generateIdentity, type OpenKey, type SealKey } from "../../src/seal/keys.ts";
import { sealFrame } from "../../src/seal/seal.ts";
import { unseal } from "../../src/seal/unseal.ts";

export interface Blast {
  /** Code of the error, or `none`. */
  readonly code: string;
  readonly message: string;
  /** The most memory that the process ever had. */
  readonly mostBytes: number;
  /** Of the stored object. */
  readonly storedBytes: number;
  /** Whether any of the stored object was read. */
  readonly wasRead: boolean;
}

const BLOCK_BYTES = 128 * 1024;
const DECLARED_BYTES = 3_000_000_000;

/** One zstd frame (RFC 8878) of that many bytes, each block of which is a single byte and how often it is repeated. */
export function repeating(blocks: number, windowDescriptor = 0x38, byte = 0x20): Buffer {
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, windowDescriptor]);
  const body = Buffer.alloc(blocks * 4);
  for (let block = 0; block < blocks; block++) {
    body.writeUIntLE((BLOCK_BYTES << 3) | (1 << 1) | (block === blocks - 1 ? 1 : 0), block * 4, 3);
    body[block * 4 + 3] = byte;
  }
  return Buffer.concat([head, body]);
}

async function detonate(kind: string): Promise<Blast> {
  const { identity, recipient } = await generateIdentity();
  const [key, opener]: [SealKey, OpenKey] = [{ recipients: [recipient] }, { identities: [identity] }];
  // 64 MiB: the descriptor says 2^(10+16).
  const frame = kind === "window" ? repeating(8, 16 << 3) : repeating(Math.ceil(DECLARED_BYTES / BLOCK_BYTES));
  const plain = { sizeBytes: kind === "longer" ? 5000 : kind === "window" ? 8 * BLOCK_BYTES : DECLARED_BYTES, sha256: "0".repeat(64) };
  const sealed = sealFrame(
    (async function* () {
      yield frame;
    })(),
    () => plain,
    key,
  );
  const pieces: Uint8Array[] = [];
  for await (const piece of sealed.bytes) pieces.push(Uint8Array.from(piece));
  const bytes = Buffer.concat(pieces);
  const stored = { sizeBytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
  let wasRead = false;
  const get = async function* () {
    wasRead = true;
    yield bytes;
  };
  const outcome = await read(kind, get, opener, { plain, stored }).then(
    () => ({ code: "none", message: "" }),
    (error: { code?: string; message: string }) => ({ code: error.code ?? "not a LifeboatError", message: error.message }),
  );
  return { ...outcome, mostBytes: process.resourceUsage().maxRSS * 1024, storedBytes: bytes.length, wasRead };
}

async function read(kind: string, get: () => AsyncGenerator<Uint8Array>, key: OpenKey, facts: Parameters<typeof unseal>[2] & object) {
  if (kind === "segment") return await readWhole("log segment", unseal(get(), key, facts), facts.plain.sizeBytes);
  if (kind === "window") for await (const _ of unseal(get(), key));
  const parts = [{ name: "fingerprint", content: "fingerprint-json", ...facts }];
  const context = { repository: { storage: { get } } } as unknown as Context;
  return await readFingerprint(context, { source: "shop", folder: "f", manifest: { id: "x", parts } } as unknown as PointEntry, key);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.stdout.write(`${JSON.stringify(await detonate(process.argv[2] ?? ""))}\n`);
}
