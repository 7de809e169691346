// A database that another client creates while a restore into that name is running.
import assert from "node:assert/strict";
import { test } from "node:test";
import { mongoWorld } from "../support/oplog.ts";
import { beginWorld } from "../support/program.ts";

for (const [after, when] of [
  [1, "while the backup is fetched"],
  [2, "just before the restore begins with it"],
  [3, "just before the documents are loaded"],
] as const) {
  test(`R28 a database that another client creates ${when} is neither written to nor dropped`, async (t) => {
    const source = await mongoWorld(t);
    await source
      .db()
      .collection("users")
      .insertMany([{ n: 1 }, { n: 2 }]);
    const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: source.url("shop") } } });
    await world.expect(0, "backup", "shop");
    const fault = { command: "listCollections", db: "fresh", skip: after, effect: { kind: "stallBefore" } } as const;
    const { firstHit } = source.sandbox.faults.next(fault);
    const restoring = world.start("restore", "shop", "--to", "latest", "--into", "fresh", "--json");
    await Promise.race([firstHit, restoring.ended.then(({ stderr }) => assert.fail(`it ended before: ${stderr}`))]);
    await source.db("fresh").collection("users").insertOne({ mine: true });
    source.sandbox.faults.clear();
    const ended = await restoring.ended;
    assert.notEqual(ended.exit, 0);
    assert.match(ended.stderr, /RESTORE_TARGET_NOT_EMPTY/);
    const [mine, ...others] = await source.db("fresh").collection("users").find().toArray();
    assert.equal(mine?.mine, true);
    assert.deepEqual(others, []);
    await world.run("jobs", "recover");
    assert.equal(await source.db("fresh").collection("users").countDocuments(), 1);
    await world.assertNothingLeft();
  });
}

test("R28 a database created by another client under the name of a killed restore is not dropped", async (t) => {
  const source = await mongoWorld(t);
  await source
    .db()
    .collection("users")
    .insertMany([{ n: 1 }, { n: 2 }]);
  const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: source.url("shop") } } });
  await world.expect(0, "backup", "shop");
  const killed = async (): Promise<void> => {
    const { firstHit } = source.sandbox.faults.next({ command: "insert", db: "fresh", skip: 1, effect: { kind: "stallAfter" } });
    const restoring = world.start("restore", "shop", "--into", "fresh");
    await Promise.race([firstHit, restoring.ended.then(({ stderr }) => assert.fail(`it ended before: ${stderr}`))]);
    restoring.kill("SIGKILL");
    await restoring.ended;
    source.sandbox.faults.clear();
  };
  await killed();
  await world.expect(0, "jobs", "recover");
  assert.deepEqual(await source.db("fresh").listCollections().toArray(), [], "the untouched one is dropped");
  await killed();
  await source.db("fresh").dropDatabase();
  await source.db("fresh").collection("users").insertOne({ mine: true });
  await world.expect(0, "jobs", "recover");
  assert.equal(await source.db("fresh").collection("users").countDocuments(), 1);
  await world.assertNothingLeft();
  await world.expect(0, "restore", "shop", "--into", "other");
  const names = (await source.db("other").listCollections().toArray()).map(({ name }) => name);
  assert.deepEqual(names, ["users"], "no marks are left in the restored database");
});

test("R28 several loaded databases whose comparison failed are dropped again, with their mark", async (t) => {
  const source = await mongoWorld(t);
  for (const name of ["first", "second"]) await source.db(name).collection("users").insertOne({ name });
  const other = await mongoWorld(t);
  const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: source.url("") } } });
  await world.expect(0, "backup", "shop");
  const names = async (): Promise<string[]> => (await other.client.db().admin().listDatabases()).databases.map(({ name }) => name).sort();
  const before = await names();
  const { firstHit } = other.sandbox.faults.next({ command: "find", db: "second", effect: { kind: "stallBefore" } });
  const restoring = world.start("restore", "shop", "--into", other.url(""));
  await Promise.race([firstHit, restoring.ended.then(({ stderr }) => assert.fail(`it ended before: ${stderr}`))]);
  assert.ok((await names()).includes("second"), "it was loaded");
  restoring.kill("SIGINT");
  assert.equal((await restoring.ended).exit, 130);
  other.sandbox.faults.clear();
  assert.deepEqual(await names(), before);
  await world.expect(0, "restore", "shop", "--into", other.url(""));
  assert.deepEqual(await names(), [...before, "first", "second"].sort());
});

test("R28 several databases of a killed restore are named, and the next restore to that server drops them", async (t) => {
  const source = await mongoWorld(t);
  for (const name of ["first", "second"]) await source.db(name).collection("users").insertOne({ name });
  const other = await mongoWorld(t);
  const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: source.url("") } } });
  await world.expect(0, "backup", "shop");
  const names = async (): Promise<string[]> => (await other.client.db().admin().listDatabases()).databases.map(({ name }) => name).sort();
  const before = await names();
  const compared = other.sandbox.faults.next({ command: "find", db: "second", effect: { kind: "stallBefore" } });
  const restoring = world.start("restore", "shop", "--into", other.url(""));
  await Promise.race([compared.firstHit, restoring.ended.then(({ stderr }) => assert.fail(`it ended before: ${stderr}`))]);
  assert.ok((await names()).includes("second"), "it was loaded");
  restoring.kill("SIGKILL");
  await restoring.ended;
  other.sandbox.faults.clear();
  const recovered = await world.run("jobs", "recover");
  assert.equal(recovered.exit, 3, recovered.stdout);
  assert.match(recovered.stdout, /still there: database .*only the machine, or the address, that it was made with can reach it/);
  await world.expect(0, "restore", "shop", "--into", other.url(""));
  assert.deepEqual(await names(), [...before, "first", "second"].sort());
  for (const name of ["first", "second"]) assert.equal(await other.db(name).collection("users").countDocuments(), 1);
  await world.expect(0, "jobs", "recover");
  await world.assertNothingLeft();
});
