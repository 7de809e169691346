import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { collect } from "../../test/support/bytes.ts";
import { drivenClock, onClock, temporaryDirectory, temporaryRepository } from "../../test/support/repository.ts";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { ObjectInfo } from "../ports/storage.ts";
import { openLocalStorage } from "../storage/local/local.ts";
import { putJson } from "./json-object.ts";
import { leaseName } from "./layout.ts";
import { isAbandoned, LEASE_TERM_MS, type LeaseRecord, listLeases } from "./lease-files.ts";
import { acquireLease, takeOverLease } from "./leases.ts";
import { openForgetful } from "./memory.ts";
import { thisOwner } from "./owner.ts";
import { generateWriter, parseWriter, trustOf } from "./trust.ts";

const holder = { job: "j1", journal: "jobs/2026/11/21/j1.json", verb: "backup", source: "shop" };

test("a lease has one holder; a second process is told who it is", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  const lease = await acquireLease(repository, "backup-shop", holder, clock);
  await assert.rejects(acquireLease(repository, "backup-shop", { ...holder, job: "j2" }, clock), (error) => {
    assert.ok(isLifeboatError(error, "LEASE_HELD"));
    assert.match(error.message, /job j1 \(backup by /);
    return true;
  });
  await lease.release();
  const again = await acquireLease(repository, "backup-shop", holder, clock);
  await again.release();
  assert.deepEqual((await listLeases(repository)).leases, []);
});

test("of twenty concurrent processes one gets a lease", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  const all = await Promise.allSettled(
    Array.from({ length: 20 }, (_, n) => acquireLease(repository, "x", { ...holder, job: `j${n}` }, clock)),
  );
  const won = all.filter((one) => one.status === "fulfilled");
  assert.equal(won.length, 1);
  await won[0]?.value.release();
});

test("a holder whose lease was taken over can no longer commit", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  const lease = await acquireLease(repository, "x", holder, clock);
  await lease.assertHeld();
  const [found] = (await listLeases(repository)).leases;
  assert.ok(found);
  const taken = await Promise.all([takeOverLease(repository, found, clock), takeOverLease(repository, found, clock)]);
  assert.equal(taken.filter((one) => one !== undefined).length, 1, "one of two processes takes it over");
  await assert.rejects(lease.assertHeld(), (error) => isLifeboatError(error, "LEASE_LOST"));
  assert.ok(lease.lost.aborted);
  await lease.release();
  assert.equal((await listLeases(repository)).leases.length, 1, "a lost lease is not released by its former holder");
  await Promise.all(taken.map((one) => one?.release()));
});

test("a holder counts as gone when its process has ended, and on another machine only after its term", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  const child = spawn("true");
  const pid = child.pid as number;
  await once(child, "close");
  const lease = await acquireLease(repository, "x", holder, clock);
  const [found] = (await listLeases(repository)).leases;
  assert.ok(found);
  const as = (owner: Partial<LeaseRecord["owner"]>) => ({ ...found, record: { ...found.record, owner: { ...thisOwner(), ...owner } } });
  const given = (one: typeof found): boolean => isAbandoned(repository, one, clock.now());
  assert.ok(given(as({ pid, startedTicks: "1" })), "dead on this machine");
  assert.ok(!given(found), "alive");
  const elsewhere = as({ machine: "another", pid });
  assert.ok(!given(elsewhere), "its state is unknown here");
  clock.advance(LEASE_TERM_MS + 29_000);
  assert.ok(!given(elsewhere), "the timestamps of a storage may be coarse");
  clock.advance(2_000);
  assert.ok(given(elsewhere), "not renewed for longer than its term");
  assert.ok(!given(found), "not renewed, and certainly alive");
  await t.test("a pid that was given to another process is not the holder", () => {
    assert.ok(given(as({ startedTicks: "1" })));
  });
  await lease.abandon();
  assert.ok(given(found), "this process no longer renews it");
});

