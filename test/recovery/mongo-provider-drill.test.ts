// Sources of several databases, and drills on a server that this machine makes for itself, through the real program.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { beginMongoWorld, changeOneField, type MongoWorld } from "../support/mongo-world.ts";
import { mongodDirectory, skipUnlessReadable } from "../support/mongod.ts";
import { beginWorld } from "../support/program.ts";

async function serverOf(t: TestContext): Promise<MongoWorld> {
  const world = await beginMongoWorld();
  t.after(() => world[Symbol.asyncDispose]());
  return world;
}

async function fill(world: MongoWorld): Promise<void> {
  for (const name of ["shop", "logs"]) {
    const rows = Array.from({ length: 20 }, (_, n) => ({ n, of: name }));
    await world.db(name).collection("users").insertMany(rows);
    await world.db(name).collection("users").createIndex({ n: 1 });
  }
}

const databasesOf = async (world: MongoWorld): Promise<string[]> =>
  (await world.client.db("admin").admin().listDatabases()).databases
    .map(({ name }) => name)
    .filter((name) => !/^(admin|local|config)$/.test(name));

test("R27 R28 several databases are drilled and restored to another server, each under its own name", async (t) => {
  const [server, scratch, elsewhere] = [await serverOf(t), await serverOf(t), await serverOf(t)];
  await fill(server);
  const world = await beginWorld(t, { sources: {}, mongo: { all: { url: server.url(), scratch: scratch.url() } } });
  await world.expect(0, "backup", "all", "--name", "good");
  const drilled = (await world.expect(0, "drill", "all", "--json")).json().drills[0];
  assert.equal(drilled.verdict, "pass");
  assert.ok(drilled.checks.some(({ name }: { name: string }) => name === "documents of shop.users"));
  assert.deepEqual(await databasesOf(scratch), []);

  const restored = (await world.expect(0, "restore", "all", "--to", "good", "--into", elsewhere.url(), "--json")).json();
  assert.equal(restored.verdict, "pass");
  assert.deepEqual(await databasesOf(elsewhere), ["logs", "shop"]);

  const refused = await world.run("restore", "all", "--to", "good", "--into", "copy");
  assert.match(refused.stderr, /RESTORE_TARGET_INVALID[\s\S]*keep their names/);
  const chosen = ["--tables", "shop.users"];
  assert.equal((await world.expect(0, "restore", "all", "--to", "good", "--into", "copy", ...chosen, "--json")).json().verdict, "pass");
  assert.equal(await server.db("copy").collection("users").countDocuments(), 20);

  await changeOneField(elsewhere.db("logs"), "users");
  const occupied = await world.run("restore", "all", "--to", "good", "--into", elsewhere.url());
  assert.match(occupied.stderr, /RESTORE_TARGET_NOT_EMPTY/);
  await world.assertNothingLeft();
});

test("R28 without a scratch server a drill starts a private one and removes it", {
  skip: skipUnlessReadable(),
}, async (t) => {
  const server = await serverOf(t);
  await fill(server);
  const program = await mongodDirectory();
  t.after(() => program[Symbol.asyncDispose]());
  const mongo = { shop: { url: server.url("shop") }, all: { url: server.url() } };
  const world = await beginWorld(t, { sources: {}, mongo, yaml: `tools: { mongodb: ${JSON.stringify(program.directory)} }\n` });
  for (const name of ["shop", "all"]) {
    await world.expect(0, "backup", name);
    const drilled = (await world.expect(0, "drill", name, "--json")).json().drills[0];
    assert.equal(drilled.verdict, "pass");
    assert.match(JSON.stringify(drilled), /temporary MongoDB 8\.0\.4 server on this machine/);
  }
  await world.assertNothingLeft();
});
