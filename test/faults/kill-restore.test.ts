// kill -9 at the steps of a restore, a drill and expire. At any step, no incomplete restore point is ever listed, and the next
// start cleans everything up.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { atMoments, every, firstOf } from "../support/every.ts";
import { assertOnlyWhole, beginAnew, killedAt, smallSource, worldOnS3 } from "../support/kill.ts";
import { query, sharedCluster, skipWithoutPostgres } from "../support/postgres.ts";
import { OPERATIONS } from "../support/s3/faults.ts";

const skip = skipWithoutPostgres();

const databases = async (): Promise<string[]> =>
  (await query<{ d: string }>((await sharedCluster()).connection("postgres"), "select datname::text as d from pg_database")).map(
    ({ d }) => d,
  );

/** Roles of loads: of none that is over is one left. */
const loaders = async (): Promise<unknown[]> =>
  await query((await sharedCluster()).connection("postgres"), "select rolname from pg_roles where rolname like 'lifeboat%'");

test("R57 kill -9 during a restore leaves no half database, no role and no spool file", { skip }, async (t) => {
  const world = await worldOnS3(t, await smallSource());
  await world.expect(0, "backup", "shop");
  let steps = 0;
  // Of all requests: what a restore changes is the target, between them.
  for (let n = 1 + firstOf(9); await killedAt(world, { n, of: OPERATIONS }, "restore", "shop", "--into", "half"); n += every(9)) {
    steps = n;
    const context = `killed at request ${n}`;
    await world.expect(0, "jobs", "recover");
    const names = await databases();
    assert.deepEqual(
      names.filter((name) => name.startsWith("lifeboat")),
      [],
      context,
    );
    assert.deepEqual(await loaders(), [], context);
    await assertOnlyWhole(world, context, true);
    if (!names.includes("half")) continue;
    const cluster = await sharedCluster();
    assert.deepEqual(await query(cluster.connection("half"), "select count(*)::int as n from public.t"), [{ n: 2000 }], context);
    await query(cluster.connection("postgres"), "drop database half");
  }
  assert.ok(steps >= 10, `only ${steps} steps were killed`);
  assert.ok((await databases()).includes("half"));
  await assertOnlyWhole(world, "afterwards");
});

test("kill -9 at the changes of a drill leaves no cluster and no file", { skip }, async (t) => {
  const world = await worldOnS3(t, await smallSource());
  await world.expect(0, "backup", "shop");
  const times = await atMoments(12, async (n) => {
    const killed = await killedAt(world, { n }, "drill", "shop");
    await world.expect(0, "jobs", "recover");
    await assertOnlyWhole(world, `killed at request ${n}`, true);
    return killed;
  });
  assert.ok(times >= 1, "no drill was killed");
  await assertOnlyWhole(world, "afterwards");
});

test("kill -9 during expire leaves each backup whole or gone, and what must stay stays", { skip }, async (t) => {
  // Kept for a second: the older two expire, the newest never does.
  // The storage's clock is right: by one that is behind, nothing is removed.
  const world = await worldOnS3(t, await smallSource(), "policies:\n  short: { keepManual: 1s }\n", "policy: short", 0);
  let steps = 0;
  for (let n = 1 + firstOf(9); ; n += every(9)) {
    for (const name of ["old-1", "old-2", "new"]) await world.expect(0, "backup", "shop", "--name", name);
    await sleep(1_000);
    const killed = await killedAt(world, { n }, "expire", "shop");
    await world.expect(0, "jobs", "recover");
    await assertOnlyWhole(world, `killed at request ${n}`, true);
    const names = (await world.expect(0, "list", "--json")).json().points.map(({ name }: { name: string }) => name);
    assert.equal(names.at(-1), "new", `killed at request ${n}`);
    if (!killed) {
      assert.deepEqual(names, ["new"]);
      break;
    }
    steps++;
    beginAnew(world);
  }
  assert.ok(steps >= 5, `only ${steps} steps were killed`);
});
