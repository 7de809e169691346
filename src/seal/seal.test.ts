import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import type { ByteFacts } from "../core/byte-facts.ts";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import { verifyStored } from "./digest.ts";
import { generateIdentity } from "./keys.ts";
import { type SealKey, seal, sealFrame } from "./seal.ts";
import { chunked, collect, rows } from "./testing.ts";
import { unseal } from "./unseal.ts";

const { identity, recipient } = await generateIdentity();
const key = { recipients: [recipient] };
const opener = { identities: [identity] };
const factsOf = (bytes: Uint8Array): ByteFacts => ({ sizeBytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });

async function sealed(plain: Uint8Array, to: SealKey = key, chunkBytes?: number) {
  const { bytes, facts } = seal(chunked(plain, chunkBytes), to);
  const stored = await collect(bytes);
  return { stored, facts: facts() };
}
const opened = (stored: Uint8Array, facts?: { plain: ByteFacts; stored: ByteFacts }): Promise<Buffer> =>
  collect(unseal(chunked(stored), opener, facts));

test("R21 sealed bytes of any size, in chunks of any size, open to the same bytes", async () => {
  for (const sizeBytes of [0, 1, 65_535, 65_536, 65_537, 524_288, 1_048_576, 1_048_577, 3_000_000]) {
    for (const plain of [randomBytes(sizeBytes), rows(sizeBytes)]) {
      for (const chunkBytes of [1021, 65_536, 700_000, 5_000_000]) {
        if (sizeBytes / chunkBytes > 1000) continue;
        const { stored, facts } = await sealed(plain, key, chunkBytes);
        assert.deepEqual(facts, { plain: factsOf(plain), stored: factsOf(stored) });
        assert.ok((await opened(stored, facts)).equals(plain), `${sizeBytes} bytes in chunks of ${chunkBytes}`);
      }
    }
  }
});

test("R21 bytes with stored sizes at the edges of an encrypted chunk open", async () => {
  // Random bytes do not compress: the payload's size follows the plain size byte by byte across the chunk's edge.
  for (let sizeBytes = 65_500; sizeBytes < 65_560; sizeBytes++) {
    const plain = randomBytes(sizeBytes);
    const { stored, facts } = await sealed(plain);
    assert.ok((await opened(stored, facts)).equals(plain), `${sizeBytes} bytes`);
  }
});

test("R21 each of several recipients opens a backup alone, and no other key does", async () => {
  const others = await Promise.all([generateIdentity(), generateIdentity()]);
  const plain = rows(5000);
  const { stored, facts } = await sealed(plain, { recipients: [recipient, ...others.map((other) => other.recipient)] });
  for (const own of [identity, ...others.map((other) => other.identity)]) {
    assert.ok((await collect(unseal(chunked(stored), { identities: [own] }, facts))).equals(plain));
  }
  const stranger = (await generateIdentity()).identity;
  assert.ok(
    (await collect(unseal(chunked(stored), { identities: [stranger, identity] }, facts))).equals(plain),
    "one of two identities fits",
  );
  for (const expected of [undefined, facts]) {
    await assert.rejects(collect(unseal(chunked(stored), { identities: [stranger] }, expected)), { code: "WRONG_KEY" });
    await assert.rejects(collect(unseal(chunked(stored), { passphrase: "guess" }, expected)), { code: "WRONG_KEY" });
  }
});

test("R21 a backup sealed with a passphrase opens with it, and not with another one or an identity", async () => {
  const plain = rows(5000);
  const { stored, facts } = await sealed(plain, { passphrase: "correct horse" });
  assert.ok((await collect(unseal(chunked(stored), { passphrase: "correct horse" }, facts))).equals(plain));
  await assert.rejects(collect(unseal(chunked(stored), { passphrase: "wrong horse" }, facts)), {
    code: "WRONG_KEY",
    message: /passphrase/,
  });
  await assert.rejects(opened(stored, facts), { code: "WRONG_KEY", message: /passphrase/ });
});

