// Dumps that were read while they changed, made one instant by the oplog; and log replayed where a drill, other names or a choice of
// collections ask for it.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Collection } from "mongodb";
import { statusOf, until } from "../support/archive.ts";
import { fingerprintOf } from "../support/mongo-fingerprint.ts";
import { beginMongoWorld, type MongoWorld } from "../support/mongo-world.ts";
import { mongoWorld, written } from "../support/oplog.ts";
import { beginWorld } from "../support/program.ts";

test("R28 a dump from a server without snapshots is of one instant once what changed meanwhile was applied", async (t) => {
  const source = await mongoWorld(t, { snapshotReads: false, noopEveryMs: 200 });
  const bulk = source.db().collection<{ _id: number; n: number; text: string }>("bulk");
  await bulk.insertMany(Array.from({ length: 20_000 }, (_, _id) => ({ _id, n: 0, text: "x".repeat(200) })));
  const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: source.url("shop") } } });
  const backing = world.start("backup", "shop", "--json");
  let running = true;
  const ended = backing.ended.finally(() => (running = false));
  for (let i = 0; running; i++) {
    await bulk.updateOne({ _id: (i * 7919) % 20_000 }, { $inc: { n: 1 } });
    await bulk.insertOne({ _id: 100_000 + i, n: i, text: "new" });
    await bulk.deleteOne({ _id: i * 3 });
  }
  const made = await ended;
  assert.equal(made.exit, 0, made.stderr);
  const { id } = made.json().made[0];
  const { manifest } = (await world.expect(0, "show", id, "--json")).json();
  assert.equal(manifest.consistency, "oplog");
  const restored = (await world.expect(0, "restore", "shop", "--to", id, "--into", "settled", "--json")).json();
  assert.equal(restored.verdict, "pass");
  assert.match(JSON.stringify(restored.checks), /what changed while the backup was made was applied/);
  const [seconds, increment] = manifest.log.endLsn.split("/").map((part: string) => Number.parseInt(part, 16));
  await using then = await beginMongoWorld({ state: source.sandbox.stateAt({ t: seconds, i: increment - 1 }, "through") });
  assert.deepEqual(await fingerprintOf(source.db("settled")), await fingerprintOf(then.db()));
});

test("R28 a drill replays the log too; several databases keep their names, and chosen collections work", async (t) => {
  const [source, scratch] = [await mongoWorld(t, { noopEveryMs: 300 }), await mongoWorld(t)];
  await written(source, 10);
  await written(source, 10, "other");
  const world = await beginWorld(t, {
    sources: {},
    mongo: { all: { url: source.url(), scratch: scratch.url() } },
    source: "policy: pitr, objectives: { rpo: 10s, rto: 5m }, archive: { partialEvery: 1s }",
    yaml: "policies: { pitr: { window: 7d } }\n",
  });
  await world.expect(0, "backup", "all");
  const archiving = world.start("archive", "all");
  await written(source, 20);
  await source.db("made_later").collection("things").insertOne({ n: 1 });
  const last = (await written(source, 20, "other")).at(-1);
  assert.ok(last);
  await until("the window reaches the last write", async () => (await statusOf(world)).window?.latest > last.wall.toISOString());
  archiving.kill("SIGTERM");
  await archiving.ended;
  const to = last.wall.toISOString();

  const drilled = await world.run("drill", "all", "--to", to, "--json");
  assert.equal(drilled.exit, 0, drilled.stdout + drilled.stderr);
  assert.match(drilled.stdout, /log replayed to/);

  const elsewhere = await mongoWorld(t);
  const whole = await world.run("restore", "all", "--to", to, "--into", elsewhere.url(), "--json");
  assert.equal(whole.exit, 0, whole.stdout + whole.stderr);
  for (const name of ["shop", "other", "made_later"]) {
    assert.deepEqual(await fingerprintOf(elsewhere.db(name)), await fingerprintOf(source.db(name)), name);
  }

  const chosen = await world.run("restore", "all", "--to", to, "--tables", "other.written", "--into", "alone", "--json");
  assert.equal(chosen.exit, 0, chosen.stdout + chosen.stderr);
  assert.deepEqual(await fingerprintOf(source.db("alone")), await fingerprintOf(source.db("other")));
  await world.assertNothingLeft();
});

