// The engine where things go wrong: servers that refuse, break and fall silent, and what is told of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type ErrorCode, isLifeboatError, LifeboatError } from "../../src/core/errors.ts";
import { judge } from "../../src/core/verdict.ts";
import { connectionFromUrl } from "../../src/engines/mongodb/connect/url.ts";
import { openMongoEngine } from "../../src/engines/mongodb/engine.ts";
import { mongoArchive } from "../support/mongo-archive.ts";
import { beginMongoWorld, type MongoWorld } from "../support/mongo-world.ts";

const engine = openMongoEngine();
const at = (world: MongoWorld, database?: string) => connectionFromUrl(world.url(database));

/** A server with a database `shop`: documents for several batches, and a small collection with rules and an index. */
async function source(): Promise<MongoWorld> {
  const world = await beginMongoWorld();
  const filler = "x".repeat(50_000);
  await world
    .db()
    .collection<{ _id: number; filler: string }>("big")
    .insertMany(Array.from({ length: 200 }, (_, i) => ({ _id: i, filler })));
  await world
    .db()
    .collection<{ _id: number; n: number }>("users")
    .insertMany(Array.from({ length: 10 }, (_, i) => ({ _id: i, n: i })));
  await world.db().collection("users").createIndex({ n: 1 }, { name: "by_n" });
  await world.db().command({ collMod: "users", validator: { n: { $gte: 0 } } });
  return world;
}

const failsWith = (promise: Promise<unknown>, code: ErrorCode, words: RegExp) =>
  assert.rejects(promise, (error) => isLifeboatError(error, code) && words.test(error.message));

test("R27 a load that is not permitted, or whose server breaks, ends with what happened", async () => {
  await using from = await source();
  await using archive = await mongoArchive(engine, at(from, "shop"));
  await using to = await beginMongoWorld();
  const { faults } = to.sandbox;
  const load = (database: string) => engine.load(at(to, database), archive.file, {});

  faults.next({ command: "insert", skip: 1, effect: { kind: "error", code: 13, message: "not authorized on a to execute command" } });
  await failsWith(load("a"), "SOURCE_PERMISSION", /permission is missing/);
  faults.next({ command: "insert", skip: 2, effect: { kind: "dropBefore" } });
  await failsWith(load("b"), "SOURCE_UNREACHABLE", /connection was cut/);
  faults.next({ command: "insert", skip: 1, effect: { kind: "error", code: 14_031, message: "no space left on the server's disk" } });
  await failsWith(load("c"), "DISK_FULL", /no space left/);
  faults.next({ command: "insert", skip: 1, effect: { kind: "error", code: 10_107, message: "not primary" } });
  await failsWith(load("d"), "SOURCE_UNREACHABLE", /not primary/);
});

test("R27 a load that is told to stop stops at once, for the reason that was given", async () => {
  await using from = await source();
  await using archive = await mongoArchive(engine, at(from, "shop"));
  await using to = await beginMongoWorld();
  const stop = new AbortController();
  const reason = new LifeboatError("LEASE_LOST", "another process has it");
  const planned = to.sandbox.faults.next({ command: "insert", effect: { kind: "stallBefore" } });
  const loading = engine.load(at(to, "a"), archive.file, { signal: stop.signal });
  void planned.firstHit.then(() => stop.abort(reason));
  await assert.rejects(loading, (error) => error === reason);
});

test("R33 a refused index, rule or view is a problem of the restore, and the rest is restored", async () => {
  await using from = await source();
  await from.db().createCollection("shown", { viewOn: "users", pipeline: [] });
  await using archive = await mongoArchive(engine, at(from, "shop"));
  await using to = await beginMongoWorld();
  for (const [command, words] of [
    ["createIndexes", /index by_n of a.users could not be made: no such kind/],
    ["collMod", /the validator of b.users could not be set: no such kind/],
    ["create", /c.* could not be made: no such kind/],
  ] as const) {
    const database = words.source.match(/[abc](?=\.)/)?.[0] ?? "";
    const times = command === "createIndexes" ? 2 : 1;
    to.sandbox.faults.next({
      command,
      times,
      skip: command === "create" ? 2 : 0,
      effect: { kind: "error", code: 67, message: "no such kind" },
    });
    const { problems } = await engine.load(at(to, database), archive.file, {});
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? "", words);
    assert.equal(await to.db(database).collection("big").countDocuments(), 200);
    to.sandbox.faults.clear();
  }
});

