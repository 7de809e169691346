// What a restore into a MongoDB database that is there replaces, and where that stays.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { fingerprintOf } from "../support/mongo-fingerprint.ts";
import type { MongoWorld } from "../support/mongo-world.ts";
import { mongoWorld } from "../support/oplog.ts";
import { beginWorld, type World } from "../support/program.ts";

const INTO_COPY = ["restore", "shop", "--into", "copy", "--replace", "--yes", "shop", "--json"] as const;

/** A backup of users, orders and a view; and a database copy whose users and orders are others. */
async function begin(t: TestContext): Promise<{ readonly world: World; readonly source: MongoWorld }> {
  const source = await mongoWorld(t);
  for (const [name, n] of [
    ["shop", 1],
    ["copy", 2],
  ] as const) {
    const db = source.db(name);
    await db.collection("users").insertMany([{ n }, { n: n + 10 }]);
    await db.collection("users").createIndex({ n }, { name: `by n of ${name}` });
    await db.collection("orders").insertOne({ n });
    await db.createCollection("all", { viewOn: "users", pipeline: [{ $limit: n }] });
  }
  await source.db("copy").collection("mine").insertOne({ mine: true });
  const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: source.url("shop") } } });
  await world.expect(0, "backup", "shop");
  return { world, source };
}

async function restored(
  world: World,
  ...options: string[]
): Promise<{ readonly job: string; readonly verdict: string; readonly kept: string }> {
  const { job, verdict, kept } = (await world.expect(0, ...INTO_COPY, ...options)).json();
  return { job, verdict, kept: kept.name };
}

const databases = async ({ client }: MongoWorld): Promise<string[]> =>
  (await client.db().admin().listDatabases()).databases.map(({ name }) => name).filter((name) => !/^(admin|config|local)$/.test(name));

const collections = async (world: MongoWorld, db: string): Promise<string[]> =>
  (await world.db(db).listCollections().toArray())
    .map(({ name }) => name)
    .filter((name) => !/^(lifeboat_filling|system\.views)$/.test(name))
    .sort();

test("R22 R23 a replaced database is kept until accepted, under the name in the plan", async (t) => {
  const { world, source } = await begin(t);
  const planned = (await world.expect(0, ...INTO_COPY, "--plan")).json();
  assert.match(JSON.stringify(planned.steps.at(-1)), /what it holds now is kept as copy_before_\d{14} until the restore is accepted/);
  const before = await fingerprintOf(source.db("copy"));
  const { verdict, kept, job } = await restored(world);
  assert.equal(verdict, "pass");
  assert.deepEqual(await fingerprintOf(source.db("copy")), await fingerprintOf(source.db("shop")));
  const { lifeboat_filling: mark, ...held } = await fingerprintOf(source.db(kept));
  assert.deepEqual({ ...held }, { ...before });
  assert.equal(mark?.count, 1);
  await world.expect(0, "jobs", "recover");
  assert.ok((await databases(source)).includes(kept), "no clean-up drops it");
  const { stderr } = await world.run("undo", job, "--yes", "shop");
  assert.match(
    stderr,
    new RegExp(`is kept whole, as the database ${kept}[\\s\\S]*mongorestore .*--nsFrom '${kept}\\.\\*' --nsTo 'copy\\.\\*'`),
  );
  await world.expect(0, "accept", job, "--yes", "shop");
  assert.deepEqual((await databases(source)).sort(), ["copy", "shop"]);
});

test("R22 chosen collections, or their documents alone, are replaced, kept, and nothing else is touched", async (t) => {
  const { world, source } = await begin(t);
  const others = async () => {
    const { orders, all, mine } = await fingerprintOf(source.db("copy"));
    return { orders, all, mine };
  };
  const before = await fingerprintOf(source.db("copy"));
  const asked = await world.run("restore", "shop", "--into", "copy", "--tables", "users", "--replace", "--json");
  assert.equal(asked.code, "CONFIRMATION_NEEDED");
  assert.match(asked.stderr, /the restore would replace collection users of/);

  const documents = await restored(world, "--tables", "users", "--data-only");
  const { users: filled } = await fingerprintOf(source.db("copy"));
  const { users: wanted } = await fingerprintOf(source.db("shop"));
  assert.equal(filled?.digest, wanted?.digest);
  assert.deepEqual(filled?.indexes, before.users?.indexes, "the definitions stay");
  assert.deepEqual(await collections(source, documents.kept), ["users"]);
  assert.deepEqual((await fingerprintOf(source.db(documents.kept))).users, before.users);
  await world.expect(0, "accept", documents.job, "--yes", "shop");

  const chosen = await restored(world, "--tables", "users");
  assert.deepEqual((await fingerprintOf(source.db("copy"))).users, wanted);
  assert.deepEqual((await fingerprintOf(source.db(chosen.kept))).users, filled);
  const now = await others();
  assert.deepEqual([now.orders, now.mine], [before.orders, before.mine]);
  assert.deepEqual(await collections(source, "copy"), ["all", "mine", "orders", "users"]);
  await world.expect(0, "accept", chosen.job, "--yes", "shop");
  assert.deepEqual((await databases(source)).sort(), ["copy", "shop"]);
});

