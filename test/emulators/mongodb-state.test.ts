// The data of the sandbox's MongoDB server as they were at any position, and servers that take them over; faults.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Document, deserialize, Long, type Timestamp } from "bson";
import { MongoClient, MongoServerError } from "mongodb";
import { bytesOf } from "../../packages/sandbox/mongo/raw.ts";
import { type MongoSandbox, startMongoSandbox } from "../../packages/sandbox/mongo/sandbox.ts";
import type { MongoState } from "../../packages/sandbox/mongo/state.ts";
import { beginMongoWorld, type MongoWorld } from "../support/mongo-world.ts";

/** Documents of a state, by namespace. */
const contentsOf = (state: MongoState): Record<string, Document[]> =>
  Object.fromEntries(
    state.collections.map(({ db, name, documents }) => [`${db}.${name}`, [...documents()].map((raw) => deserialize(bytesOf(raw)))]),
  );

const codeOf = async (act: Promise<unknown>): Promise<number | string | undefined> =>
  act.then(
    () => undefined,
    (error: unknown) => (error instanceof MongoServerError ? error.code : String(error)),
  );

const oplogOf = (world: MongoWorld) => world.client.db("local").collection<Document>("oplog.rs");

/** A clock that a test moves. */
function drivenClock(): { now: Date; read: () => Date; forward(ms: number): void } {
  const clock = {
    now: new Date("2026-03-04T05:06:07.500Z"),
    read: () => clock.now,
    forward(ms: number) {
      clock.now = new Date(clock.now.getTime() + ms);
    },
  };
  return clock;
}

test("R54 the data of any position can be read, with dropped collections and the definitions of then", async () => {
  const clock = drivenClock();
  await using world = await beginMongoWorld({ clock: clock.read, noopEveryMs: 0 });
  const { sandbox } = world;
  const db = world.db();
  const marks: { at: Date; through: MongoState; is: Record<string, Document[]> }[] = [];
  const mark = (is: Record<string, Document[]>): void => {
    marks.push({ at: clock.now, through: sandbox.stateAt(sandbox.position(), "through"), is });
    clock.forward(1000);
  };
  const users = db.collection<Document>("users");
  await users.insertMany([
    { _id: 1 as never, v: "a" },
    { _id: 2 as never, v: "a" },
  ]);
  await users.createIndex({ v: 1 });
  mark({
    "shop.users": [
      { _id: 1, v: "a" },
      { _id: 2, v: "a" },
    ],
  });
  await users.updateOne({ _id: 2 as never }, { $set: { v: "b" } });
  await users.deleteOne({ _id: 1 as never });
  await users.dropIndex("v_1");
  mark({ "shop.users": [{ _id: 2, v: "b" }] });
  await users.rename("people");
  await db.collection("people").insertOne({ _id: 1 as never });
  mark({ "shop.people": [{ _id: 2, v: "b" }, { _id: 1 }] });
  await db.collection("people").drop();
  await users.insertOne({ _id: 9 as never });
  mark({ "shop.users": [{ _id: 9 }] });
  await db.dropDatabase();
  mark({});
  for (const { at, through, is } of marks) {
    assert.deepEqual(contentsOf(through), is);
    assert.deepEqual(contentsOf(sandbox.stateAt(new Date(at.getTime() + 1000), "before")), is);
    assert.deepEqual(contentsOf(sandbox.stateAt(at, "through")), is);
  }
  const names = (state: MongoState): string[] => state.collections.flatMap(({ indexes }) => indexes.map(({ name }) => name));
  assert.deepEqual(names(sandbox.stateAt(marks[0]?.at as Date, "through")), ["_id_", "v_1"]);
  assert.deepEqual(names(sandbox.stateAt(marks[1]?.at as Date, "through")), ["_id_"]);
});

