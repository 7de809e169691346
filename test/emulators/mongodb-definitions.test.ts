// Indexes, validators, capped collections, views, time series and names of the sandbox's MongoDB server, as the official driver sees them.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Document } from "bson";
import { MongoClient, MongoServerError } from "mongodb";
import { startMongoSandbox } from "../../packages/sandbox/mongo/sandbox.ts";
import { beginMongoWorld } from "../support/mongo-world.ts";

const _TYPED = { promoteValues: false, bsonRegExp: true } as const;

const codeOf = async (act: Promise<unknown>): Promise<number | string | undefined> =>
  act.then(
    () => undefined,
    (error: unknown) => (error instanceof MongoServerError ? error.code : String(error)),
  );

test("R54 unique indexes are enforced, on present documents too, and index options are kept as given", async () => {
  await using world = await beginMongoWorld();
  const users = world.db().collection<Document>("users");
  const indexes = [
    { key: { email: 1 }, name: "email_1", unique: true, sparse: true },
    { key: { a: 1, b: -1 }, name: "two", hidden: true },
    { key: { seen: 1 }, name: "ttl", expireAfterSeconds: 60 },
    { key: { n: 1 }, name: "partial", partialFilterExpression: { n: { $gt: 5 } } },
    { key: { place: "2dsphere" }, name: "geo", "2dsphereIndexVersion": 3 },
    { key: { h: "hashed" }, name: "hash" },
    { key: { "$**": 1 }, name: "wild", wildcardProjection: { secret: 0 } },
    { key: { name: 1 }, name: "coll", collation: { locale: "de", strength: 2 } },
  ];
  await world.db().command({ createIndexes: "users", indexes });
  assert.deepEqual(
    (await users.indexes()).slice(1),
    indexes.map((index) => ({ v: 2, ...index })),
  );
  await users.insertMany([{ email: "a@x" }, {}, {}]);
  assert.equal(await codeOf(users.insertOne({ email: "a@x" })), 11000);
  assert.equal(await codeOf(users.updateOne({ email: { $exists: false } }, { $set: { email: "a@x" } })), 11000);
  await users.deleteOne({ email: "a@x" });
  await users.insertMany([{ email: "a@x" }, { twin: 1 }, { twin: 1 }]);
  assert.equal(await codeOf(users.createIndex({ twin: 1 }, { unique: true })), 11000);
  assert.equal(await codeOf(users.createIndex({ a: 1, b: -1 }, { name: "again" })), 85);
  await users.dropIndex("two");
  assert.equal((await users.indexes()).length, indexes.length);
  assert.equal(await codeOf(users.dropIndex("_id_")), 72);
  await users.createIndex({ title: "text", body: "text" });
  assert.deepEqual((await users.indexes()).at(-1), {
    v: 2,
    key: { _fts: "text", _ftsx: 1 },
    name: "title_text_body_text",
    weights: { body: 1, title: 1 },
    default_language: "english",
    language_override: "language",
    textIndexVersion: 3,
  });
});

test("R54 capped collections lose their oldest documents, and validators refuse what does not fit", async () => {
  await using world = await beginMongoWorld();
  const db = world.db();
  const log = await db.createCollection<Document>("log", { capped: true, size: 4096, max: 3 });
  await log.insertMany([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5 }]);
  assert.deepEqual(
    (await log.find().toArray()).map(({ n }) => n),
    [3, 4, 5],
  );
  const schema = {
    bsonType: "object",
    required: ["name"],
    properties: { name: { bsonType: "string", minLength: 2 }, age: { bsonType: ["int", "null"], minimum: 0 } },
  };
  const people = await db.createCollection<Document>("people", { validator: { $jsonSchema: schema } });
  await people.insertOne({ name: "Ada", age: null });
  assert.equal(await codeOf(people.insertOne({ name: "A" })), 121);
  assert.equal(await codeOf(people.insertOne({ name: "Ada", age: -1 })), 121);
  assert.equal(await codeOf(people.updateOne({}, { $unset: { name: "" } })), 121);
  await people.insertOne({ name: 5 }, { bypassDocumentValidation: true });
  await db.command({ collMod: "people", validator: {}, validationLevel: "off" });
  await people.insertOne({});
  assert.equal(await people.countDocuments(), 3);
});