test("R22 collections are copied on a server that cannot rename between databases; the kept ones are equal", async (t) => {
  const { world, source } = await begin(t);
  const before = await fingerprintOf(source.db("copy"));
  // The first two bring what was restored, the next five are within the database, the last three are of what is kept.
  const refusal = { kind: "error", code: 20, message: "encrypted" } as const;
  source.sandbox.faults.next({ command: "renameCollection", times: 2, effect: refusal });
  source.sandbox.faults.next({ command: "renameCollection", skip: 7, times: 3, effect: refusal });
  const { kept, verdict } = await restored(world);
  assert.equal(verdict, "pass");
  assert.deepEqual(await fingerprintOf(source.db("copy")), await fingerprintOf(source.db("shop")));
  assert.deepEqual((await fingerprintOf(source.db(kept))).users, before.users);
});

test("R22 what an application makes anew while its collection is replaced is kept too", async (t) => {
  const { world, source } = await begin(t);
  const { faults } = source.sandbox;
  // The first rename within the database is that of the collection which goes.
  const gone = faults.next({ command: "renameCollection", skip: 2, effect: { kind: "stallAfter" } });
  const restoring = world.start(...INTO_COPY);
  await Promise.race([gone.firstHit, restoring.ended.then(({ stderr }) => assert.fail(stderr))]);
  await source.db("copy").collection("orders").insertOne({ late: true });
  faults.clear();
  const { exit, stdout, stderr } = await restoring.ended;
  assert.equal(exit, 0, stderr);
  const kept: string = JSON.parse(stdout).kept.name;
  assert.deepEqual(await fingerprintOf(source.db("copy")), await fingerprintOf(source.db("shop")));
  assert.deepEqual(await collections(source, kept), ["all", "mine", "orders", "orders.2", "users"]);
  assert.equal((await source.db(kept).collection("orders.2").findOne())?.late, true);
});

test("R22 a replacement that the server refuses midway leaves the database unchanged, and no remains", async (t) => {
  const { world, source } = await begin(t);
  const before = await fingerprintOf(source.db("copy"));
  source.sandbox.faults.next({ command: "renameCollection", skip: 1, effect: { kind: "error", code: 13, message: "not authorized" } });
  const refused = await world.run(...INTO_COPY);
  assert.notEqual(refused.exit, 0);
  assert.match(refused.stderr, /not authorized|may not/);
  assert.deepEqual(await fingerprintOf(source.db("copy")), before);
  assert.deepEqual((await databases(source)).sort(), ["copy", "shop"]);
  await world.assertNothingLeft();
});

test("R22 a replacement that cannot be kept is refused before anything is fetched", async (t) => {
  const { world, source } = await begin(t);
  await source.db("copy").createCollection("c".repeat(230));
  const refused = await world.run(...INTO_COPY);
  assert.equal(refused.code, "RESTORE_TARGET_INVALID");
  assert.match(refused.stderr, /copy cannot be kept: .* 255 bytes/);
  const planned = (await world.run(...INTO_COPY, "--plan")).json();
  assert.deepEqual(
    planned.refusals.map(({ code }: { code: string }) => code),
    ["RESTORE_TARGET_INVALID"],
  );
  const jobs = (await world.expect(0, "jobs", "--json")).json().jobs;
  assert.deepEqual(
    jobs.map(({ verb }: { verb: string }) => verb),
    ["backup"],
  );
});

test("R22 a name that the server would refuse is refused at once, in the plan too, and nothing is created", async (t) => {
  const { world, source } = await begin(t);
  const before = await databases(source);
  await assert.rejects(source.db("SHOP").collection("t").insertOne({ n: 1 }), { code: 13297 });
  for (const more of [["--plan"], [], ["--replace", "--yes", "shop"]]) {
    const refused = await world.expect(2, "restore", "shop", "--into", "SHOP", "--json", ...more);
    assert.equal(refused.code, "RESTORE_TARGET_INVALID");
    assert.match(refused.message ?? "", /already has a database shop, and takes no SHOP beside it/);
  }
  await source.db("shop").collection("c".repeat(245)).insertOne({ n: 1 });
  await world.expect(0, "backup", "shop");
  for (const more of [["--plan"], []]) {
    const refused = await world.run("restore", "shop", "--into", "a_longer_name", "--json", ...more);
    assert.match(`${refused.stdout}${refused.stderr}`, /the server's limit for a_longer_name\.c+ is 255 bytes/);
    assert.notEqual(refused.exit, 0);
  }
  assert.deepEqual(await databases(source), before);
  await world.assertNothingLeft();
});