test("a wrong key is reported only if the stored bytes are intact; otherwise damage is", async () => {
  const { stored, facts } = await sealed(rows(5000));
  const stranger = { identities: [(await generateIdentity()).identity] };
  const damaged = Buffer.from(stored);
  damaged[damaged.length - 1] = (damaged[damaged.length - 1] as number) ^ 1;
  await assert.rejects(collect(unseal(chunked(stored), stranger, facts)), { code: "WRONG_KEY" });
  await assert.rejects(collect(unseal(chunked(damaged), stranger, facts)), { code: "INTEGRITY" });
  await assert.rejects(collect(unseal(chunked(stored.subarray(0, -1)), stranger, facts)), { code: "INTEGRITY" });
});

/** Each way of damaging one byte of a small sealed file. */
function* damages(stored: Buffer): Generator<[string, Buffer]> {
  for (let at = 0; at < stored.length; at++) {
    for (const bit of [1, 0x20, 0x80]) {
      const flipped = Buffer.from(stored);
      flipped[at] = (flipped[at] as number) ^ bit;
      yield [`byte ${at} xor ${bit}`, flipped];
    }
    yield [`cut before byte ${at}`, stored.subarray(0, at)];
    yield [`byte ${at} left out`, Buffer.concat([stored.subarray(0, at), stored.subarray(at + 1)])];
  }
  for (const byte of [0, 0x0a, 0x28, 0xff]) yield [`byte ${byte} appended`, Buffer.concat([stored, Buffer.from([byte])])];
  yield ["itself appended", Buffer.concat([stored, stored])];
}

test("R21 a changed, missing or added byte of a sealed file is refused as damage with the manifest", async () => {
  const { stored, facts } = await sealed(rows(300));
  for (const [what, damaged] of damages(stored)) {
    await assert.rejects(opened(damaged, facts), (error) => isLifeboatError(error, "INTEGRITY"), what);
    await assert.rejects(verifyStored(chunked(damaged), facts.stored), (error) => isLifeboatError(error, "INTEGRITY"), what);
  }
});

test("R21 a changed, missing or added byte of a sealed file is refused without its manifest", async () => {
  const { stored } = await sealed(rows(300));
  for (const [what, damaged] of damages(stored)) {
    await assert.rejects(opened(damaged), (error) => isLifeboatError(error, "INTEGRITY") || isLifeboatError(error, "WRONG_KEY"), what);
  }
});

test("R21 damage in a file of many chunks is refused with its position", async () => {
  const { stored, facts } = await sealed(randomBytes(400_000));
  const damaged = Buffer.from(stored);
  damaged[200_000] = (damaged[200_000] as number) ^ 4;
  await assert.rejects(opened(damaged, facts), (error) => {
    const [, from, to] = /between bytes (\d+) and (\d+)/.exec((error as Error).message) ?? [];
    return isLifeboatError(error, "INTEGRITY") && Number(from) <= 200_000 && 200_000 < Number(to);
  });
  const chunk = 65_552;
  for (const length of [1, 2, 3, 4, 5].map((count) => 200 + 16 + count * chunk)) {
    await assert.rejects(opened(stored.subarray(0, length)), { code: "INTEGRITY" });
  }
});

test("intact bytes that do not match the manifest are refused", async () => {
  const [one, other] = [await sealed(rows(3000)), await sealed(rows(3001))];
  await assert.rejects(opened(one.stored, other.facts), { code: "INTEGRITY" });
  await assert.rejects(opened(one.stored, { stored: one.facts.stored, plain: other.facts.plain }), {
    code: "INTEGRITY",
    message: /plain data/,
  });
  const sameSize = { ...one.facts.plain, sha256: other.facts.plain.sha256 };
  await assert.rejects(opened(one.stored, { stored: one.facts.stored, plain: sameSize }), {
    code: "INTEGRITY",
    message: /plain data differs/,
  });
});

test("when the plain bytes fail, sealing fails with the same error and never ends", async () => {
  const failure = new LifeboatError("DUMP_FAILED", "pg_dump ended with status 1");
  for (const before of [0, 1000, 3_000_000]) {
    async function* failing(): AsyncGenerator<Uint8Array, void> {
      yield* chunked(rows(before));
      throw failure;
    }
    const { bytes, facts } = seal(failing(), key);
    await assert.rejects(collect(bytes), (error) => error === failure);
    assert.throws(facts, { code: "BUG" });
  }
});