test("R54 documents that are due go when the server looks, and only then", async () => {
  let now = new Date("2026-01-01T00:00:00Z");
  await using world = await beginMongoWorld({ noopEveryMs: 0, ttlEveryMs: 5, clock: () => now });
  const sessions = world.db().collection<Document>("sessions");
  await sessions.createIndex({ seen: 1 }, { expireAfterSeconds: 60 });
  await sessions.insertMany([
    { _id: "old" as never, seen: new Date("2025-12-31T23:59:30Z") },
    { _id: "new" as never, seen: new Date("2026-01-01T00:00:30Z") },
    { _id: "none" as never },
  ]);
  const deletions = world.client.db("local").collection<Document>("oplog.rs").find({ op: "d" }, { tailable: true, awaitData: true });
  assert.equal(await deletions.tryNext(), null);
  now = new Date("2026-01-01T00:01:00Z");
  assert.deepEqual((await deletions.next())?.o, { _id: "old" });
  await deletions.close();
  assert.deepEqual(
    (await sessions.find().toArray()).map(({ _id }) => _id as unknown),
    ["new", "none"],
  );
});

test("R54 views read through their pipeline, and a pipeline joins, groups and counts", async () => {
  await using world = await beginMongoWorld();
  const db = world.db();
  await db.collection<Document>("orders").insertMany([
    { _id: 1 as never, who: "a", sum: 5 },
    { _id: 2 as never, who: "b", sum: 7 },
    { _id: 3 as never, who: "a", sum: 1 },
  ]);
  await db.collection<Document>("people").insertMany([{ _id: "a" as never, name: "Ada" }]);
  await db.createCollection("big", { viewOn: "orders", pipeline: [{ $match: { sum: { $gt: 4 } } }] });
  const big = db.collection("big");
  assert.equal(await big.countDocuments(), 2);
  assert.deepEqual(await big.find({ who: "b" }).project({ _id: 0, sum: 1 }).toArray(), [{ sum: 7 }]);
  assert.equal(await codeOf(big.insertOne({ x: 1 } as never)), 166);
  const grouped = await db
    .collection("orders")
    .aggregate([
      { $group: { _id: "$who", sum: { $sum: "$sum" } } },
      { $lookup: { from: "people", localField: "_id", foreignField: "_id", as: "person" } },
      { $sort: { _id: 1 } },
    ])
    .toArray();
  assert.deepEqual(grouped, [
    { _id: "a", sum: 6, person: [{ _id: "a", name: "Ada" }] },
    { _id: "b", sum: 7, person: [] },
  ]);
  await db
    .collection("orders")
    .aggregate([{ $match: { who: "a" } }, { $out: "copied" }])
    .toArray();
  assert.equal(await db.collection("copied").countDocuments(), 2);
  await db
    .collection("orders")
    .aggregate([{ $set: { sum: 0 } }, { $merge: { into: "copied" } }])
    .toArray();
  assert.equal(await db.collection("copied").countDocuments({ sum: 0 }), 3);
});

test("R54 collections are renamed, also over another and into another database, and lists name everything", async () => {
  await using world = await beginMongoWorld();
  const db = world.db();
  const { client } = world;
  await db.collection("a").insertOne({ n: 1 });
  await db.collection("a").createIndex({ n: 1 }, { unique: true });
  await db.collection("b").insertOne({ n: 2 });
  const [before] = await db.listCollections({ name: "a" }).toArray();
  assert.equal(await codeOf(db.collection("a").rename("b")), 48);
  await db.collection("a").rename("b", { dropTarget: true });
  const [after] = await db.listCollections({ name: "b" }).toArray();
  assert.deepEqual((after as Document).info.uuid, (before as Document).info.uuid);
  await client.db("admin").command({ renameCollection: "shop.b", to: "other.c" });
  const moved = client.db("other").collection("c");
  assert.deepEqual([(await moved.findOne())?.n, (await moved.indexes()).length], [1, 2]);
  assert.equal(await codeOf(moved.insertOne({ n: 1 })), 11000);
  assert.deepEqual(await db.listCollections().toArray(), []);
  const { databases } = await client.db("admin").admin().listDatabases({ nameOnly: true });
  assert.deepEqual(
    databases.map(({ name }) => name),
    ["admin", "config", "local", "other"],
  );
  const stats = await client.db("other").stats();
  assert.deepEqual([stats.collections, stats.objects, stats.indexes], [1, 1, 2]);
  await client.db("other").dropDatabase();
  assert.equal(await moved.countDocuments(), 0);
});

