// What the S3 storage does with the features of S3: classes, thaw, lock, encryption, parts, checksums; and after a kill.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { MAX_OBJECT_BYTES, MAX_PARTS, PART_SIZES, partSizeAt, peakMemoryBytes, scheduleBytes } from "../../src/storage/s3/parts.ts";
import { hasCode, text } from "../contract/storage-facts.ts";
import { bytesOf, collect, digestOf, generatedBytes } from "../support/bytes.ts";
import type { S3EmulatorOptions } from "../support/s3/emulator.ts";
import { startSandboxedS3 } from "../support/s3-sandbox.ts";

const MiB = 1024 ** 2;
const KEY = "test/prefix/x";

async function start(t: TestContext, options: S3EmulatorOptions = {}) {
  const place = await startSandboxedS3(options);
  t.after(() => place.stop());
  return { ...place, faults: place.sandbox.faults, store: place.sandbox.store };
}

test("R20 part sizes grow so that 5 TiB fit into 10 000 parts within 40 MiB of memory", () => {
  const parts = PART_SIZES.reduce((sum, { count }) => sum + count, 0);
  assert.equal(parts, MAX_PARTS);
  assert.ok(scheduleBytes(PART_SIZES) >= MAX_OBJECT_BYTES);
  assert.ok(peakMemoryBytes(PART_SIZES, 8 * MiB, 3) <= 40 * MiB);
  assert.equal(partSizeAt(1, PART_SIZES), 8 * MiB);
  assert.equal(partSizeAt(1000, PART_SIZES), 8 * MiB);
  assert.equal(partSizeAt(1001, PART_SIZES), 32 * MiB);
  assert.equal(partSizeAt(MAX_PARTS, PART_SIZES), 1024 * MiB);
  assert.equal(partSizeAt(MAX_PARTS + 1, PART_SIZES), 0);
  for (const { sizeBytes } of PART_SIZES) assert.ok(sizeBytes >= 5 * MiB && sizeBytes <= 5 * 1024 * MiB, "S3's limits of a part");
});

test("R20 parts beyond the memory limit go through a spool that leaves no file behind", async (t) => {
  const spoolDirectory = await mkdtemp(join(tmpdir(), "lifeboat-spool-"));
  t.after(() => rm(spoolDirectory, { recursive: true }));
  const { open, store } = await start(t);
  async function* watched() {
    for await (const chunk of generatedBytes(17 * MiB)) {
      assert.deepEqual(await readdir(spoolDirectory), [], "a spooled part has no name, not even while it is used");
      yield chunk;
    }
  }
  await open({ spoolDirectory }).put("x", watched());
  assert.deepEqual(
    store.get(KEY).pieces.map((piece) => piece.sizeBytes / MiB),
    [1, 1, 2, 2, 5, 5, 1],
  );
  assert.deepEqual(await digestOf(open().get("x")), await digestOf(generatedBytes(17 * MiB)));
  await assert.rejects(open({ spoolDirectory: join(spoolDirectory, "none") }).put("y", generatedBytes(9 * MiB)), hasCode("STORAGE_FAILED"));
});

test("a body larger than the schedule is refused and leaves nothing", async (t) => {
  const { open, store } = await start(t);
  const storage = open({ partSizes: [{ sizeBytes: MiB, count: 3 }] });
  await storage.put("fits", generatedBytes(3 * MiB));
  await assert.rejects(storage.put("x", generatedBytes(3 * MiB + 1)), hasCode("STORAGE_REFUSED"));
  assert.deepEqual([...store.objects.keys()], ["test/prefix/fits"]);
  assert.equal(store.uploads.size, 0);
});

test("R20 objects carry the storage class and the encryption that was asked for", async (t) => {
  const { open, store } = await start(t);
  await open({ serverSideEncryption: "aws:kms", kmsKeyId: "key-1", storageClass: "STANDARD_IA" }).put("x", text("x"));
  assert.deepEqual(store.get(KEY).encryption, { algorithm: "aws:kms", keyId: "key-1" });
  assert.equal(store.get(KEY).storageClass, "STANDARD_IA");
  const info = await open({ serverSideEncryption: "AES256" }).put("x", generatedBytes(9 * MiB), { storageClass: "GLACIER_IR" });
  assert.equal(store.get(KEY).encryption?.algorithm, "AES256");
  assert.equal(info.storageClass, "GLACIER_IR");
  assert.equal((await collect(open().list("x")))[0]?.storageClass, "GLACIER_IR");
  await assert.rejects(open().put("x", text("x"), { storageClass: "LUKEWARM" }), hasCode("STORAGE_REFUSED"));
});

test("R24 an archived object is refused until restored from archive, and a second request is not an error", async (t) => {
  let now = Date.now();
  const { open } = await start(t, { clock: () => now, thawMs: 60_000 });
  const storage = open();
  for (const storageClass of storage.capabilities.archivedClasses) {
    await storage.put("x", text("cold"), { storageClass });
    await assert.rejects(bytesOf(storage.get("x")), hasCode("OBJECT_ARCHIVED"));
    assert.equal(await storage.thaw("x", 2), "thawing");
    assert.equal(await storage.thaw("x", 2), "thawing");
    await assert.rejects(bytesOf(storage.get("x")), hasCode("OBJECT_ARCHIVED"));
    now += 61_000;
    assert.equal(await storage.thaw("x", 2), "ready");
    assert.equal((await bytesOf(storage.get("x"))).toString(), "cold");
    now += 3 * 86_400_000;
    await storage.put("x", text("warm again"));
  }
});