test("when the stored bytes fail, opening fails with the same error", async () => {
  const { stored, facts } = await sealed(randomBytes(500_000));
  const failure = new LifeboatError("STORAGE_TIMEOUT", "the storage did not answer");
  for (const length of [0, 100, 300_000]) {
    async function* failing(): AsyncGenerator<Uint8Array, void> {
      yield* chunked(stored.subarray(0, length));
      throw failure;
    }
    await assert.rejects(collect(unseal(failing(), opener, facts)), (error) => error === failure);
  }
});

test("a signal ends sealing at once, even while the source is silent", async () => {
  const controller = new AbortController();
  async function* silent(): AsyncGenerator<Uint8Array, void> {
    yield rows(1000);
    controller.abort();
    await new Promise(() => {});
  }
  await assert.rejects(collect(seal(silent(), key, { signal: controller.signal }).bytes), { code: "CANCELLED" });
  const reason = new LifeboatError("LEASE_LOST", "another took over");
  await assert.rejects(collect(seal(chunked(rows(10)), key, { signal: AbortSignal.abort(reason) }).bytes), (error) => error === reason);
});

test("a consumer that leaves early closes the source, both ways", async () => {
  const { stored } = await sealed(randomBytes(3_000_000));
  for (const make of [
    (source: AsyncIterable<Uint8Array>) => seal(source, key).bytes,
    (source: AsyncIterable<Uint8Array>) => unseal(source, opener),
  ]) {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    async function* source(): AsyncGenerator<Uint8Array, void> {
      try {
        yield* chunked(stored);
      } finally {
        resolve();
      }
    }
    let seen = 0;
    for await (const _ of make(source())) if (++seen === 2) break;
    await closed;
  }
});

test("a producer may write into its buffer again after two more calls", async () => {
  const plain = rows(4_000_000);
  const ring = [0, 1, 2].map(() => Buffer.alloc(600_000));
  async function* reusing(): AsyncGenerator<Uint8Array, void> {
    for (let at = 0, turn = 0; at < plain.length; at += 600_000, turn++) {
      const part = plain.subarray(at, at + 600_000);
      const buffer = ring[turn % 3] as Buffer;
      buffer.set(part);
      yield buffer.subarray(0, part.length);
    }
  }
  const { bytes } = seal(reusing(), key);
  assert.ok((await opened(await collect(bytes))).equals(plain));
});

test("verifying stored bytes requires no key and reports progress", async () => {
  const { stored, facts } = await sealed(randomBytes(300_000));
  let seen = 0;
  await verifyStored(chunked(stored), facts.stored, (sizeBytes) => {
    seen += sizeBytes;
  });
  assert.equal(seen, stored.length);
});

test("R21 bytes that are already one zstd frame are sealed as is, and open to the frame's content", async () => {
  const plain = rows(3_000_000);
  const frame = zstdCompressSync(plain);
  const { bytes, facts } = sealFrame(chunked(frame), () => factsOf(plain), key);
  assert.throws(facts, { code: "BUG" }, "there are no facts of bytes that have not ended");
  const stored = await collect(bytes);
  assert.deepEqual(facts(), { plain: factsOf(plain), stored: factsOf(stored) });
  assert.ok(stored.length > frame.length && stored.length < frame.length + 1000, "not compressed again");
  assert.ok((await opened(stored, facts())).equals(plain));
});

test("R21 a truncated frame, a frame followed by other bytes, or no frame is never sealed to its end", async () => {
  const frame = zstdCompressSync(rows(300_000));
  for (const wrong of [
    frame.subarray(0, -1),
    Buffer.alloc(0),
    Buffer.concat([frame, frame]),
    Buffer.concat([frame, Buffer.alloc(1)]),
    rows(9000),
  ]) {
    await assert.rejects(collect(sealFrame(chunked(wrong), () => factsOf(wrong), key).bytes), { code: "INTEGRITY" });
  }
});