test("R54 a time series is stored in buckets that describe their contents, and read as measurements", async () => {
  await using world = await beginMongoWorld();
  const db = world.db();
  const weather = await db.createCollection<Document>("weather", {
    timeseries: { timeField: "at", metaField: "place", granularity: "minutes" },
  });
  const at = new Date("2026-01-02T03:04:05Z");
  await weather.insertMany([
    { at, place: "x", t: 5 },
    { at: new Date(at.getTime() + 1000), place: "x", t: 3, wind: { gust: 9 } },
    { at, place: "y", t: 1 },
    { at: new Date(at.getTime() + 2 * 86_400_000), place: "x", t: 8 },
  ]);
  const found = await weather
    .find({}, { projection: { _id: 0 } })
    .sort({ at: 1, t: -1 })
    .toArray();
  assert.deepEqual(
    found.map(({ place, t }) => [place, t]),
    [
      ["x", 5],
      ["y", 1],
      ["x", 3],
      ["x", 8],
    ],
  );
  const buckets = await db.collection<Document>("system.buckets.weather").find().toArray();
  assert.equal(buckets.length, 3);
  const [first] = buckets;
  assert.deepEqual(
    [first?.meta, first?.control.min.t, first?.control.max.t, first?.control.max.wind, first?.data.t],
    ["x", 3, 5, { gust: 9 }, { 0: 5, 1: 3 }],
  );
  assert.deepEqual(first?.control.min.at, new Date("2026-01-02T03:00:00Z"));
  const types = (await db.listCollections().toArray()).map(({ name, type }) => [name, type]);
  assert.deepEqual(types, [
    ["system.buckets.weather", "collection"],
    ["weather", "timeseries"],
    ["system.views", "collection"],
  ]);
  const copy = world.db("copy");
  await copy.createCollection("weather", { timeseries: { timeField: "at", metaField: "place", granularity: "minutes" } });
  await copy.collection("system.buckets.weather").insertMany(buckets as never);
  assert.deepEqual(
    await copy.collection("weather").find().sort({ at: 1, t: -1 }).toArray(),
    await weather.find().sort({ at: 1, t: -1 }).toArray(),
  );
});

test("R54 commands that are not served are refused as the real server refuses them", async () => {
  await using world = await beginMongoWorld();
  const refused = await world
    .db()
    .command({ noSuchThing: 1 })
    .catch((error) => error);
  assert.deepEqual([refused.code, refused.codeName, refused.errmsg], [59, "CommandNotFound", "no such command: 'noSuchThing'"]);
  assert.equal(await codeOf(world.db().collection("x").find({ $nonsense: 1 }).toArray()), 2);
  assert.equal(
    await codeOf(
      world
        .db()
        .collection("x")
        .aggregate([{ $nonsense: 1 }])
        .toArray(),
    ),
    40324,
  );
});

test("R54 a write whose answer was lost is done once when the driver asks again", async () => {
  await using world = await beginMongoWorld();
  await using _closing = new AsyncDisposableStack();
  const client = _closing.adopt(new MongoClient(world.sandbox.url), (each) => each.close());
  const users = client.db("shop").collection<Document>("users");
  const lost = world.sandbox.faults.next({ command: "update", effect: { kind: "dropAfter" } });
  await users.insertOne({ _id: 1 as never, n: 0 });
  await users.updateOne({ _id: 1 as never }, { $inc: { n: 1 } });
  assert.deepEqual([lost.hits, (await users.findOne())?.n], [1, 1]);
});

test("R54 a standalone server has no log and no snapshots, and says so", async () => {
  const sandbox = await startMongoSandbox({ replicaSet: false });
  const client = new MongoClient(sandbox.url, { retryWrites: false });
  try {
    const hello = await client.db("admin").command({ hello: 1 });
    assert.deepEqual([hello.setName, hello.hosts, hello.isWritablePrimary], [undefined, undefined, true]);
    assert.equal(await codeOf(client.db("admin").command({ replSetGetConfig: 1 })), 76);
    assert.deepEqual(await client.db("local").listCollections().toArray(), []);
    const session = client.startSession({ snapshot: true });
    assert.notEqual(await codeOf(client.db("shop").collection("users").find({}, { session }).toArray()), undefined);
    await session.endSession();
  } finally {
    await client.close();
    await sandbox.close();
  }
});

test("R54 a shell learns how long the log is, what the set is made of, and that a collection is whole", async () => {
  await using world = await beginMongoWorld();
  await world
    .db()
    .collection("users")
    .insertMany([{ n: 1 }, { n: 2 }]);
  await world.db().collection("users").createIndex({ n: 1 });
  const local = world.db("local");
  const [stats] = await local
    .collection("oplog.rs")
    .aggregate([{ $collStats: { storageStats: {} } }])
    .toArray();
  const [listed] = await local.listCollections({ name: "oplog.rs" }).toArray();
  assert.equal(stats?.storageStats.maxSize, 2 ** 31);
  assert.equal((listed as { options?: { size?: number } }).options?.size, 2 ** 31);
  const set = await local.collection("system.replset").findOne();
  assert.deepEqual(set, (await world.db("admin").command({ replSetGetConfig: 1 })).config);
  const { valid, nrecords, keysPerIndex } = await world.db().command({ validate: "users" });
  assert.deepEqual([valid, nrecords, keysPerIndex], [true, 2, { _id_: 2, n_1: 2 }]);
  await assert.rejects(world.db().command({ validate: "nowhere" }), /does not exist to validate/);
});
