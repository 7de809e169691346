// What the sandbox's MongoDB server remembers: its log, snapshots, and its data as they were at any position.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Document, deserialize, Timestamp } from "bson";
import { MongoClient, MongoServerError } from "mongodb";
import { bytesOf } from "../../packages/sandbox/mongo/raw.ts";
import type { MongoState } from "../../packages/sandbox/mongo/state.ts";
import { beginMongoWorld, type MongoWorld } from "../support/mongo-world.ts";

/** Documents of a state, by namespace. */
const _contentsOf = (state: MongoState): Record<string, Document[]> =>
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

test("R54 every change is in the oplog, in order, with all that a replay requires", async () => {
  await using world = await beginMongoWorld({ noopEveryMs: 0 });
  const db = world.db();
  const users = db.collection<Document>("users");
  const start = world.sandbox.position();
  await db.createCollection("users");
  await users.createIndex({ m: 1 });
  await users.insertOne({ _id: 1 as never, n: 1 });
  await users.updateOne({ _id: 1 as never }, { $set: { n: 2 } });
  await users.createIndex({ n: 1 }, { unique: true });
  await db.command({ collMod: "users", validator: { n: { $gt: 0 } } });
  await users.deleteOne({ _id: 1 as never });
  await users.dropIndex("n_1");
  await users.rename("people");
  await world.client.db("admin").command({ appendOplogNote: 1, data: { note: "x" } });
  await db.dropDatabase();
  const entries = await oplogOf(world)
    .find({ ts: { $gt: new Timestamp(start) } })
    .toArray();
  const shown = entries.map(({ op, ns, o: { indexBuildUUID: _, ...o }, o2 }) => [op, ns, o, ...(o2 === undefined ? [] : [o2])]);
  const uuid = entries[0]?.ui;
  assert.deepEqual(shown, [
    ["c", "shop.$cmd", { create: "users", idIndex: { v: 2, key: { _id: 1 }, name: "_id_" } }],
    ["c", "shop.$cmd", { createIndexes: "users", v: 2, key: { m: 1 }, name: "m_1" }],
    ["i", "shop.users", { _id: 1, n: 1 }, { _id: 1 }],
    ["u", "shop.users", { _id: 1, n: 2 }, { _id: 1 }],
    ["c", "shop.$cmd", { startIndexBuild: "users", indexes: [{ v: 2, key: { n: 1 }, name: "n_1", unique: true }] }],
    ["c", "shop.$cmd", { commitIndexBuild: "users", indexes: [{ v: 2, key: { n: 1 }, name: "n_1", unique: true }] }],
    ["c", "shop.$cmd", { collMod: "users", validator: { n: { $gt: 0 } } }],
    ["d", "shop.users", { _id: 1 }],
    ["c", "shop.$cmd", { dropIndexes: "users", index: "n_1" }, { v: 2, key: { n: 1 }, name: "n_1", unique: true }],
    ["c", "shop.$cmd", { renameCollection: "shop.users", to: "shop.people", stayTemp: false }],
    ["n", "", { note: "x" }],
    ["c", "shop.$cmd", { drop: "people" }, { numRecords: 0 }],
    ["c", "shop.$cmd", { dropDatabase: 1 }],
  ]);
  for (const entry of entries) {
    assert.ok(entry.wall instanceof Date && entry.v === 2 && entry.t === 1);
    if (entry.ns === "shop.users") assert.deepEqual(entry.ui, uuid);
  }
  const positions = entries.map(({ ts }) => (ts as Timestamp).toBigInt());
  assert.deepEqual(
    positions,
    [...positions].sort((a, b) => (a < b ? -1 : 1)),
  );
  assert.deepEqual(new Timestamp(world.sandbox.position()).toBigInt(), positions.at(-1));
});

test("R54 retryable writes are in the oplog with their session", async () => {
  await using world = await beginMongoWorld({ noopEveryMs: 0 });
  const client = new MongoClient(world.sandbox.url);
  try {
    await client
      .db("shop")
      .collection("users")
      .insertMany([{ n: 1 }, { n: 2 }]);
    const entries = await oplogOf(world).find({ ns: "shop.users" }).toArray();
    assert.deepEqual(
      entries.map(({ stmtId, txnNumber, lsid }) => [stmtId, txnNumber, Object.keys(lsid)]),
      [
        [0, 1, ["id"]],
        [1, 1, ["id"]],
      ],
    );
  } finally {
    await client.close();
  }
});

