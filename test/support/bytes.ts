// Generated bodies for storage tests: any size, reproducible, never whole in memory.
import { createHash } from "node:crypto";

/** So many reproducible, incompressible-looking bytes in chunks of the given size; `seed` makes them differ. */
export async function* generatedBytes(sizeBytes: number, seed = 1, chunkBytes = 64 * 1024): AsyncGenerator<Uint8Array> {
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let left = sizeBytes; left > 0; ) {
    const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, left));
    for (let at = 0; at + 4 <= chunk.length; at += 4) {
      state ^= (state << 13) >>> 0;
      state ^= state >>> 17;
      state = (state ^ (state << 5)) >>> 0;
      chunk.writeUInt32LE(state, at);
    }
    for (let at = chunk.length & ~3; at < chunk.length; at++) chunk[at] = state & 0xff;
    left -= chunk.length;
    yield chunk;
  }
}

export async function digestOf(chunks: AsyncIterable<Uint8Array>): Promise<{ sizeBytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sizeBytes, sha256: hash.digest("hex") };
}

export async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
