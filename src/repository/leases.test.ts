import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { drivenClock, temporaryRepository } from "../../test/support/repository.ts";
import { isLifeboatError } from "../core/errors.ts";
import { putJson } from "./json-object.ts";
import { leaseName } from "./layout.ts";
import { acquireLease, isAbandoned, LEASE_TERM_MS, listLeases, takeOverLease } from "./leases.ts";
import { thisOwner } from "./owner.ts";

const holder = { job: "j1", journal: "jobs/2026/11/21/j1.json", verb: "backup", source: "shop" };

test("a lease is held by one; the second is told who holds it", async (t) => {
  const clock = drivenClock();
  const { storage } = await temporaryRepository(t, clock);
  const lease = await acquireLease(storage, "backup-shop", holder, clock);
  await assert.rejects(acquireLease(storage, "backup-shop", { ...holder, job: "j2" }, clock), (error) => {
    assert.ok(isLifeboatError(error, "LEASE_HELD"));
    assert.match(error.message, /job j1 \(backup by /);
    return true;
  });
  await lease.release();
  const again = await acquireLease(storage, "backup-shop", holder, clock);
  await again.release();
  assert.deepEqual(await listLeases(storage), []);
});

test("of twenty that race for a lease one gets it", async (t) => {
  const clock = drivenClock();
  const { storage } = await temporaryRepository(t, clock);
  const all = await Promise.allSettled(
    Array.from({ length: 20 }, (_, n) => acquireLease(storage, "x", { ...holder, job: `j${n}` }, clock)),
  );
  const won = all.filter((one) => one.status === "fulfilled");
  assert.equal(won.length, 1);
  await won[0]?.value.release();
});

test("a lease taken over is lost to its holder, who can no longer commit", async (t) => {
  const clock = drivenClock();
  const { storage } = await temporaryRepository(t, clock);
  const lease = await acquireLease(storage, "x", holder, clock);
  await lease.assertHeld();
  const [found] = await listLeases(storage);
  assert.ok(found);
  const taken = await Promise.all([takeOverLease(storage, found, clock), takeOverLease(storage, found, clock)]);
  assert.equal(taken.filter((one) => one !== undefined).length, 1, "one of two takes it over");
  await assert.rejects(lease.assertHeld(), (error) => isLifeboatError(error, "LEASE_LOST"));
  assert.ok(lease.lost.aborted);
  await lease.release();
  assert.equal((await listLeases(storage)).length, 1, "a lost lease is not released by who lost it");
});

test("a holder is given up when its process is gone, and not before its term when it lives elsewhere", async (t) => {
  const clock = drivenClock();
  const child = spawn("true");
  const pid = child.pid as number;
  await once(child, "close");
  const record = {
    ...holder,
    acquiredAt: clock.now().toISOString(),
    expiresAt: new Date(clock.now().getTime() + LEASE_TERM_MS).toISOString(),
  };
  assert.ok(isAbandoned({ ...record, owner: { ...thisOwner(), pid, startedTicks: "1" } }, clock.now()), "dead on this machine");
  assert.ok(!isAbandoned({ ...record, owner: thisOwner() }, clock.now()), "alive");
  const elsewhere = { ...record, owner: { ...thisOwner(), machine: "another", pid } };
  assert.ok(!isAbandoned(elsewhere, clock.now()), "nobody here can tell whether it lives");
  clock.advance(LEASE_TERM_MS + 29_000);
  assert.ok(!isAbandoned(elsewhere, clock.now()), "clocks may differ");
  clock.advance(2_000);
  assert.ok(isAbandoned(elsewhere, clock.now()), "silent for longer than its term");
  await t.test("a pid that was given to another process is not the holder", () => {
    assert.ok(isAbandoned({ ...record, owner: { ...thisOwner(), startedTicks: "1" } }, new Date(record.acquiredAt)));
  });
});

test("a lease that vanished from the storage is lost", async (t) => {
  const clock = drivenClock();
  const { storage } = await temporaryRepository(t, clock);
  const lease = await acquireLease(storage, "x", holder, clock);
  await storage.delete(leaseName("x"));
  await assert.rejects(lease.assertHeld(), (error) => isLifeboatError(error, "LEASE_LOST"));
  await putJson(storage, leaseName("x"), {});
  await lease.release();
  assert.ok(await storage.head(leaseName("x")));
});