test("R53 a lease taken over after it was listed is that of its new holder, at the instant of its writing", async (t) => {
  const clock = drivenClock();
  const real = await temporaryRepository(t, clock);
  const storage = onClock(real.storage, clock);
  const repository = { ...real, storage };
  const lease = await acquireLease(repository, "x", holder, clock);
  const listed = await collect(storage.list("leases/"));
  const [found] = (await listLeases(repository)).leases;
  clock.advance(45_000);
  const taken = await takeOverLease(repository, found ?? assert.fail(), clock);
  async function* before(): AsyncGenerator<ObjectInfo> {
    yield* listed;
  }
  const late = { ...repository, storage: { ...storage, list: before } };
  const [present] = (await listLeases(late)).leases;
  assert.deepEqual(present?.renewedAt, clock.now());
  assert.notEqual(present.etag, found?.etag);
  await taken?.release();
  assert.deepEqual((await listLeases(late)).leases, [], "one that has ended since is not a lease");
  await lease.release();
});

test("a lease that disappeared from the storage is lost", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  const { storage } = repository;
  const lease = await acquireLease(repository, "x", holder, clock);
  await storage.delete(leaseName("x"));
  await assert.rejects(lease.assertHeld(), (error) => isLifeboatError(error, "LEASE_LOST"));
  await putJson(storage, leaseName("x"), {});
  await lease.release();
  assert.ok(await storage.head(leaseName("x")));
});

/** A lease of another process, which runs until the test ends. The test controls the repository's clocks. */
async function heldElsewhere(t: TestContext) {
  const clock = drivenClock();
  const directory = await temporaryDirectory(t);
  const keyFile = join(await temporaryDirectory(t), "writer.pem");
  const { pem } = generateWriter();
  await writeFile(keyFile, pem);
  const script = fileURLToPath(new URL("../../test/support/hold-lease.ts", import.meta.url));
  const child = spawn(process.execPath, [script, directory, "drill-shop", keyFile], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  const storage = openLocalStorage({ directory });
  t.after(() => storage.close());
  const identity = { format: 1, id: "test", createdAt: "", recipients: [] } as const;
  const repository = { storage, identity, trust: trustOf([], parseWriter(pem, "a test")), memory: openForgetful() };
  return { clock, child, repository };
}

test("R56 a job that certainly runs is never treated as dead, regardless of clocks", async (t) => {
  const { child, repository } = await heldElsewhere(t);
  const [found] = (await listLeases(repository)).leases;
  assert.ok(found);
  for (const at of ["1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z"]) assert.ok(!isAbandoned(repository, found, new Date(at)), at);
  const forged = { ...found, record: { ...found.record, proof: "0".repeat(26) } };
  assert.ok(
    isAbandoned(repository, forged, new Date("2999-01-01T00:00:00Z")),
    "a claim to be alive without this writer's proof does not count",
  );
  assert.ok(!isAbandoned(repository, forged, found.renewedAt), "nor does it prove the opposite");
  child.kill("SIGKILL");
  await once(child, "close");
  assert.ok(isAbandoned(repository, found, found.renewedAt), "and counts as gone as soon as its process ends");
});

test("R56 renewals are measured by the storage's clock, so the expiry in a lease blocks nothing longer", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  const ahead = drivenClock("2999-01-01T00:00:00.000Z");
  const lease = await acquireLease(repository, "backup-shop", { ...holder }, ahead);
  const [found] = (await listLeases(repository)).leases;
  assert.ok(found);
  assert.match(found.record.expiresAt, /^2999/);
  const elsewhere = { ...found, record: { ...found.record, owner: { ...found.record.owner, machine: "another" } } };
  const { at } = await listLeases(repository);
  assert.ok(!isAbandoned(repository, elsewhere, at));
  clock.advance(LEASE_TERM_MS + 31_000);
  assert.ok(isAbandoned(repository, elsewhere, (await listLeases(repository)).at));
  await lease.release();
});

test("R56 a timestamp in the future does not make a lease abandoned", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  const lease = await acquireLease(repository, "backup-shop", holder, clock);
  const [found] = (await listLeases(repository)).leases;
  assert.ok(found);
  const elsewhere = { ...found, record: { ...found.record, owner: { ...found.record.owner, machine: "another" } } };
  assert.ok(!isAbandoned(repository, { ...elsewhere, renewedAt: new Date("2999-01-01T00:00:00Z") }, clock.now()));
  await lease.release();
});

