// The S3 storage against a server that misbehaves: the outcome is right, or the error is, and nothing is left behind.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { LifeboatError } from "../../src/core/errors.ts";
import { hasCode, text } from "../contract/storage-facts.ts";
import { bytesOf, collect, digestOf, generatedBytes } from "../support/bytes.ts";
import type { S3EmulatorOptions } from "../support/s3/emulator.ts";
import { startSandboxedS3 } from "../support/s3-sandbox.ts";

const MiB = 1024 ** 2;
const SIZE = 12 * MiB;

async function start(t: TestContext, options: S3EmulatorOptions = {}) {
  const place = await startSandboxedS3(options);
  t.after(() => place.stop());
  return { ...place, faults: place.sandbox.faults, store: place.sandbox.store };
}

test("passing trouble (500, 503 SlowDown, 429, broken connections) is waited out, in every kind of request", async (t) => {
  const { open, faults } = await start(t);
  const storage = open();
  const effects = [
    { kind: "status", status: 500, code: "InternalError" },
    { kind: "status", status: 503, code: "SlowDown" },
    { kind: "status", status: 429, code: "TooManyRequests" },
    { kind: "dropBefore" },
  ] as const;
  for (const [index, effect] of effects.entries()) {
    const operations = [
      "PutObject",
      "CreateMultipartUpload",
      "UploadPart",
      "CompleteMultipartUpload",
      "HeadObject",
      "GetObject",
      "ListObjectsV2",
    ] as const;
    for (const operation of operations) faults.next({ operation, effect, times: 2 });
    await storage.put(`small-${index}`, text("small"), { ifAbsent: true });
    await storage.put(`large-${index}`, generatedBytes(SIZE), { ifAbsent: true });
    assert.deepEqual(await digestOf(storage.get(`large-${index}`)), await digestOf(generatedBytes(SIZE)));
    assert.equal((await collect(storage.list(""))).length, (index + 1) * 2);
    for (const operation of ["DeleteObject", "ListMultipartUploads"] as const) faults.next({ operation, effect, times: 2 });
    assert.equal(await storage.sweep("", new Date(Date.now() + 60_000)), 0);
    await storage.delete("nothing");
    faults.clear();
  }
});

test("a conditional write whose answer was lost knows its own object again", async (t) => {
  const { open, faults } = await start(t);
  const storage = open();
  await storage.put("warm-up", text("x"), { ifAbsent: true });
  faults.next({ operation: "PutObject", effect: { kind: "dropAfter" } });
  const small = await storage.put("small", text("mine"), { ifAbsent: true });
  assert.equal((await storage.head("small"))?.etag, small.etag);

  faults.next({ operation: "PutObject", effect: { kind: "dropAfter" } });
  const replaced = await storage.put("small", text("mine again"), { ifMatch: small.etag });
  assert.equal((await bytesOf(storage.get("small"))).toString(), "mine again");
  await assert.rejects(storage.put("small", text("other"), { ifMatch: small.etag }), hasCode("STORAGE_CONFLICT"));
  assert.equal((await storage.head("small"))?.etag, replaced.etag);

  await storage.put("warm-up-large", generatedBytes(SIZE), { ifAbsent: true });
  faults.next({ operation: "CompleteMultipartUpload", effect: { kind: "dropAfter" } });
  const large = await storage.put("large", generatedBytes(SIZE), { ifAbsent: true });
  assert.equal(large.sizeBytes, SIZE);
  assert.deepEqual(await digestOf(storage.get("large")), await digestOf(generatedBytes(SIZE)));
});

test("a lost race stays lost when answers are lost as well", async (t) => {
  const { open, faults } = await start(t);
  const storage = open();
  await storage.put("taken", text("theirs"), { ifAbsent: true });
  faults.next({ operation: "PutObject", effect: { kind: "dropAfter" }, times: 2 });
  await assert.rejects(storage.put("taken", text("mine"), { ifAbsent: true }), hasCode("STORAGE_CONFLICT"));
  assert.equal((await bytesOf(storage.get("taken"))).toString(), "theirs");
});

