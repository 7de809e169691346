import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { drivenClock, manifestFor, temporaryDirectory, temporaryRepository } from "../../../test/support/repository.ts";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { makeId } from "../../core/ids.ts";
import { silentProgress } from "../../ports/progress.ts";
import type { Storage } from "../../ports/storage.ts";
import { commitManifest, readManifest } from "../../repository/backups.ts";
import { openCatalog } from "../../repository/catalog.ts";
import { Journal } from "../../repository/journal.ts";
import { backupFolderName, partName } from "../../repository/layout.ts";
import { listLeases } from "../../repository/lease-files.ts";
import { acquireLease } from "../../repository/leases.ts";
import { mark } from "../../repository/marks.ts";
import { storeUndoSet } from "../../repository/undo-sets.ts";
import { generateIdentity } from "../../seal/keys.ts";
import type { Context, Source } from "../context.ts";
import { runJob } from "../jobs/job.ts";
import { RESOURCE } from "../jobs/undo.ts";
import { jobsReadOnce } from "../watch/shared.ts";
import { expire, planExpire } from "./expire.ts";
import { expiryWait, isExpiryDue } from "./expiry-due.ts";
import { holdUndo } from "./hold.ts";

const DAY_MS = 86_400_000;
const most = { most: true };
const watch = { signal: new AbortController().signal, progress: silentProgress };

/** Five daily backups made by hand, kept for two days each; the newest is of an hour ago. */
async function fiveBackups(t: TestContext, wrap: (storage: Storage) => Storage = (storage) => storage) {
  const clock = drivenClock();
  const real = await temporaryRepository(t, clock);
  const repository = { ...real, storage: wrap(real.storage) };
  const places: { source: string; folder: string; id: string }[] = [];
  for (let n = 4; n >= 0; n--) {
    const at = new Date(clock.now().getTime() - n * DAY_MS - 3_600_000);
    const id = makeId(at, new Uint8Array([n, n, n, n, n]));
    const place = { source: "shop", folder: backupFolderName(at, "full", id) };
    const instant = at.toISOString();
    for (const part of ["data", "fingerprint"])
      await real.storage.put(partName("shop", place.folder, part), new TextEncoder().encode("rows"));
    await commitManifest(real, place, manifestFor({ id, name: `day-${n}`, snapshotAt: instant }));
    places.push({ ...place, id });
  }
  const state = await temporaryDirectory(t);
  const catalog = openCatalog(repository, state);
  t.after(() => catalog.close());
  const source = { name: "shop", policy: { tiers: [], keepManualMs: 2 * DAY_MS } } as unknown as Source;
  const context = {
    repository,
    catalog,
    clock,
    sources: new Map([["shop", source]]),
    servers: new Map(),
    lifeboat: "0",
  } as unknown as Context;
  const left = async (): Promise<number[]> => {
    const there = await Promise.all(places.map((place) => readManifest(real, place)));
    return there.flatMap((manifest, n) => (manifest === undefined ? [] : [n]));
  };
  return { context, source, storage: real.storage, places, left, clock, state };
}

test("expire removes what the plan names, with all its objects, and nothing else", async (t) => {
  const { context, source, storage, left } = await fiveBackups(t);
  const plan = await planExpire(context, source, watch, most);
  assert.deepEqual(
    plan.remove.map(({ point }) => point.name),
    ["day-4", "day-3", "day-2"],
  );
  assert.deepEqual(await left(), [0, 1, 2, 3, 4], "a plan does nothing");
  await expire(context, source, watch, most);
  assert.deepEqual(await left(), [3, 4]);
  const objects = [];
  for await (const { name } of storage.list("sources/")) objects.push(name);
  const ofBackups = objects.filter((name) => name.includes("/backups/"));
  assert.equal(ofBackups.length, 8, `manifest, its signature, data and fingerprint of two backups: ${objects}`);
});

test("R12 a catalog that was edited does not decide what expires", async (t) => {
  const { context, source, state } = await fiveBackups(t);
  const plan = await planExpire(context, source, watch, most);
  const database = new DatabaseSync(join(state, `catalog-${context.repository.identity.id}.sqlite`));
  const { changes } = database.prepare("update object set json = json_set(json, '$.snapshotAt', '2020-01-01T00:00:00.000Z')").run();
  database.close();
  assert.equal(changes, 5);
  assert.deepEqual(await planExpire(context, source, watch, most), plan);
});

test("a restore point that a job is using, or that is on hold, stays", async (t) => {
  const { context, source, places, left, clock } = await fiveBackups(t);
  const [first, second] = places;
  assert.ok(first && second);
  const lease = await acquireLease(
    context.repository,
    "restore-shop-x",
    { job: "x", journal: "jobs/2026/11/21/x.json", verb: "restore", source: "shop", point: first.id },
    clock,
  );
  await mark(context.repository, "shop", second.id, { hold: { by: "ann", at: clock.now() } });
  const result = await expire(context, source, watch, most);
  assert.deepEqual(
    result.refused.map(({ point }) => point.id),
    [first.id],
  );
  assert.deepEqual(await left(), [0, 1, 3, 4]);
  await lease.release();
  await expire(context, source, watch, most);
  assert.deepEqual(await left(), [1, 3, 4]);
});