const text = (words: string): Uint8Array => new TextEncoder().encode(words);

/** Files among the leases, and the flaw of each. */
const FOREIGN: readonly (readonly [what: string, bytes: Uint8Array, said: RegExp])[] = [
  ["empty", text(""), /not valid JSON/],
  ["half a file", text('{"job": "j1", "journal'), /not valid JSON/],
  ["an empty object", text("{}"), /job: /],
  ["a list", text("[]"), /not a JSON object/],
  ["too large", Buffer.alloc(1_000_000, " "), /1000000 bytes/],
  ["another job's journal", text(JSON.stringify({ ...holder, journal: "jobs/2026/11/21/j2.json" })), /owner|journal/],
  ["bytes", Buffer.from([0, 255, 254, 10]), /not valid JSON/],
];

test("R56 each file among the leases is read independently; an invalid lease is named and skipped", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  const lease = await acquireLease(repository, "drill-shop-j1", holder, clock);
  for (const [n, [, bytes]] of FOREIGN.entries()) await repository.storage.put(leaseName(`backup-x${n}`), bytes);
  await repository.storage.put("leases/README.txt", text("hello"));
  const { leases, flaws } = await listLeases(repository);
  assert.deepEqual(
    leases.map(({ name }) => name),
    ["drill-shop-j1"],
  );
  assert.deepEqual(
    flaws.map(({ name }) => name),
    ["leases/README.txt", ...FOREIGN.map((_, n) => leaseName(`backup-x${n}`))],
  );
  for (const [n, [what, , said]] of FOREIGN.entries()) {
    const { message } = flaws[n + 1] ?? { message: "" };
    assert.match(message, said, what);
    assert.ok(message.startsWith(leaseName(`backup-x${n}`)), what);
  }
  await lease.release();
});

test("R56 a lease can name only the journal of its own job, in the folder of journals", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  const lease = await acquireLease(repository, "drill-shop-j1", holder, clock);
  const [found] = (await listLeases(repository)).leases;
  for (const journal of [
    "jobs/2026/11/21/j2.json",
    "jobs/2026/11/21/../j1.json",
    "evidence/shop/j1.json",
    "jobs/2026/11/21/j1.json.sig",
    "sources/shop/j1.json",
    "",
  ]) {
    await putJson(repository.storage, leaseName("drill-shop-j1"), { ...found?.record, journal });
    const { leases, flaws } = await listLeases(repository);
    assert.deepEqual([leases.length, flaws.length], [0, 1], journal);
    assert.match(flaws[0]?.message ?? "", /journal/);
  }
  await lease.release();
});

test("R56 a name without a valid lease can be acquired when it was not renewed for a term", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  for (const [, bytes] of FOREIGN) {
    await repository.storage.put(leaseName("backup-shop"), bytes);
    await assert.rejects(acquireLease(repository, "backup-shop", holder, clock), (error) => isLifeboatError(error, "LEASE_HELD"));
    clock.advance(LEASE_TERM_MS + 31_000);
    const lease = await acquireLease(repository, "backup-shop", holder, clock);
    await lease.assertHeld();
    await lease.release();
  }
});

test("R33 where deletion is refused, a lease is marked as ended, and its name can be acquired again", async (t) => {
  const clock = drivenClock();
  const real = await temporaryRepository(t, clock);
  const storage = {
    ...real.storage,
    delete: async (name: string) => {
      throw new LifeboatError("STORAGE_AUTH", `removing ${name}: access denied`);
    },
  };
  const repository = { ...real, storage: onClock(storage, clock) };
  for (let n = 0; n < 3; n++) {
    const lease = await acquireLease(repository, "backup-shop", holder, clock);
    await assert.rejects(acquireLease(repository, "backup-shop", holder, clock), (error) => isLifeboatError(error, "LEASE_HELD"));
    await lease.release();
    const { leases, flaws, leftovers } = await listLeases(repository);
    assert.deepEqual([leases, flaws, leftovers], [[], [], ["leases/backup-shop.json"]]);
  }
});
