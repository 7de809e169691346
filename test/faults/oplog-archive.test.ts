// Missing, damaged and expired segments of an archived oplog.
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
const _distinct = (moments: readonly Moment[]): Moment[] =>
  moments.filter(({ wall }, index) => moments[index + 1]?.wall.getTime() !== wall.getTime());

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

test("R28 expire deletes log that no window requires, keeps manual backups, and the rest is reachable", async (t) => {
  const source = await mongoWorld(t, { noopEveryMs: 500 });
  await written(source, 20);
  const world = await beginWorld(t, {
    sources: {},
    mongo: { shop: { url: source.url("shop") } },
    source: "policy: pitr, objectives: { rpo: 10s }, archive: { partialEvery: 1s }",
    yaml: "policies: { pitr: { window: 1s } }\n",
  });
  await world.expect(0, "backup", "shop");
  const archiving = world.start("archive", "shop");
  await until("three segments are stored", async () => {
    await written(source, 5);
    return existsSync(join(world.repository, "sources/shop/log")) && segmentFiles(world).length >= 3;
  });
  await world.expect(0, "backup", "shop");
  const moments = await written(source, 20);
  const last = moments.at(-1);
  assert.ok(last);
  await reaches(world, new Date(last.wall.getTime() + 1500));
  archiving.kill("SIGTERM");
  await archiving.ended;
  const before = segmentFiles(world).length;
  const [expired] = (await world.expect(0, "expire", "shop", "--json")).json().sources;
  assert.ok(expired.log.removedSegments > 0, JSON.stringify(expired.log));
  assert.equal(expired.remove.length, 0);
  assert.ok(segmentFiles(world).length < before);
  const evidence = (await world.expect(0, "restore", "shop", "--to", last.wall.toISOString(), "--into", "kept", "--json")).json();
  assert.equal(evidence.verdict, "pass");
  assert.deepEqual(await fingerprintOf(source.db("kept")), await last.fingerprint());
});
