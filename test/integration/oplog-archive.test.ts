// Point in time for MongoDB through the program: a backup, the archived oplog, and any instant between brought back.
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { flipByte, segmentFiles, statusOf, until } from "../support/archive.ts";
import { fingerprintOf } from "../support/mongo-fingerprint.ts";
import type { Moment, MongoWorld } from "../support/mongo-world.ts";
import { mongoWorld, written } from "../support/oplog.ts";
import { beginWorld, type World } from "../support/program.ts";

async function beginProtected(t: TestContext): Promise<{ readonly source: MongoWorld; readonly world: World }> {
  const source = await mongoWorld(t, { noopEveryMs: 500 });
  await written(source, 20);
  const world = await beginWorld(t, {
    sources: {},
    mongo: { shop: { url: source.url("shop") } },
    source: "policy: pitr, objectives: { rpo: 10s }, archive: { partialEvery: 1s }",
    yaml: "policies: { pitr: { window: 7d } }\n",
  });
  return { source, world };
}

/** Waits until the window reaches beyond the instant. */
const reaches = (world: World, at: Date): Promise<unknown> =>
  until(`the window reaches ${at.toISOString()}`, async () => (await statusOf(world)).window?.latest > at.toISOString());

/** Moments after which nothing more happened in the same millisecond. */
const distinct = (moments: readonly Moment[]): Moment[] =>
  moments.filter(({ wall }, index) => moments[index + 1]?.wall.getTime() !== wall.getTime());

test("R28 a restore to an instant between two backups holds exactly what was there, and evidence says how it came about", async (t) => {
  const { source, world } = await beginProtected(t);
  await world.expect(0, "backup", "shop");
  const archiving = world.start("archive", "shop");
  const moments = await written(source, 60);
  const last = moments.at(-1);
  assert.ok(last);
  await reaches(world, last.wall);
  archiving.kill("SIGTERM");
  assert.equal((await archiving.ended).exit, 0);

  const chosen = distinct(moments);
  for (const [number, index] of [3, Math.floor(chosen.length / 2), chosen.length - 1].entries()) {
    const moment = chosen[index];
    assert.ok(moment);
    const name = `restored_${number}`;
    const evidence = (await world.expect(0, "restore", "shop", "--to", moment.wall.toISOString(), "--into", name, "--json")).json();
    assert.equal(evidence.verdict, "pass");
    assert.ok(evidence.checks.some((check: { name: string }) => check.name.startsWith("log replayed to")));
    assert.deepEqual(await fingerprintOf(source.db(name)), await moment.fingerprint());
  }
  const latest = (await world.expect(0, "restore", "shop", "--into", "newest", "--json")).json();
  assert.equal(latest.verdict, "pass");
  assert.deepEqual(await fingerprintOf(source.db("newest")), await last.fingerprint());

  const outside = await world.expect(2, "restore", "shop", "--to", "2020-01-01T00:00:00Z", "--into", "never", "--json");
  assert.equal(outside.code, "RECOVERY_TARGET_OUTSIDE_WINDOW");
  await world.assertNothingLeft();
});

test("R28 a segment that is gone, or damaged, shrinks the window, and nothing is restored across it", async (t) => {
  const { source, world } = await beginProtected(t);
  await world.expect(0, "backup", "shop");
  const archiving = world.start("archive", "shop");
  let last: Moment | undefined;
  await until("five segments are stored", async () => {
    last = (await written(source, 5)).at(-1);
    return existsSync(join(world.repository, "sources/shop/log")) && segmentFiles(world).length >= 5;
  });
  archiving.kill("SIGTERM");
  await archiving.ended;
  const [, , third, fourth] = segmentFiles(world);
  assert.ok(third && fourth && last);
  const whole = (await statusOf(world)).window;

  rmSync(fourth);
  rmSync(fourth.replace(".zst.age", ".json"));
  const shorter = await statusOf(world);
  assert.ok(shorter.window.latest < whole.latest);
  assert.match(JSON.stringify(shorter.reasons), /the log from position .* is missing/);
  const lost = await world.expect(2, "restore", "shop", "--to", last.wall.toISOString(), "--into", "never", "--json");
  assert.equal(lost.code, "RECOVERY_TARGET_OUTSIDE_WINDOW");
  assert.match(lost.message ?? "", /is missing/);

  flipByte(third);
  const id = (await world.expect(0, "list", "shop", "--json")).json().points[0].id;
  const verified = await world.expect(30, "verify", id, "--json");
  assert.match(verified.stdout, /log segment/);
  assert.ok((await statusOf(world)).window.latest < shorter.window.latest);
});