test("R33 documents that a server loses without a word are found missing", async () => {
  await using from = await source();
  await using archive = await mongoArchive(engine, at(from, "shop"));
  await using to = await beginMongoWorld();
  const target = at(to, "copy");
  await engine.load(target, archive.file, {});
  await to.db("copy").collection("big").deleteMany({});
  const actual = await engine.fingerprint(target, archive.fingerprint.scope);
  assert.equal(judge(engine.compare(archive.fingerprint, actual)).verdict, "fail");
  await to.db("copy").collection("big").drop();
  const less = engine.compare(archive.fingerprint, await engine.fingerprint(target, archive.fingerprint.scope));
  assert.match(less.find(({ name }) => name === "documents of big")?.message ?? "", /missing/);
});

test("R33 a copy whose expired documents the server removed is not called wrong, and not called right", async () => {
  await using from = await beginMongoWorld();
  const sessions = from.db().collection("sessions");
  await sessions.createIndex({ at: 1 }, { expireAfterSeconds: 1, name: "expiry" });
  await sessions.insertMany([{ at: new Date(0) }, { at: new Date(Date.now() + 3_600_000) }]);
  await using archive = await mongoArchive(engine, at(from, "shop"));
  await using to = await beginMongoWorld({ ttlEveryMs: 20 });
  const target = at(to, "copy");
  const { problems, release } = await engine.load(target, archive.file, {});
  assert.deepEqual(problems, []);
  await sleep(100);
  const loaded = await engine.fingerprint(target, archive.fingerprint.scope);
  assert.equal(judge(engine.compare(archive.fingerprint, loaded, { held: {} })).verdict, "pass", "due documents wait for the comparison");
  assert.deepEqual(await release?.(), []);
  const begun = Date.now();
  while ((await to.db("copy").collection("sessions").countDocuments()) > 1 && Date.now() - begun < 20_000) await sleep(20);
  const checks = engine.compare(archive.fingerprint, await engine.fingerprint(target, archive.fingerprint.scope));
  assert.equal(judge(checks).verdict, "inconclusive");
  assert.match(judge(checks).reasons.join(), /documents expire/);
});

test("R27 two servers whose sets have one name are told apart, and one server under two names is not", async () => {
  await using one = await beginMongoWorld();
  await using two = await beginMongoWorld();
  await engine.assertSeparate(at(one, "shop"), at(two, "shop"));
  const other = connectionFromUrl(`mongodb://localhost:${one.sandbox.port}/shop?directConnection=true`);
  await assert.rejects(engine.assertSeparate(at(one, "shop"), other), (error) => isLifeboatError(error, "SOURCE_WRITE_REFUSED"));
  for (const world of [one, two]) world.sandbox.faults.next({ command: "replSetGetConfig", effect: { kind: "error", code: 13 } });
  await engine.assertSeparate(at(one, "shop"), at(two, "shop"));
});

test("R27 a check warns of a standalone server, an unreadable oplog and a missing database", async () => {
  await using alone = await beginMongoWorld({ replicaSet: false });
  await using world = await beginMongoWorld();
  await world.db("a").collection("x").insertOne({});
  assert.match((await engine.inspect(at(alone, "shop"))).warnings.join("\n"), /stands alone/);
  assert.deepEqual((await engine.inspect(at(world, "a"))).warnings, []);
  const several = openMongoEngine({ databases: ["a", "b"] });
  assert.match((await several.inspect(at(world))).warnings.join("\n"), /database b, .* is not there/);
  world.sandbox.faults.next({ command: "find", db: "local", effect: { kind: "error", code: 13 } });
  assert.match((await engine.inspect(at(world, "a"))).warnings.join("\n"), /may not read the oplog/);
});

test("R27 a server that is too old is refused with its version and the required one", async () => {
  await using old = await beginMongoWorld({ version: "4.2.24" });
  await failsWith(engine.inspect(at(old, "shop")), "CAPABILITY_MISSING", /4\.2/);
});

test("R27 a wrong password is told as such, without it", async () => {
  await using world = await beginMongoWorld({ users: [{ user: "app", password: "right" }] });
  const url = new URL(world.url("shop"));
  url.username = "app";
  url.password = "s3cr3t-and-wrong";
  url.searchParams.set("authSource", "admin");
  await assert.rejects(engine.inspect(connectionFromUrl(url.href)), (error) => {
    assert.ok(isLifeboatError(error, "SOURCE_AUTH"), String(error));
    for (let each: unknown = error; each instanceof Error; each = each.cause) assert.ok(!each.message.includes("s3cr3t"), each.message);
    return true;
  });
});