test("R24 an object moves to another class with its bytes, also one too large for a single copy", async (t) => {
  const { open, store } = await start(t, { maxCopyBytes: 4 * MiB });
  const storage = open({ maxCopyBytes: 4 * MiB, serverSideEncryption: "AES256" });
  for (const [name, size] of [["small", 1000] as const, ["large", 9 * MiB] as const]) {
    await storage.put(name, generatedBytes(size));
    await storage.setStorageClass(name, "STANDARD_IA");
    assert.equal((await storage.head(name))?.storageClass, "STANDARD_IA");
    assert.equal(store.get(`test/prefix/${name}`).encryption?.algorithm, "AES256");
    assert.deepEqual(await digestOf(storage.get(name)), await digestOf(generatedBytes(size)));
    await storage.setStorageClass(name, "GLACIER");
    await assert.rejects(storage.setStorageClass(name, "STANDARD"), hasCode("OBJECT_ARCHIVED"));
  }
  assert.equal(store.uploads.size, 0);
  await assert.rejects(storage.setStorageClass("missing", "GLACIER"), hasCode("OBJECT_MISSING"));
});

test("R20 a locked object can be neither removed nor replaced before its time", async (t) => {
  let now = Date.now();
  const { open, sandbox } = await start(t, { clock: () => now });
  const storage = open({ objectLock: { mode: "COMPLIANCE" } });
  const lockUntil = new Date(now + 3000);
  await storage.put("x", text("locked"), { lockUntil });
  await storage.put("large", generatedBytes(9 * MiB), { lockUntil });
  for (const name of ["x", "large"]) {
    await assert.rejects(storage.delete(name), hasCode("STORAGE_REFUSED"));
    await assert.rejects(open().delete(name), hasCode("STORAGE_REFUSED"), "also where the adapter does not know of the lock");
    await assert.rejects(storage.put(name, text("other")), /lock/i);
  }
  assert.equal((await bytesOf(storage.get("x"))).toString(), "locked");
  now += 4000;
  await open().delete("x");
  assert.ok(!sandbox.store.objects.has(KEY));
});

test("a killed upload leaves no object, and sweep removes its remains once they are old", async (t) => {
  const { open, sandbox, store } = await start(t);
  const child = spawn(process.execPath, [fileURLToPath(new URL("../support/endless-put.ts", import.meta.url))], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const { endpoint, bucket, accessKeyId, secretAccessKey } = sandbox;
  child.stdin.end(JSON.stringify({ kind: "s3", bucket, endpoint, accessKeyId, secretAccessKey }));
  while ([...store.uploads.values()].every((upload) => upload.parts.size < 2)) await new Promise((resolve) => setTimeout(resolve, 10));
  child.kill("SIGKILL");
  await once(child, "exit");
  const storage = open({ prefix: "" });
  assert.equal(await storage.head("endless"), undefined);
  assert.equal(await storage.sweep("", new Date(Date.now() - 60_000)), 0, "what is young may still be alive");
  assert.equal(await storage.sweep("other", new Date(Date.now() + 60_000)), 0);
  assert.equal(await storage.sweep("", new Date(Date.now() + 60_000)), 1);
  assert.equal(store.uploads.size, 0);
});

test("R20 the emulator accepts and verifies the SDK's streaming uploads with checksum trailers", async (t) => {
  const { sandbox, store } = await start(t);
  const { endpoint, bucket, region, accessKeyId, secretAccessKey } = sandbox;
  const silent = (): void => undefined;
  const logger = { debug: silent, info: silent, warn: silent, error: silent };
  const client = new S3Client({
    logger,
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
  });
  t.after(() => client.destroy());
  const bytes = await bytesOf(generatedBytes(300_000));
  for (const algorithm of ["CRC32", "SHA256", "CRC32C", "CRC64NVME"] as const) {
    const Body = Readable.from([bytes.subarray(0, 100_000), bytes.subarray(100_000)]);
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: "k", Body, ContentLength: bytes.length, ChecksumAlgorithm: algorithm }));
    assert.deepEqual(Object.keys(store.get("k").checksums), [algorithm.toLowerCase()]);
    assert.ok((await bytesOf(store.read(store.get("k"), 0, bytes.length))).equals(bytes));
  }
  const wrong = new PutObjectCommand({ Bucket: bucket, Key: "k2", Body: bytes, ChecksumCRC32: "AAAAAA==" });
  await assert.rejects(client.send(wrong), /did not match/);
  assert.ok(!store.objects.has("k2"));
});

test("a sandbox with a directory of its own still has its objects after a restart", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "lifeboat-sandbox-"));
  t.after(() => rm(directory, { recursive: true }));
  const first = await startSandboxedS3({ directory });
  await first.open().put("x", generatedBytes(9 * MiB), { storageClass: "GLACIER_IR" });
  await first.stop();
  const { open } = await start(t, { directory });
  assert.equal((await open().head("x"))?.storageClass, "GLACIER_IR");
  assert.deepEqual(await digestOf(open().get("x")), await digestOf(generatedBytes(9 * MiB)));
});

test("R56 the bucket's clock is read from its answers, and a local clock that is hours off does not matter", async () => {
  const aheadMs = 5 * 3_600_000;
  await using server = await startSandboxedS3({ clock: () => Date.now() + aheadMs });
  const storage = server.open();
  const { modifiedAt } = await storage.put("x", new Uint8Array(1));
  const now = await storage.now();
  for (const at of [modifiedAt, now]) assert.ok(Math.abs(at.getTime() - Date.now() - aheadMs) < 60_000, at.toISOString());
  assert.ok(Math.abs((await server.open().now()).getTime() - Date.now() - aheadMs) < 60_000, "asked for nothing else before");
});
