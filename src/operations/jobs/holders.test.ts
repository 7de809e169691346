import assert from "node:assert/strict";
import { test } from "node:test";
import { drivenClock, temporaryRepository } from "../../../test/support/repository.ts";
import { acquireLease } from "../../repository/leases.ts";
import type { Context } from "../context.ts";
import { holdersOf, reasonsOf } from "./holders.ts";

test("R36 a look at many sources that takes longer than clocks may differ does not report them as apart", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  const holders = await holdersOf({ repository, clock } as unknown as Context);
  clock.advance(120_000);
  assert.deepEqual(reasonsOf(holders, "shop", ["shop"]), []);
  const ahead = { ...holders, at: new Date(holders.at.getTime() + 120_000) };
  assert.deepEqual(
    reasonsOf(ahead, "shop", ["shop"]).map(({ code }) => code),
    ["CLOCK_OFF"],
  );
});

test("R36 a job that ends while the leases are read is not a job that died", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  const { storage } = repository;
  const holder = { job: "j1", journal: "jobs/2026/11/21/j1.json", verb: "backup", source: "shop" };
  const of = (changed: Partial<typeof storage>) => ({ repository: { ...repository, storage: { ...storage, ...changed } }, clock });
  const holdersNow = async (changed: Partial<typeof storage> = {}) => (await holdersOf(of(changed) as unknown as Context)).holders;

  const first = await acquireLease(repository, "backup-shop", holder, clock);
  const get: typeof storage.get = async function* (name, options) {
    yield* storage.get(name, options);
    await first.release();
  };
  assert.deepEqual(await holdersNow({ get }), [], "it ends right after its lease was read");

  let during: Awaited<ReturnType<typeof holdersNow>> = [];
  const remove: typeof storage.delete = async (name, options) => {
    during = await holdersNow();
    await storage.delete(name, options);
  };
  const second = await acquireLease(of({ delete: remove }).repository, "backup-shop", holder, clock);
  await second.release();
  assert.deepEqual(
    during.map(({ record, abandoned }) => [record.job, abandoned]),
    [["j1", false]],
    "its lease is being deleted",
  );
});