/** A server without snapshots, a collection that takes several replies, and a backup that stands still before the second. */
async function changedMeanwhile(t: TestContext, change: (users: Collection<User>, source: MongoWorld) => Promise<unknown>) {
  const source = await mongoWorld(t, { snapshotReads: false });
  const users = source.db().collection<User>("users");
  await source.db().collection("a first one").insertOne({ n: 1 });
  await source.db().createCollection("capped", { capped: true, size: 4096, max: 3 });
  await source
    .db()
    .collection("capped")
    .insertMany([{ n: 1 }, { n: 2 }, { n: 3 }]);
  await users.insertMany(Array.from({ length: 3_000 }, (_, _id) => ({ _id, name: `user ${_id}` })));
  await users.createIndex({ name: 1 }, { unique: true, name: "by_name" });
  const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: source.url("shop") } } });
  const more = source.sandbox.faults.next({ command: "getMore", collection: "users", effect: { kind: "stallBefore" } });
  const backing = world.start("backup", "shop", "--json");
  await Promise.race([more.firstHit, backing.ended.then(({ stderr }) => assert.fail(`it ended before: ${stderr}`))]);
  await change(users, source);
  source.sandbox.faults.clear();
  return { source, world, backing: await backing.ended };
}

interface User {
  readonly _id: number;
  readonly name: string;
}

test("R28 a unique index that documents of several instants violate is built once they are of one", async (t) => {
  const { source, world, backing } = await changedMeanwhile(t, async (users) => {
    await users.updateOne({ _id: 0 }, { $set: { name: "renamed" } });
    await users.updateOne({ _id: 2_999 }, { $set: { name: "user 0" } }); // read later than the other
  });
  assert.equal(backing.exit, 0, backing.stderr);
  const restored = (await world.expect(0, "restore", "shop", "--into", "settled", "--json")).json();
  assert.equal(restored.verdict, "pass", JSON.stringify(restored.checks));
  assert.deepEqual(await fingerprintOf(source.db("settled")), await fingerprintOf(source.db()));
});

test("R28 what was made, dropped, indexed or capped while a dump was read is as it was at its end", async (t) => {
  const { source, world, backing } = await changedMeanwhile(t, async (users, { db }) => {
    await db().createCollection("late", { capped: true, size: 4096, max: 3 });
    await db()
      .collection<User>("late")
      .insertMany(Array.from({ length: 5 }, (_, _id) => ({ _id, name: `late ${_id}` })));
    await db().createCollection("weather", { timeseries: { timeField: "at" } });
    await db()
      .collection("weather")
      .insertOne({ at: new Date(0), celsius: 20 });
    await users.dropIndex("by_name");
    await users.createIndex({ name: -1 });
    await db()
      .collection("capped")
      .insertMany([{ n: 4 }, { n: 5 }]);
    await db().collection("gone").insertOne({ n: 1 });
    await db().collection("gone").drop();
  });
  assert.equal(backing.exit, 0, backing.stderr);
  const restored = (await world.expect(0, "restore", "shop", "--into", "settled", "--json")).json();
  assert.equal(restored.verdict, "pass", JSON.stringify(restored.checks));
  assert.deepEqual(await fingerprintOf(source.db("settled")), await fingerprintOf(source.db()));
});

test("R28 a dump during which a collection is renamed is refused, and says why", async (t) => {
  const { backing } = await changedMeanwhile(t, (_, { db }) => db().collection("a first one").rename("people"));
  assert.equal(backing.exit, 1, backing.stdout);
  assert.match(backing.stderr, /SOURCE_CHANGED.*renamed or converted while it was read/);
});