test("a read whose connection breaks or stalls continues at the byte it reached", async (t) => {
  const { open, faults } = await start(t);
  const storage = open({ requestTimeoutMs: 300 });
  await storage.put("large", generatedBytes(SIZE));
  for (const afterBytes of [0, 1, 100_000, 5 * MiB])
    faults.next({ operation: "GetObject", effect: { kind: "cutAnswer", afterBytes, ending: "drop" } });
  faults.next({ operation: "GetObject", effect: { kind: "cutAnswer", afterBytes: 1000, ending: "stall" } });
  assert.deepEqual(await digestOf(storage.get("large")), await digestOf(generatedBytes(SIZE)));
  faults.next({ operation: "GetObject", effect: { kind: "cutAnswer", afterBytes: 1000, ending: "drop" } });
  const whole = await bytesOf(generatedBytes(SIZE));
  assert.deepEqual(await bytesOf(storage.get("large", { start: 5, end: 2_000_000 })), whole.subarray(5, 2_000_001));
});

test("a read that breaks for good is an error, never short", async (t) => {
  const { open, faults } = await start(t);
  const storage = open();
  await storage.put("large", generatedBytes(SIZE));
  faults.next({ operation: "GetObject", effect: { kind: "cutAnswer", afterBytes: 1000, ending: "drop" } });
  faults.next({ operation: "GetObject", effect: { kind: "dropBefore" }, times: 1000 });
  await assert.rejects(digestOf(storage.get("large")), hasCode("STORAGE_UNREACHABLE"));
});

test("an object replaced while it is read is an error, never a mixture", async (t) => {
  const { open, faults } = await start(t);
  const storage = open();
  await storage.put("large", generatedBytes(SIZE, 1));
  faults.next({ operation: "GetObject", effect: { kind: "cutAnswer", afterBytes: MiB, ending: "drop" } });
  const reading = storage.get("large")[Symbol.asyncIterator]();
  await reading.next();
  await storage.put("large", generatedBytes(SIZE, 2));
  const rest = async (): Promise<void> => {
    for (let next = await reading.next(); !next.done; next = await reading.next());
  };
  await assert.rejects(rest(), hasCode("INTEGRITY"));
});

test("a storage that never answers causes STORAGE_TIMEOUT for every request", async (t) => {
  const { open, faults } = await start(t);
  const storage = open({ requestTimeoutMs: 200 });
  faults.next({ effect: { kind: "stall" }, times: 1000 });
  await assert.rejects(storage.put("small", text("x")), hasCode("STORAGE_TIMEOUT"));
  await assert.rejects(storage.put("large", generatedBytes(SIZE)), hasCode("STORAGE_TIMEOUT"));
  await assert.rejects(bytesOf(storage.get("small")), hasCode("STORAGE_TIMEOUT"));
  await assert.rejects(storage.head("small"), hasCode("STORAGE_TIMEOUT"));
  await assert.rejects(collect(storage.list("")), hasCode("STORAGE_TIMEOUT"));
  await assert.rejects(storage.delete("small"), hasCode("STORAGE_TIMEOUT"));
});

test("an abort reaches a commit that the server never answers, and the caller hears its own reason", async (t) => {
  const { open, faults } = await start(t);
  const storage = open({ requestTimeoutMs: 500 });
  for (const operation of ["PutObject", "CompleteMultipartUpload"] as const) {
    faults.clear();
    faults.next({ operation, effect: { kind: "stall" }, times: 1000 });
    const stop = new AbortController();
    const put = storage.put("x", operation === "PutObject" ? text("x") : generatedBytes(9 * MiB), { signal: stop.signal });
    const before = faults.seen.get(operation) ?? 0;
    const waiting = setInterval(() => {
      if ((faults.seen.get(operation) ?? 0) > before) stop.abort(new LifeboatError("LEASE_LOST", "another process took over"));
    }, 10);
    await assert.rejects(put, hasCode("LEASE_LOST"));
    clearInterval(waiting);
    assert.equal(await storage.head("x"), undefined);
  }
});

test("a part that stalls in the middle of an upload ends it as STORAGE_TIMEOUT and leaves nothing", async (t) => {
  const { open, faults, store } = await start(t);
  const storage = open({ requestTimeoutMs: 300 });
  faults.next({ operation: "UploadPart", effect: { kind: "stall" }, times: 1000 });
  await assert.rejects(storage.put("large", generatedBytes(SIZE)), hasCode("STORAGE_TIMEOUT"));
  assert.equal(store.objects.size + store.uploads.size, 0);
});

