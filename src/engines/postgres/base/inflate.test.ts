import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { Inflate } from "./inflate.ts";

const PLAIN = Buffer.concat([Buffer.alloc(3_000_000, "rows and rows and "), randomBytes(700_000)]);
const FRAME = zstdCompressSync(PLAIN);

async function inflate(bytes: Uint8Array, onPlain: (bytes: Uint8Array) => void = () => {}): Promise<void> {
  const inflating = new Inflate(onPlain);
  try {
    for (let at = 0; at < bytes.length; at += 50_000) await inflating.write(bytes.subarray(at, at + 50_000));
    await inflating.end();
  } finally {
    inflating.close();
  }
}

test("the whole content of a frame is passed on, in order, by the time its bytes are written", async () => {
  const pieces: Buffer[] = [];
  await inflate(FRAME, (bytes) => pieces.push(Buffer.from(bytes)));
  assert.ok(Buffer.concat(pieces).equals(PLAIN));
});

test("a frame that is damaged, cut short or none is an integrity error", async () => {
  const damaged = Buffer.from(FRAME);
  damaged.fill(0xff, 200, 260);
  for (const wrong of [damaged, FRAME.subarray(0, -1000), Buffer.alloc(100_000, 7)]) {
    await assert.rejects(inflate(wrong), { code: "INTEGRITY" });
  }
});

test("what the reader of the plain bytes throws is thrown to the writer, unchanged", async () => {
  const cause = new Error("not an archive");
  await assert.rejects(
    inflate(FRAME, () => {
      throw cause;
    }),
    (error) => error === cause,
  );
});

test("closing in the middle lets go of it", async () => {
  const inflating = new Inflate(() => {});
  await inflating.write(FRAME.subarray(0, 1000));
  inflating.close();
  await assert.rejects(inflating.end());
});
