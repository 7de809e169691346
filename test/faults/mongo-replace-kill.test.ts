// kill -9 at every command of the last step of `restore --replace` of a MongoDB database: the server has done the Nth change and is
// silent, and the program is killed.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Document } from "mongodb";
import { MARK_COLLECTION } from "../../src/engines/mongodb/scope.ts";
import { fingerprintOf } from "../support/mongo-fingerprint.ts";
import type { MongoWorld } from "../support/mongo-world.ts";
import { mongoWorld } from "../support/oplog.ts";
import { beginWorld, type World } from "../support/program.ts";

const CHANGES = /^(?:update|renameCollection|create|createIndexes|insert|drop|dropDatabase)$/;

interface Place {
  readonly world: World;
  readonly source: MongoWorld;
}

async function begin(t: TestContext): Promise<Place> {
  const source = await mongoWorld(t);
  const shop = source.db();
  await shop.collection("users").insertMany([{ n: 1 }, { n: 2 }]);
  await shop.collection("users").createIndex({ n: 1 });
  await shop.createCollection("weather", { timeseries: { timeField: "at" } });
  await shop.collection("weather").insertOne({ at: new Date(0), celsius: 20 });
  await shop.createCollection("first users", { viewOn: "users", pipeline: [{ $limit: 1 }] });
  const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: source.url("shop") } } });
  await world.expect(0, "backup", "shop");
  return { world, source };
}

async function refill({ source }: Place): Promise<Readonly<Record<string, unknown>>> {
  const copy = source.db("copy");
  await copy.dropDatabase();
  await copy.createCollection("users", { capped: true, size: 4096 });
  await copy.collection("users").insertMany([{ old: 1 }, { old: 2 }, { old: 3 }]);
  await copy.collection<Document>("only old").insertOne({ old: true });
  await copy.createCollection("weather", { timeseries: { timeField: "at" } });
  await copy.collection("weather").insertOne({ at: new Date(0), celsius: -5 });
  await copy.createCollection("old users", { viewOn: "users", pipeline: [] });
  return await fingerprintOf(copy);
}

const databases = async ({ source }: Place): Promise<string[]> =>
  (await source.client.db().admin().listDatabases()).databases
    .map(({ name }) => name)
    .filter((name) => !/^(admin|config|local)$/.test(name));

/** False when the command ended before it came so far. */
async function killedAt({ world, source }: Place, n: number): Promise<boolean> {
  const { faults } = source.sandbox;
  // The replacement begins with the record in the restored database.
  const begins = faults.next({ command: "update", collection: MARK_COLLECTION, effect: { kind: "latency", ms: 100 } });
  const restoring = world.start("restore", "shop", "--into", "copy", "--replace", "--yes", "shop");
  const ended = restoring.ended.then((result) => ({ result }));
  const first = await Promise.race([begins.firstHit, ended]);
  assert.equal(first, undefined, JSON.stringify(first));
  const silence = faults.next({ command: CHANGES, skip: n, effect: { kind: "stallAfter" } });
  const hit = (await Promise.race([silence.firstHit, ended])) === undefined;
  if (hit) restoring.kill("SIGKILL");
  const { result } = await ended;
  faults.clear();
  if (!hit) assert.equal(result.exit, 0, result.stderr);
  return hit;
}

test("R23 kill -9 at every change of a MongoDB replacement leaves the old or the new one, without a loss", async (t) => {
  const place = await begin(t);
  const { world, source } = place;
  const restored = await fingerprintOf(source.db());
  const seen = { undone: 0, done: 0 };
  for (let n = 0; ; n++) {
    const old = await refill(place);
    const hit = await killedAt(place, n);
    const ran = await world.run("jobs", "recover");
    const context = `${n}: ${ran.stdout}${ran.stderr}`;
    const there = (await databases(place)).filter((name) => name !== "shop");
    const [kept] = there.filter((name) => name.startsWith("copy_before_"));
    assert.deepEqual(there, ["copy", ...(kept === undefined ? [] : [kept])], context);
    const now = await fingerprintOf(source.db("copy"));
    if (kept === undefined) {
      assert.deepEqual(now, old, context);
      assert.match(ran.stdout, /the database copy is as it was before the restore/, context);
      seen.undone++;
    } else {
      assert.deepEqual(now, restored, context);
      const { [MARK_COLLECTION]: mark, ...held } = await fingerprintOf(source.db(kept));
      assert.deepEqual([mark?.count, { ...held }], [1, { ...old }], context);
      if (hit)
        assert.match(ran.stdout, new RegExp(`${kept} is what the restore replaced, and it is kept; next: .*lifeboat accept`), context);
      const [last] = (await world.expect(0, "jobs", "--json")).json().jobs.filter(({ verb }: { verb: string }) => verb === "restore");
      assert.equal((await world.expect(2, "accept", last.id, "--json")).code, "CONFIRMATION_NEEDED", context);
      await world.expect(0, "accept", last.id, "--yes", "shop");
      assert.deepEqual((await databases(place)).sort(), ["copy", "shop"], context);
      await world.expect(0, "jobs", "recover");
      seen.done++;
    }
    await world.assertNothingLeft();
    if (!hit) break;
  }
  t.diagnostic(JSON.stringify(seen));
  assert.ok(seen.undone >= 3 && seen.done >= 5, JSON.stringify(seen));
});