test("a storage that fills up is STORAGE_FULL, and nothing is left of the upload", async (t) => {
  const { open, faults, store } = await start(t);
  const storage = open();
  faults.capacityBytes = 8 * MiB;
  await assert.rejects(storage.put("large", generatedBytes(SIZE)), hasCode("STORAGE_FULL"));
  assert.equal(await storage.head("large"), undefined);
  assert.equal(store.uploads.size, 0);
});

test("a part that fails for good stops the body from being drawn further", async (t) => {
  const { open, faults } = await start(t);
  faults.next({ operation: "UploadPart", effect: { kind: "status", status: 403, code: "AccessDenied" }, times: 1000 });
  let ended = false;
  async function* endless() {
    try {
      for (;;) yield* generatedBytes(MiB);
    } finally {
      ended = true;
    }
  }
  await assert.rejects(open().put("large", endless()), hasCode("STORAGE_AUTH"));
  assert.ok(ended);
});

test("a server that knows no conditional writes, or ignores them, is refused rather than trusted", async (t) => {
  for (const mood of ["refuse", "ignore"] as const) {
    const { open, faults, store } = await start(t);
    faults.conditionalWrites = mood;
    const storage = open();
    await storage.put("there", text("theirs"));
    await assert.rejects(storage.put("there", text("mine"), { ifAbsent: true }), hasCode("STORAGE_REFUSED"), mood);
    await assert.rejects(storage.put("there", text("mine"), { ifMatch: "0" }), hasCode("STORAGE_REFUSED"), mood);
    await assert.rejects(storage.put("large", generatedBytes(SIZE), { ifAbsent: true }), hasCode("STORAGE_REFUSED"), mood);
    assert.equal((await bytesOf(storage.get("there"))).toString(), "theirs");
    assert.deepEqual([...store.objects.keys()], ["test/prefix/there"], "the question left nothing behind");
    assert.equal(store.uploads.size, 0);
  }
});

test("R20 a server that refuses the newer checksums is served without them, found out once", async (t) => {
  const refusals = [
    { status: 501, code: "NotImplemented" },
    { status: 400, code: "InvalidRequest" },
    { status: 400, code: "XAmzContentSHA256Mismatch" },
  ];
  for (const refusal of refusals) {
    const { open, faults } = await start(t);
    faults.refuseChecksums = refusal;
    const storage = open();
    await storage.put("large", generatedBytes(SIZE), { ifAbsent: true });
    assert.deepEqual(await digestOf(storage.get("large")), await digestOf(generatedBytes(SIZE)));
    faults.seen.clear();
    await storage.put("small", text("small"));
    assert.equal(faults.seen.get("PutObject"), 1, "the second put no longer tries");
  }
});

test("wrong credentials, a missing bucket and an unreachable server have distinct codes, without secrets", async (t) => {
  const { open, sandbox } = await start(t);
  const secretAccessKey = "hunter2hunter2hunter2";
  const wrongSecret = open({ credentials: { accessKeyId: sandbox.accessKeyId, secretAccessKey } });
  const wrongKey = open({ credentials: { accessKeyId: "AKIAWRONG", secretAccessKey } });
  for (const storage of [wrongSecret, wrongKey]) {
    await assert.rejects(storage.put("x", text("x")), (error: unknown) => {
      const all = JSON.stringify(error, Object.getOwnPropertyNames(error)) + String((error as Error).cause);
      return hasCode("STORAGE_AUTH")(error) && !all.includes(secretAccessKey) && !all.includes("AWS4-HMAC") && !all.includes("AKIAWRONG");
    });
  }
  await assert.rejects(open({ bucket: "elsewhere" }).put("x", text("x")), hasCode("STORAGE_NOT_FOUND"));
  await assert.rejects(open({ bucket: "elsewhere" }).head("x"), hasCode("STORAGE_NOT_FOUND"));
  await assert.rejects(collect(open({ bucket: "elsewhere" }).list("")), hasCode("STORAGE_NOT_FOUND"));
  await assert.rejects(open({ endpoint: "http://127.0.0.1:1" }).put("x", text("x")), hasCode("STORAGE_UNREACHABLE"));
  await assert.rejects(open({ endpoint: "http://nowhere.invalid" }).head("x"), hasCode("STORAGE_UNREACHABLE"));
});
