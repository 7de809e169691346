// Point in time for MongoDB through the program: a backup, the archived oplog, and any instant between brought back.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { statusOf, until } from "../support/archive.ts";
import { fingerprintOf } from "../support/mongo-fingerprint.ts";
import type { Moment, MongoWorld } from "../support/mongo-world.ts";
import { mongoWorld, written } from "../support/oplog.ts";
import { beginWorld, type World } from "../support/program.ts";

async function beginProtected(t: TestContext, scratch?: string): Promise<{ readonly source: MongoWorld; readonly world: World }> {
  const source = await mongoWorld(t, { noopEveryMs: 500 });
  await written(source, 20);
  const world = await beginWorld(t, {
    sources: {},
    mongo: { shop: { url: source.url("shop"), scratch } },
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

test("R28 a restore between two backups holds exactly the data of its instant; evidence names the route", async (t) => {
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

  // Started again, it continues right after the stored log.
  const again = world.start("archive", "shop");
  const later = (await written(source, 10)).at(-1);
  assert.ok(later);
  await reaches(world, later.wall);
  again.kill("SIGTERM");
  await again.ended;
  const { reasons, window } = await statusOf(world);
  assert.deepEqual(
    reasons.filter(({ code }: { code: string }) => /LOG|WINDOW|BASE/.test(code)),
    [],
  );
  assert.ok(window.earliest < last.wall.toISOString());
  await world.assertNothingLeft();
});

test("R28 a backup and the log after it: chosen collections alone, and a load that fails", async (t) => {
  const elsewhere = await mongoWorld(t);
  const { source, world } = await beginProtected(t, elsewhere.url());
  await source.db().collection("written").createIndex({ n: 1 });
  const backedUp = await source.db().collection("written").countDocuments();
  await world.expect(0, "backup", "shop");
  const archiving = world.start("archive", "shop");
  const born = source.db().collection<{ _id: number; n: number }>("born later");
  await born.createIndex({ n: 1 });
  await born.insertMany([1, 2, 3].map((n) => ({ _id: n, n })));
  const last = (await written(source, 5)).at(-1);
  assert.ok(last);
  await reaches(world, last.wall);
  archiving.kill("SIGTERM");
  await archiving.ended;
  const fingerprints = await fingerprintOf(source.db());

  await t.test("R28 a collection that came about after the backup is restored alone; one that never was is named", async () => {
    const chosen = (tables: string, into: string) => ["restore", "shop", "--tables", tables, "--into", into, "--json"];
    const alone = (await world.expect(0, ...chosen("born later", "alone"))).json();
    assert.equal(alone.verdict, "pass");
    assert.deepEqual({ ...(await fingerprintOf(source.db("alone"))) }, { "born later": fingerprints["born later"] });
    const unknown = await world.run(...chosen("born latre", "none"));
    assert.equal(unknown.code, "TABLE_UNKNOWN");
    assert.match(unknown.message ?? "", /neither the backup nor the log/);
    assert.deepEqual(await source.db("none").collections(), []);
  });

  await t.test("R28 a restore to an instant whose load failed claims no replay, instant or loss, nor takes the name", async () => {
    const asWanted = ["--to", last.wall.toISOString(), "--json"];
    for (const [server, args] of [
      [source, ["restore", "shop", "--into", "wanted", ...asWanted]],
      [elsewhere, ["drill", "shop", ...asWanted]],
    ] as const) {
      server.sandbox.faults.next({ command: "createIndexes", times: 9, effect: { kind: "error", code: 67 } });
      const result = (await world.expect(1, ...args)).json();
      const found = result.drills?.[0] ?? result;
      server.sandbox.faults.clear();
      assert.equal(found.verdict, "fail");
      assert.equal(found.achieved.rpoSeconds, null);
      assert.notEqual(found.point.snapshotAt, last.wall.toISOString());
      const told = JSON.stringify(found);
      assert.match(told, /the log was not replayed/);
      assert.doesNotMatch(told, /replayed to|"name":"replay"/);
      if (args[0] === "drill") continue;
      assert.match(told, /wanted was not made/);
      const { databases } = await source.client.db("admin").command({ listDatabases: 1, nameOnly: true });
      const names: string[] = databases.map(({ name }: { name: string }) => name);
      assert.ok(!names.includes("wanted") && names.includes(`lifeboat_${found.job}`), names.join());
      assert.equal(await source.db(`lifeboat_${found.job}`).collection("written").countDocuments(), backedUp);
    }
  });
  await world.assertNothingLeft();
});