test("R54 a tailing reader of the log waits for what comes and gets it in order", async () => {
  await using world = await beginMongoWorld({ noopEveryMs: 0 });
  const users = world.db().collection<Document>("users");
  await users.insertOne({ n: 0 });
  const cursor = oplogOf(world).find(
    { ts: { $gt: new Timestamp(world.sandbox.position()) }, ns: "shop.users" },
    { tailable: true, awaitData: true, maxAwaitTimeMS: 50 },
  );
  const first = cursor.next();
  await users.insertMany([{ n: 1 }, { n: 2 }]);
  assert.equal((await first)?.o.n, 1);
  assert.equal((await cursor.next())?.o.n, 2);
  assert.equal(await cursor.tryNext(), null);
  await users.insertOne({ n: 3 });
  assert.equal((await cursor.next())?.o.n, 3);
  await cursor.close();
});

test("R54 an idle server writes an entry now and then, so that its log proves the present", async () => {
  await using world = await beginMongoWorld({ noopEveryMs: 5 });
  const cursor = oplogOf(world).find({ op: "n", "o.msg": "periodic noop" }, { tailable: true, awaitData: true });
  assert.equal((await cursor.next())?.ns, "");
  await cursor.close();
});

test("R54 the oplog can be bounded: it loses its oldest entries, and a reader of those is told", async () => {
  await using world = await beginMongoWorld({ noopEveryMs: 0, oplogBytes: 5000 });
  const users = world.db().collection<Document>("users");
  await users.insertOne({ n: -1 });
  const cursor = oplogOf(world).find({}, { tailable: true, awaitData: true, batchSize: 1 });
  await cursor.next();
  for (let n = 0; n < 100; n++) await users.insertOne({ n });
  assert.ok((await oplogOf(world).countDocuments()) < 60);
  const [oldest] = await oplogOf(world).find().sort({ $natural: 1 }).limit(1).toArray();
  assert.deepEqual({ t: oldest?.ts.t, i: oldest?.ts.i }, world.sandbox.logBegin());
  assert.equal(await codeOf(cursor.next()), 136);
});

test("R54 a snapshot session sees one instant, with writes, drops and changes meanwhile", async () => {
  await using world = await beginMongoWorld();
  const db = world.db();
  await db.collection<Document>("a").insertMany([
    { _id: 1 as never, v: 1 },
    { _id: 2 as never, v: 1 },
  ]);
  await db.collection<Document>("b").insertOne({ _id: 1 as never, v: 1 });
  const session = world.client.startSession({ snapshot: true });
  assert.equal((await db.collection("a").find({}, { session }).toArray()).length, 2);
  await db.collection("a").updateMany({}, { $set: { v: 2 } });
  await db.collection("a").deleteOne({ _id: 1 as never });
  await db.collection("b").insertOne({ v: 2 });
  await db.collection("b").drop();
  await db.collection("c").insertOne({ v: 2 });
  assert.deepEqual(await db.collection("a").find({}, { session }).toArray(), [
    { _id: 1, v: 1 },
    { _id: 2, v: 1 },
  ]);
  assert.deepEqual(await db.collection("b").aggregate([], { session }).toArray(), [{ _id: 1, v: 1 }]);
  assert.deepEqual(await db.collection("c").distinct("v", {}, { session }), []);
  assert.deepEqual(await db.collection("a").find({}).toArray(), [{ _id: 2, v: 2 }]);
  await session.endSession();
  const raw = await db.command({ find: "a", readConcern: { level: "snapshot", atClusterTime: new Timestamp(world.sandbox.position()) } });
  assert.deepEqual(raw.cursor.firstBatch, [{ _id: 2, v: 2 }]);
  assert.equal(String(raw.cursor.atClusterTime), String(new Timestamp(world.sandbox.position())));
});

test("R54 a snapshot that is too old is forgotten, also between two batches; one of the future is refused", async () => {
  const clock = drivenClock();
  await using world = await beginMongoWorld({ clock: clock.read, historyMs: 60_000, noopEveryMs: 0 });
  const users = world.db().collection<Document>("users");
  await users.insertMany(Array.from({ length: 10 }, (_, n) => ({ n })));
  const session = world.client.startSession({ snapshot: true });
  const cursor = users.find({}, { session, batchSize: 2 });
  await cursor.next();
  clock.forward(30_000);
  await users.updateMany({}, { $inc: { n: 1 } });
  for (let n = 1; n < 4; n++) assert.equal((await cursor.next())?.n, n);
  clock.forward(31_000);
  assert.equal(await codeOf(cursor.next()), 239);
  assert.equal(await codeOf(users.find({}, { session }).toArray()), 239);
  await session.endSession();
  const future = new Timestamp({ t: Math.floor(clock.now.getTime() / 1000) + 5, i: 1 });
  assert.equal(await codeOf(world.db().command({ find: "users", readConcern: { level: "snapshot", atClusterTime: future } })), 72);
});

test("R54 a server that offers no snapshot reads refuses them", async () => {
  await using world = await beginMongoWorld({ snapshotReads: false });
  const session = world.client.startSession({ snapshot: true });
  assert.equal(await codeOf(world.db().collection("a").find({}, { session }).toArray()), 72);
  await session.endSession();
});
