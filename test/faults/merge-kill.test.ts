// kill -9 in the middle of merges, of tables being replaced, and of undos: the connection stops at a chosen statement, and the program is
// killed there. Nothing or all of it happened, the undo set is whole or gone, and an undo works afterwards.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { partsOf } from "../../src/engines/postgres/connect/url.ts";
import { mongoWorld } from "../support/oplog.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type Running, type World } from "../support/program.ts";
import { type Silence, statementGate } from "../support/statement-gate.ts";

const skip = skipWithoutPostgres();

/** Waits until it happened; false when the command ended before. */
async function happened(running: Running, isHit: () => boolean): Promise<boolean> {
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  while (!over && !isHit()) await sleep(5);
  return !over;
}

/** The commit of the transaction that changes rows: the first one after the undo set was stored. */
function commitOfMerge(): Pick<RegExp, "test"> {
  let isStored = false;
  return {
    test(sql) {
      isStored ||= /^copy \(select w\.want/i.test(sql);
      return isStored && /^commit/i.test(sql);
    },
  };
}

/** The newest job of that verb. */
async function newest(world: World, verb: string): Promise<string> {
  const { jobs } = (await world.expect(0, "jobs", "--json")).json();
  return jobs.filter((job: { verb: string }) => job.verb === verb)[0].id;
}

/** Every undo set has its record, and every record its set. */
function assertWholeSets({ repository }: World): void {
  const folder = join(repository, "sources/shop/undo");
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const jobs = new Set(names.map((name) => name.split(".")[0] ?? ""));
  for (const job of jobs) assert.ok(names.includes(`${job}.json`) && names.includes(`${job}.zst.age`), names.join());
}

test("R10 R22 kill -9 during a merge, a replacement or an undo in PostgreSQL leaves nothing half done", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table t (id int primary key, what text); insert into t select i, 'row ' || i from generate_series(1, 50) i");
  const gate = await statementGate(shop);
  t.after(() => gate.close());
  const world = await beginWorld(t, { sources: { shop: gate.connection } });
  await world.expect(0, "backup", "shop");
  const state = async () =>
    (
      await query(
        shop,
        "select json_agg(t order by id) as rows, pg_get_constraintdef(c.oid) as key from t, pg_constraint c where c.conrelid = 't'::regclass group by c.oid",
      )
    )[0];
  const wanted = await state();
  await query(shop, "delete from t where id > 40; update t set what = 'changed' where id < 5");
  const before = await state();

  const killed = async (args: readonly string[], from: Pick<RegExp, "test">, n: number, silence: Silence): Promise<string> => {
    const planned = gate.fallSilent(from, n, silence);
    const running = world.start(...args);
    const isHit = await happened(running, () => planned.hit() !== undefined);
    if (!isHit) assert.fail(`it ended before it came so far: ${(await running.ended).stderr}`);
    await sleep(silence === "stallAfter" ? 300 : 0); // the server does it, and only the answer is missing
    running.kill("SIGKILL");
    await running.ended;
    gate.open();
    return String(planned.hit());
  };
  const assertReleased = async (): Promise<void> => {
    for (let left: unknown[] = [0]; left.length > 0; await sleep(20))
      left = await query(
        shop,
        "select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'",
      );
    const [row] = await query(
      shop,
      `select (select count(*)::int from pg_class where relname ~ '^lifeboat') as tables, (select count(*)::int from pg_namespace where nspname ~ '^lifeboat') as schemas,
         (select count(*)::int from pg_roles where rolname ~ '^lifeboat_load') as roles, (select count(*)::int from pg_locks where relation = 't'::regclass) as locks`,
    );
    assert.deepEqual(row, { tables: 0, schemas: 0, roles: 0, locks: 0 });
    assertWholeSets(world);
  };
  const merge = ["restore", "shop", "--tables", "t", "--merge", "--yes", "shop"];
  const place = ["--into", partsOf(shop).database, "--yes", "shop"];

  await t.test("R10 while the undo set is stored: nothing is changed, and none of it stays", async () => {
    await killed(merge, /^copy \(select w\.want/i, 1, "stallBefore");
    await world.expect(0, "jobs", "recover");
    assert.deepEqual(await state(), before);
    await assertReleased();
    assert.equal((await world.run("undo", await newest(world, "restore"), "--yes", "shop")).code, "JOB_UNKNOWN");
  });

  await t.test("R10 at the commit, before and after: the undo says which, and takes it back", async () => {
    await killed(merge, commitOfMerge(), 1, "stallBefore");
    assert.match((await world.expect(0, "jobs", "recover")).stdout, /lifeboat undo \w+ --yes shop` takes that back/);
    assert.deepEqual(await state(), before);
    await assertReleased();
    assert.match((await world.expect(0, "undo", await newest(world, "restore"), "--yes", "shop")).stdout, /^nothing was changed/);
    await killed(merge, commitOfMerge(), 1, "stallAfter");
    assert.deepEqual(await state(), wanted);
    const job = await newest(world, "restore");
    await killed(["undo", job, "--yes", "shop"], commitOfMerge(), 1, "stallBefore");
    assert.deepEqual(await state(), wanted);
    await world.expect(0, "undo", job, "--yes", "shop");
    assert.deepEqual(await state(), before);
    await assertReleased();
  });

  await t.test("R22 after rows were replaced, before that was recorded: the undo asks, and brings them back", async () => {
    const hit = await killed(["restore", "shop", "--data-only", "--tables", "t", "--replace", ...place], /^truncate/i, 4, "stallBefore");
    assert.doesNotMatch(hit, /^(?:truncate|copy|commit)/i);
    await world.expect(0, "jobs", "recover");
    assert.deepEqual(await state(), wanted);
    await assertReleased();
    const job = await newest(world, "restore");
    const refused = await world.run("undo", job, "--yes", "shop");
    assert.match(refused.stderr, /ended before it recorded how it left the tables[\s\S]*--overwrite-changed/);
    await world.expect(0, "undo", job, "--overwrite-changed", "--yes", "shop");
    assert.deepEqual(await state(), before);
    await assertReleased();
  });
  await world.assertNothingLeft();
});

test("R10 kill -9 between two batches of a MongoDB merge is told, and undo or the same merge completes it", async (t) => {
  const [source, scratch] = await Promise.all([mongoWorld(t), mongoWorld(t)]);
  const users = source.db("shop").collection<{ _id: number; n: number }>("users");
  await users.insertMany(Array.from({ length: 500 }, (_none, _id) => ({ _id, n: 1 })));
  const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: source.url("shop"), scratch: scratch.url("scratch") } } });
  const { id } = (await world.expect(0, "backup", "shop", "--json")).json().made[0];
  await users.updateMany({}, { $set: { n: 2 } });
  const counts = async () => [await users.countDocuments({ n: 1 }), await users.countDocuments({ n: 2 })];
  const merge = ["restore", "shop", "--to", id, "--merge", "--tables", "users", "--yes", "shop"];
  const killedAfter = async (args: readonly string[], batches: number): Promise<void> => {
    const silence = source.sandbox.faults.next({ command: "commitTransaction", skip: batches - 1, effect: { kind: "stallAfter" } });
    const running = world.start(...args);
    const early = await Promise.race([silence.firstHit, running.ended]);
    assert.equal(early, undefined, JSON.stringify(early));
    running.kill("SIGKILL");
    await running.ended;
    source.sandbox.faults.clear();
  };
  await killedAfter(merge, 2);
  assert.deepEqual(await counts(), [400, 100]);
  const told = await world.expect(0, "jobs", "recover");
  assert.match(told.stdout, /may have changed shop, in whole or in part; next: `lifeboat undo \w+ --yes shop` takes that back/);
  const job = await newest(world, "restore");
  await killedAfter(["undo", job, "--yes", "shop"], 1);
  assert.deepEqual(await counts(), [200, 300]);
  await world.expect(0, "undo", job, "--yes", "shop");
  assert.deepEqual(await counts(), [0, 500]);
  await killedAfter(merge, 1);
  await world.expect(0, ...merge);
  assert.deepEqual(await counts(), [500, 0], "the same merge completes what a dead one began");
  assertWholeSets(world);
  await world.assertNothingLeft();
});
