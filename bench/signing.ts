// What signing costs where objects are small and many: log segments stored with their signatures, beside the same without.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Storage } from "../src/ports/storage.ts";
import { storeSegment } from "../src/repository/log.ts";
import { createRepository } from "../src/repository/open.ts";
import { generateWriter, parseWriter, type Trust, trustOf } from "../src/repository/trust.ts";
import { generateIdentity } from "../src/seal/keys.ts";
import { openLocalStorage } from "../src/storage/local/local.ts";
import { systemClock } from "../src/system-clock.ts";

export interface SigningCost {
  readonly segmentBytes: number;
  /** Milliseconds a segment, the best of the rounds. */
  readonly signedMs: number;
  readonly unsignedMs: number;
}

const SEGMENTS = 60;

/** Both ways by turns, so that a slow moment meets both. */
export async function benchSigning(segmentBytes: number, rounds: number): Promise<SigningCost> {
  const { recipient } = await generateIdentity();
  const trust = trustOf([], parseWriter(generateWriter().pem, "the benchmark"));
  const best = { signed: Number.POSITIVE_INFINITY, unsigned: Number.POSITIVE_INFINITY };
  for (let round = 0; round < rounds; round++) {
    for (const way of ["signed", "unsigned"] as const) {
      const ms = await storeMany(recipient, way === "signed" ? trust : withoutSigning(trust), way === "signed", segmentBytes);
      best[way] = Math.min(best[way], ms / SEGMENTS);
    }
  }
  return { segmentBytes, signedMs: best.signed, unsignedMs: best.unsigned };
}

const withoutSigning = ({ keys, writer }: Trust): Trust => ({ keys, writer: writer && { ...writer, sign: () => new Uint8Array(64) } });

/** A storage that forgets signatures costs what one without them would. */
function forgetting(storage: Storage): Storage {
  const info = { name: "", sizeBytes: 0, modifiedAt: new Date(0), etag: "" };
  return { ...storage, put: async (name, body, options) => (name.endsWith(".sig") ? info : storage.put(name, body, options)) };
}

async function storeMany(recipient: string, trust: Trust, signed: boolean, segmentBytes: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "lifeboat-signing-"));
  try {
    const local = openLocalStorage({ directory });
    const repository = await createRepository(signed ? local : forgetting(local), [recipient], systemClock, trust);
    const began = performance.now();
    for (let number = 1; number <= SEGMENTS; number++) await storeOne(repository, recipient, number, segmentBytes);
    const tookMs = performance.now() - began;
    await local.close();
    return tookMs;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function storeOne(
  repository: Parameters<typeof storeSegment>[0],
  recipient: string,
  number: number,
  segmentBytes: number,
): Promise<void> {
  const name = `0000000100000000${number.toString(16).toUpperCase().padStart(8, "0")}`;
  const lsn = (n: number): string => `0/${(n * segmentBytes).toString(16).toUpperCase()}`;
  // Half of a segment of a busy server compresses to nothing, the other half not at all.
  const block = createHash("sha512").update(name).digest();
  const bytes = Buffer.alloc(segmentBytes);
  for (let at = 0; at < segmentBytes; at += 128) block.copy(bytes, at);
  const facts = { name, timeline: 1, startLsn: lsn(number), nextLsn: lsn(number + 1), endLsn: lsn(number + 1), records: 1, partial: false };
  const segment = { ...facts, source: "shop", systemIdentifier: "1", archivedAt: new Date().toISOString() };
  await storeSegment(repository, { recipients: [recipient] }, segment, bytes);
}