test("a removal that the storage refuses leaves the point whole; the clean-up ends one that breaks off", async (t) => {
  let failing = "manifest.json";
  const wrap = (storage: Storage): Storage => ({
    ...storage,
    delete: async (name, options) => {
      if (failing !== "" && name.endsWith(failing)) throw new LifeboatError("STORAGE_REFUSED", `${name} is locked`);
      await storage.delete(name, options);
    },
  });
  const { context, source, left, clock } = await fiveBackups(t, wrap);
  const refused = await expire(context, source, watch, most);
  assert.equal(refused.refused.length, 3);
  assert.deepEqual(await left(), [0, 1, 2, 3, 4]);

  failing = "data.zst.age";
  await assert.rejects(expire(context, source, watch, most), (error) => isLifeboatError(error, "STORAGE_REFUSED"));
  assert.deepEqual(await left(), [1, 2, 3, 4], "it no longer counts as a backup");
  assert.equal((await listLeases(context.repository)).leases.length, 1, "and what is left of it is not forgotten");
  failing = "";
  clock.advance(10 * 60_000);
  await expire(context, source, watch, most);
  const objects = [];
  for await (const { name } of context.repository.storage.list("sources/shop/backups/")) objects.push(name);
  assert.equal(objects.length, 8, `${objects}`);
  assert.deepEqual((await listLeases(context.repository)).leases, []);
});

test("R33 a removal that had not begun when its process died does not begin once the point is on hold", async (t) => {
  for (const held of [true, false]) {
    const { context, places, left, clock } = await fiveBackups(t);
    const [first] = places;
    assert.ok(first);
    const dying = runJob(
      context,
      { verb: "expire", source: "shop", exclusive: true },
      watch,
      async (job) => {
        await job.claim(first.id);
        await job.declare(RESOURCE.removal("shop", first.folder, first.id));
        if (held) await mark(context.repository, "shop", first.id, { hold: { by: "ann", at: clock.now() } });
        throw new LifeboatError("STORAGE_TIMEOUT", "no answer");
      },
      () => ({}),
    );
    await assert.rejects(dying, (error) => isLifeboatError(error, "STORAGE_TIMEOUT"));
    assert.deepEqual(await left(), held ? [0, 1, 2, 3, 4] : [1, 2, 3, 4]);
    assert.deepEqual((await listLeases(context.repository)).leases, []);
  }
});

test("R24 more than half is removed only with `most`; without, nothing is, and the points are named", async (t) => {
  const { context, source, left } = await fiveBackups(t);
  const result = await expire(context, source, watch);
  assert.deepEqual(await left(), [0, 1, 2, 3, 4]);
  assert.deepEqual(
    result.withheld?.map(({ point }) => point.name),
    ["day-4", "day-3", "day-2"],
  );
  assert.match(result.blocked.join(), /3 of 5 restore points would expire at once/);
});

test("R24 nothing is removed while this machine's clock is ahead of the storage's or of the database's", async (t) => {
  for (const other of ["storage", "database"]) {
    const { context, source, left, clock } = await fiveBackups(t);
    const truth = clock.now();
    const told = (): Date => truth;
    const database = other === "database" ? truth : undefined;
    const asked = { ...source, provider: { connection: async () => ({}) }, engine: { inspect: async () => ({ now: database }) } };
    const storage = { ...context.repository.storage, ...(other === "storage" && { now: async () => told() }) };
    const ahead = { ...context, repository: { ...context.repository, storage } };
    assert.equal((await planExpire(ahead, asked as unknown as Source, watch, most)).blocked.length, 0);
    clock.advance(3_600_000);
    const { blocked } = await expire(ahead, asked as unknown as Source, watch, most);
    assert.match(blocked.join(), new RegExp(`this machine's clock says .*, the ${other}'s `));
    assert.deepEqual(await left(), [0, 1, 2, 3, 4]);
  }
});

