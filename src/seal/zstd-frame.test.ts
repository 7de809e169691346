import assert from "node:assert/strict";
import { test } from "node:test";
import { constants, zstdCompressSync } from "node:zlib";
import { isLifeboatError } from "../core/errors.ts";
import { decompress } from "./compress.ts";
import { chunked, collect, rows } from "./testing.ts";
import { OneFrame } from "./zstd-frame.ts";

const checksum = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
const plain = rows(300_000);
const frame = zstdCompressSync(plain, checksum);
const skippable = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);

function walk(bytes: Uint8Array, chunkBytes: number): void {
  const walker = new OneFrame();
  for (let at = 0; at < bytes.length; at += chunkBytes) walker.push(bytes.subarray(at, at + chunkBytes));
  walker.end();
}

test("one zstd frame of any kind is accepted, in chunks of any size", () => {
  const kinds = [
    frame,
    zstdCompressSync(plain),
    zstdCompressSync(Buffer.alloc(0), checksum),
    zstdCompressSync(Buffer.alloc(0)),
    zstdCompressSync(Buffer.alloc(1_000_000), checksum), // repeated bytes
    zstdCompressSync(plain.subarray(0, 100), { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } }),
    zstdCompressSync(plain.subarray(0, 100), { params: { [constants.ZSTD_c_contentSizeFlag]: 1 } }),
    zstdCompressSync(plain, { params: { [constants.ZSTD_c_compressionLevel]: 19 } }),
  ];
  for (const kind of kinds) for (const chunkBytes of [1, 2, 3, 7, 1 << 20]) walk(kind, chunkBytes);
});

test("R21 bytes after the one zstd frame are refused: another frame, a skippable one, zeros, any byte", async () => {
  const tails = {
    "a second zstd frame": frame,
    "an empty second frame": zstdCompressSync(Buffer.alloc(0)),
    "a skippable frame": skippable,
    zeros: Buffer.alloc(9),
    "a zero": Buffer.alloc(1),
    "the magic number only": frame.subarray(0, 4),
  };
  for (const [what, tail] of Object.entries(tails)) {
    const bytes = Buffer.concat([frame, tail]);
    for (const chunkBytes of [1, frame.length, 1 << 24]) {
      assert.throws(() => walk(bytes, chunkBytes), { code: "INTEGRITY", message: /follows the one zstd frame/ }, what);
    }
    for (const chunkBytes of [frame.length, 1 << 24]) {
      await assert.rejects(collect(decompress(chunked(bytes, chunkBytes))), { code: "INTEGRITY", message: /follows the one/ }, what);
    }
  }
});

test("R21 a skippable frame before the data, data that is not zstd, and no data are refused", async () => {
  for (const bytes of [Buffer.concat([skippable, frame]), skippable, Buffer.from("PGDMP"), Buffer.alloc(0), Buffer.from([0x28])]) {
    await assert.rejects(collect(decompress(chunked(bytes))), { code: "INTEGRITY" });
  }
});

test("R21 a zstd frame truncated at any byte is refused", () => {
  const small = zstdCompressSync(rows(2000), checksum);
  for (let length = 0; length < small.length; length++) {
    assert.throws(() => walk(small.subarray(0, length), 1 << 20), { code: "INTEGRITY" }, `${length} of ${small.length} bytes`);
  }
});

test("R21 a zstd frame with a checksum and a flipped bit never decompresses to other content silently", async () => {
  const content = rows(400);
  const small = zstdCompressSync(content, checksum);
  for (let at = 0; at < small.length; at++) {
    const damaged = Buffer.from(small);
    damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
    try {
      // Some bits of the frame header have no meaning; then the content is intact.
      assert.deepEqual(await collect(decompress(chunked(damaged))), content, `byte ${at}`);
    } catch (error) {
      assert.ok(isLifeboatError(error, "INTEGRITY"), `byte ${at}: ${error}`);
    }
  }
});

test("decompression of a quarter gigabyte of zeros takes no more memory than its buffers", async () => {
  const bomb = zstdCompressSync(Buffer.alloc(256 << 20));
  const before = process.memoryUsage().rss;
  let sizeBytes = 0;
  let peak = 0;
  for await (const chunk of decompress(chunked(bomb))) {
    sizeBytes += chunk.length;
    peak = Math.max(peak, process.memoryUsage().rss - before);
  }
  assert.equal(sizeBytes, 256 << 20);
  assert.ok(peak < 100 << 20, `grew by ${peak >> 20} MiB`);
});

test("leaving decompression early closes its source", async () => {
  let closed = false;
  async function* source(): AsyncGenerator<Uint8Array, void> {
    try {
      yield* chunked(zstdCompressSync(Buffer.alloc(8 << 20)), 16);
    } finally {
      closed = true;
    }
  }
  for await (const _ of decompress(source())) break;
  assert.ok(closed);
});
