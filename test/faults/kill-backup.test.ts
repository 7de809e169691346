// kill -9 at the steps of a backup and of verify. At any step, no incomplete restore point is ever listed, and the next
// start cleans everything up.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { atMoments, every, firstOf } from "../support/every.ts";
import { assertOnlyWhole, beginAnew, bucket, killedAt, smallSource, worldOnS3 } from "../support/kill.ts";
import { forget } from "../support/planted.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();

test("kill -9 at any change of a backup leaves no incomplete point, and the next backup cleans up", {
  skip,
}, async (t) => {
  const source = await smallSource();
  const world = await worldOnS3(t, source);
  let committed = 0;
  let steps = 0;
  for (let n = firstOf(4); await killedAt(world, { n }, "backup", "shop", "--hold"); n += every(4)) {
    steps = n;
    const context = `killed at change ${n}`;
    const { leases, backups } = bucket(world.s3);
    const { points } = (await world.expect(0, "list", "--json")).json();
    assert.equal(points.length, backups.some((key) => key.endsWith("manifest.json")) ? 1 : 0, context);
    for (const { id } of points) {
      await world.expect(0, "verify", id);
      committed++;
    }
    const next = await world.expect(0, "backup", "shop");
    if (leases.length > 0 && points.length === 0) assert.match(next.stderr, /cleaned up after job/, context);
    await assertOnlyWhole(world, context);
    beginAnew(world);
  }
  assert.ok(steps >= 10, `only ${steps} steps were killed`);
  assert.ok(committed >= 1, "the kill after the commit was reached too");
  t.diagnostic(`killed at ${steps} requests`);
});

test("kill -9 in a large upload leaves nothing of it after the next start", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    "create extension pgcrypto; create table public.big (v bytea); insert into big select gen_random_bytes(1000) from generate_series(1, 20000)",
  );
  const world = await worldOnS3(t, source);
  for (const operation of ["UploadPart", "CompleteMultipartUpload"] as const) {
    for (const times of operation === "UploadPart" ? [0, 1] : [0]) {
      const { faults } = world.s3;
      const before = faults.seen.get(operation) ?? 0;
      if (times > 0) faults.next({ operation, times, effect: { kind: "latency", ms: 0 } });
      faults.next({ operation, times: Number.POSITIVE_INFINITY, effect: { kind: "stall" } });
      const running = world.start("backup", "shop");
      while ((faults.seen.get(operation) ?? 0) - before <= times) await sleep(5);
      running.kill("SIGKILL");
      await running.ended;
      faults.clear();
      assert.equal(world.s3.store.uploads.size, 1);
      assert.deepEqual((await world.expect(0, "list", "--json")).json().points, []);
      const recovered = (await world.expect(0, "jobs", "recover", "--json")).json();
      assert.deepEqual(
        recovered.recovered.map(({ verb, left }: { verb: string; left: unknown[] }) => [verb, left]),
        [["backup", []]],
      );
      await assertOnlyWhole(world, `${operation} ${times + 1}`);
    }
  }
  await world.expect(0, "backup", "shop");
  await assertOnlyWhole(world, "afterwards");
});

test("kill -9 at any change of verify leaves nothing and marks nothing", { skip }, async (t) => {
  const world = await worldOnS3(t, await smallSource());
  const { id } = (await world.expect(0, "backup", "shop", "--json")).json().made[0];
  const times = await atMoments(4, async (n) => {
    const killed = await killedAt(world, { n }, "verify", id);
    const [point] = (await world.expect(0, "list", "--json")).json().points;
    assert.equal(point.damagedAt, null);
    assert.equal(point.verifiedAt !== null, bucket(world.s3).marks.length > 0, `killed at request ${n}`);
    await world.expect(0, "jobs", "recover");
    await assertOnlyWhole(world, `killed at request ${n}`, true);
    if (point.verifiedAt !== null) {
      world.s3.store.delete(`repo/sources/shop/marks/${id}.json`);
      forget(world); // else it would be missed
    }
    return killed;
  });
  assert.ok(times >= 1, "no verify was killed");
});