test("R10 undo sets of merges go 7 days later, and stay as long as they are on hold", async (t) => {
  const { context, source, storage, clock } = await fiveBackups(t);
  const { recipient } = await generateIdentity();
  const key = { recipients: [recipient] };
  const [madeAt, expiresAt] = [clock.now(), new Date(clock.now().getTime() + 7 * DAY_MS)].map((at) => at.toISOString()) as [string, string];
  const bytes = async function* () {
    yield new TextEncoder().encode("rows");
  };
  for (const job of ["aa", "bb"]) {
    const made = { job, source: "shop", verb: "merge", madeAt, expiresAt, target: "shop", content: "changes" } as const;
    await storeUndoSet(context.repository, made, bytes(), key);
  }
  await holdUndo(context, "bb", true, "it is looked at", watch);
  assert.deepEqual((await planExpire(context, source, watch, most)).undoSets.remove, []);
  clock.advance(8 * DAY_MS);
  const { undoSets } = await expire(context, source, watch, most);
  assert.deepEqual([undoSets.keep.map(({ job }) => job), undoSets.remove.map(({ job }) => job)], [["bb"], ["aa"]]);
  const left = [];
  for await (const { name } of storage.list("sources/shop/undo/")) left.push(name);
  assert.ok(left.length === 3 && left.every((name) => name.startsWith("sources/shop/undo/bb.")), left.join());
});

/** The same source with an expiry that is due each day at 02:30, half an hour ago. */
async function scheduled(t: TestContext) {
  const world = await fiveBackups(t);
  const source: Source = { ...world.source, expireCron: "30 2 * * *", policy: { tiers: [], keepManualMs: 3 * DAY_MS } };
  const isDue = () => isExpiryDue(world.context, source, watch);
  const wait = () => expiryWait(world.context, source, jobsReadOnce(world.context, watch.signal));
  const due = async () => expire(world.context, source, watch, { confirm: async () => assert.ok(await isDue()) });
  return { ...world, source, isDue, wait, due };
}

test("R24 an expiry that was blocked is tried again in its slot, once nothing is in its way", async (t) => {
  const { context, source, isDue, wait, due, left, places, clock } = await scheduled(t);
  const newest = places[4];
  assert.ok(newest);
  const find = (change: "damagedAt" | "verifiedAt") => mark(context.repository, source.name, newest.id, { [change]: clock.now() });
  await find("damagedAt");
  assert.equal(await isDue(), true);
  assert.equal(await wait(), undefined);
  const { blocked } = await due();
  assert.match(blocked.join(), /was found damaged/);
  for (const hours of [0, 1, 5, 10]) {
    clock.advance(hours * 3_600_000);
    assert.equal(await isDue(), false, "it is not tried while the obstacle is known to be there");
    assert.deepEqual((await wait())?.reasons, blocked);
  }
  await find("verifiedAt");
  assert.equal(await isDue(), true);
  assert.equal((await due()).remove.length, 2);
  assert.deepEqual(await left(), [2, 3, 4]);
  assert.deepEqual([await isDue(), await wait()], [false, undefined]);
  clock.advance(DAY_MS);
  assert.equal(await isDue(), true, "the next slot is due by itself");
});

test("R24 an expiry whose obstacle is only found by trying is tried again after growing pauses", async (t) => {
  const { context, isDue, wait, due, left, places, clock } = await scheduled(t);
  const record = { job: "x", journal: "jobs/2026/11/21/x.json", verb: "restore", source: "shop", point: places[0]?.id };
  const lease = await acquireLease(context.repository, "restore-shop-x", record, clock);
  const tried: number[] = [];
  for (let minutes = 0; minutes < 120; minutes += 5) {
    if (await isDue()) {
      assert.equal((await due()).refused.length, 1);
      tried.push(minutes);
    }
    clock.advance(5 * 60_000);
  }
  assert.deepEqual(tried, [0, 10, 30, 70]);
  assert.match((await wait())?.reasons.join() ?? "", /is using it/);
  await lease.release();
  clock.advance(60 * 60_000);
  assert.equal((await due()).refused.length, 0);
  assert.deepEqual([await left(), await isDue(), await wait()], [[2, 3, 4], false, undefined]);
});

test("R24 R53 an expiry is done once per slot; one that was killed or cancelled was not done", async (t) => {
  const { context, isDue, clock } = await scheduled(t);
  const end = async (id: string, error?: LifeboatError) => {
    const journal = Journal.prepare(context.repository, clock, { id, verb: "expire", source: "shop", lifeboat: "test" });
    await journal.write();
    assert.equal(await isDue(), false, "one that runs is not begun again");
    await journal.end(error === undefined ? {} : { error });
    clock.advance(1000);
  };
  await end("01zzzzzzzzzzz1", new LifeboatError("CANCELLED", "its process ended before it did"));
  assert.equal(await isDue(), true);
  await end("01zzzzzzzzzzz2", new LifeboatError("STORAGE_FAILED", "the storage does not answer"));
  assert.equal(await isDue(), false);
  clock.advance(600_000);
  assert.equal(await isDue(), true, "what failed is tried again after a pause");
  await end("01zzzzzzzzzzz3");
  assert.equal(await isDue(), false);
  // The clock was an hour ahead, and an expiry was done then.
  clock.advance(DAY_MS + 3_600_000);
  await end("01zzzzzzzzzzz4");
  clock.advance(-3_600_000);
  assert.equal(await isDue(), true, "what has the time of a wrong clock serves no slot before it");
});