test("R54 every single position has its own data: before an entry it is not there, through it it is", async () => {
  await using world = await beginMongoWorld({ noopEveryMs: 0 });
  const counters = world.db().collection<Document>("counters");
  await counters.insertOne({ _id: 1 as never, n: 0 });
  for (let n = 1; n <= 20; n++) await counters.updateOne({ _id: 1 as never }, { $set: { n } });
  for await (const { ts, o } of oplogOf(world).find({ op: "u" })) {
    const at = { t: (ts as Timestamp).t, i: (ts as Timestamp).i };
    const read = (rule: "before" | "through") => contentsOf(world.sandbox.stateAt(at, rule))["shop.counters"]?.[0]?.n;
    assert.deepEqual([read("before"), read("through")], [o.n - 1, o.n]);
  }
});

async function beginClient(sandbox: MongoSandbox): Promise<MongoClient> {
  return new MongoClient(sandbox.url, { retryWrites: false }).connect();
}

test("R54 a server takes over the state of another, byte for byte, and forgets its own past", async () => {
  await using world = await beginMongoWorld({ noopEveryMs: 0 });
  const db = world.db();
  await db.collection("users").insertMany([{ n: 1, long: Long.fromNumber(3) }, { n: 2 }]);
  await db.collection("users").createIndex({ n: 1 }, { unique: true });
  await db.createCollection("view", { viewOn: "users", pipeline: [{ $match: { n: 1 } }] });
  await db.createCollection("series", { timeseries: { timeField: "at" } });
  await db.collection("series").insertOne({ at: new Date(5), v: 1 });
  const state = world.sandbox.stateAt(world.sandbox.position(), "through");
  const raw = await db.collection("users").find({}, { raw: true }).toArray();
  await db.collection("users").deleteMany({});
  const other = await startMongoSandbox({ noopEveryMs: 0 });
  const client = await beginClient(other);
  try {
    const there = client.db("shop");
    await there.collection("own").insertOne({ gone: true });
    const cursor = client.db("local").collection("oplog.rs").find({}, { tailable: true, awaitData: true });
    await cursor.next();
    other.setState(state);
    assert.deepEqual(await there.collection("users").find({}, { raw: true }).toArray(), raw);
    assert.deepEqual(
      (await there.collection("users").indexes()).map(({ name }) => name),
      ["_id_", "n_1"],
    );
    assert.equal(await codeOf(there.collection("users").insertOne({ n: 2 })), 11000);
    assert.deepEqual([await there.collection("view").countDocuments(), (await there.collection("series").findOne())?.v], [1, 1]);
    assert.deepEqual(await there.collection("own").find().toArray(), []);
    while ((await codeOf(cursor.next())) === undefined);
    const entries = await client.db("local").collection("oplog.rs").find().toArray();
    assert.deepEqual(
      entries.map(({ op }) => op),
      ["n"],
    );
    await there.collection("users").insertOne({ n: 3 });
    assert.equal([...(state.collections[0]?.documents() ?? [])].length, 2);
    assert.equal(await db.collection("users").countDocuments(), 0);
  } finally {
    await client.close();
    await other.close();
  }
});

test("R54 faults hit the intended commands, and the seen commands can be examined", async () => {
  await using world = await beginMongoWorld();
  const users = world.db().collection<Document>("users");
  const { faults } = world.sandbox;
  await users.insertMany(Array.from({ length: 30 }, (_, n) => ({ n })));
  const refused = faults.next({
    command: "getMore",
    collection: "users",
    skip: 1,
    effect: { kind: "error", code: 11600, message: "shutting down" },
  });
  assert.equal(await codeOf(users.find({}, { batchSize: 5 }).toArray()), 11600);
  assert.equal(refused.hits, 1);
  const gone = faults.next({ command: "insert", effect: { kind: "dropBefore" } });
  await assert.rejects(users.insertOne({ n: 99 }));
  await gone.firstHit;
  faults.next({ command: "insert", effect: { kind: "dropAfter" } });
  await assert.rejects(users.insertOne({ n: 100 }));
  assert.deepEqual([await users.countDocuments({ n: 99 }), await users.countDocuments({ n: 100 })], [0, 1]);
  const fault = faults.next({ command: "count", effect: { kind: "stallBefore" } });
  const waiting = users.estimatedDocumentCount();
  await fault.firstHit;
  faults.clear();
  assert.equal(await waiting, 31);
  assert.deepEqual(
    faults.seen.filter(({ command }) => command === "getMore").map(({ code }) => code),
    [0, 11600],
  );
});
