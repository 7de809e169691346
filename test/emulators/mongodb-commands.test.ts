// The sandbox's MongoDB server, as the official driver sees it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Binary, Decimal128, type Document, Double, deserialize, Int32, Long, ObjectId, serialize, Timestamp } from "bson";
import { MongoServerError } from "mongodb";
import { beginMongoWorld } from "../support/mongo-world.ts";

const TYPED = { promoteValues: false, bsonRegExp: true } as const;

const codeOf = async (act: Promise<unknown>): Promise<number | string | undefined> =>
  act.then(
    () => undefined,
    (error: unknown) => (error instanceof MongoServerError ? error.code : String(error)),
  );

test("R54 documents come back with the very bytes that were written, in the order they were written", async () => {
  await using world = await beginMongoWorld();
  const written: Document[] = [
    { _id: 1, long: Long.fromNumber(7), double: new Double(7), int: new Int32(7), decimal: Decimal128.fromString("7.00") },
    { _id: "text", b: 1, a: { z: 1, y: [1, { x: Long.MAX_VALUE }] }, bytes: new Binary(Buffer.from([1, 2, 3]), 128) },
    { _id: new ObjectId(), empty: {}, list: [], minusZero: new Double(-0), ts: new Timestamp({ t: 5, i: 6 }) },
  ];
  const users = world.db().collection<Document>("users");
  await users.insertMany(written as never);
  const read = await users.find({}, { raw: true }).toArray();
  assert.deepEqual(
    read.map((bytes) => Buffer.from(bytes as unknown as Uint8Array).toString("hex")),
    written.map((document) => Buffer.from(serialize(document)).toString("hex")),
  );
});

test("R54 a read continues over batches of any size, and cursors that are not read to the end are closed", async () => {
  await using world = await beginMongoWorld();
  const users = world.db().collection<Document>("users");
  await users.insertMany(Array.from({ length: 1000 }, (_, n) => ({ n })));
  for (const batchSize of [1, 7, 1000, 5000]) {
    const found = await users.find({}, { batchSize }).project({ n: 1 }).toArray();
    assert.deepEqual(
      found.map(({ n }) => n),
      Array.from({ length: 1000 }, (_, n) => n),
    );
  }
  const cursor = users.find({}, { batchSize: 10 });
  await cursor.next();
  const { id } = cursor;
  await cursor.close();
  assert.equal(await codeOf(world.db().command({ getMore: id, collection: "users" })), 43);
});

test("R54 documents of sixteen megabytes pass, larger ones are refused", async () => {
  await using world = await beginMongoWorld({ noopEveryMs: 0 });
  const files = world.db().collection<Document>("files");
  const bytes = new Binary(Buffer.alloc(16 * 1024 * 1024 - 40, 7));
  await files.insertMany([
    { _id: 1 as never, bytes },
    { _id: 2 as never, bytes },
  ]);
  const found = await files.find({}, { raw: true }).toArray();
  assert.deepEqual(
    found.map((each) => (each as unknown as Uint8Array).length),
    [serialize({ _id: 1, bytes }).length, serialize({ _id: 2, bytes }).length],
  );
  const tooLarge = { _id: 3, bytes: new Binary(Buffer.alloc(16 * 1024 * 1024)) };
  assert.notEqual(await codeOf(files.insertOne(tooLarge as never)), undefined);
});

test("R54 numbers of every type are equal and ordered by their value", async () => {
  await using world = await beginMongoWorld();
  const numbers = world.db().collection<Document>("numbers");
  const big = Long.fromString("9007199254740993");
  await numbers.insertMany([
    { _id: "decimal" as never, v: Decimal128.fromString("1.50") },
    { _id: "double" as never, v: new Double(1.5) },
    { _id: "int" as never, v: new Int32(2) },
    { _id: "long" as never, v: Long.fromNumber(2) },
    { _id: "big" as never, v: big },
    { _id: "text" as never, v: "2" },
  ]);
  const ids = async (filter: Document): Promise<unknown[]> =>
    (await numbers.find(filter).sort({ v: 1, _id: 1 }).toArray()).map(({ _id }) => _id);
  assert.deepEqual(await ids({ v: 1.5 }), ["decimal", "double"]);
  assert.deepEqual(await ids({ v: Decimal128.fromString("2") }), ["int", "long"]);
  assert.deepEqual(await ids({ v: { $gt: Decimal128.fromString("1.5") } }), ["int", "long", "big"]);
  assert.deepEqual(await ids({ v: Long.fromString("9007199254740992") }), []);
  assert.deepEqual(await ids({ v: { $type: "long" } }), ["long", "big"]);
  assert.deepEqual(await ids({}), ["decimal", "double", "int", "long", "big", "text"]);
});

test("R54 filters reach into arrays and documents as at the real server", async () => {
  await using world = await beginMongoWorld();
  const orders = world.db().collection<Document>("orders");
  await orders.insertMany([
    {
      _id: 1 as never,
      tags: ["a", "b"],
      items: [
        { sku: "x", n: 1 },
        { sku: "y", n: 5 },
      ],
    },
    { _id: 2 as never, tags: [], items: [{ sku: "x", n: 9 }], gone: null },
    { _id: 3 as never, name: "Ada", at: new Date(5) },
  ]);
  const cases: readonly (readonly [Document, readonly number[]])[] = [
    [{ tags: "a" }, [1]],
    [{ tags: ["a", "b"] }, [1]],
    [{ tags: { $size: 0 } }, [2]],
    [{ tags: { $all: ["b", "a"] } }, [1]],
    [{ "items.n": { $gt: 5 } }, [2]],
    [{ "items.0.sku": "x" }, [1, 2]],
    [{ items: { $elemMatch: { sku: "x", n: { $gte: 5 } } } }, [2]],
    [{ gone: null }, [1, 2, 3]],
    [{ gone: { $exists: true } }, [2]],
    [{ name: /^a/i }, [3]],
    [{ name: { $regex: "^a", $options: "i" } }, [3]],
    [{ $or: [{ name: "Ada" }, { tags: "b" }] }, [1, 3]],
    [{ $nor: [{ name: "Ada" }, { tags: "b" }] }, [2]],
    [{ at: { $lte: new Date(5) } }, [3]],
    [{ tags: { $nin: ["a"] } }, [2, 3]],
    [{ name: { $not: { $eq: "Ada" } } }, [1, 2]],
    [{ $expr: { $eq: ["$name", "Ada"] } }, [3]],
    [{ _id: { $in: [3, 1] } }, [1, 3]],
    [{ _id: { $in: [Long.fromNumber(3), Decimal128.fromString("1.0"), null, "2"], $ne: 1 } }, [3]],
    [{ tags: { $in: ["b", ["a", "b"], 7] } }, [1]],
    [{ name: { $in: [/^A/, null] } }, [1, 2, 3]],
  ];
  for (const [filter, expected] of cases) {
    const found = await orders.find(filter).toArray();
    assert.deepEqual(
      found.map(({ _id }) => _id as unknown),
      expected,
      JSON.stringify(filter),
    );
  }
});

test("R54 updates change what they name and keep the type of everything else", async () => {
  await using world = await beginMongoWorld();
  const users = world.db().collection<Document>("users");
  await users.insertOne({ _id: 1 as never, kept: new Double(3), n: new Int32(1), list: [1, 2, 3], items: [{ k: 1 }, { k: 2 }] });
  await users.updateOne({ _id: 1 as never, "items.k": 2 }, {
    $set: { "items.$.seen": true, "deep.er": "x" },
    $inc: { n: 2 },
    $push: { list: { $each: [9, 8], $slice: -3 } },
  } as never);
  await users.updateOne({ _id: 1 as never }, {
    $rename: { n: "m" },
    $unset: { nothing: "" },
    $min: { low: 4 },
    $addToSet: { list: 9 },
    $pull: { items: { k: 1 } },
  } as never);
  await users.updateOne({ _id: 1 as never }, { $set: { "list.$[each]": 0 } }, { arrayFilters: [{ each: { $gte: 9 } }] });
  const [bytes] = await users.find({}, { raw: true }).toArray();
  assert.deepEqual(deserialize(bytes as unknown as Uint8Array, TYPED), {
    _id: new Int32(1),
    kept: new Double(3),
    list: [new Int32(3), new Int32(0), new Int32(8)],
    items: [{ k: new Int32(2), seen: true }],
    deep: { er: "x" },
    m: new Int32(3),
    low: new Int32(4),
  });
  const upserted = await users.updateOne({ name: "Ada", age: { $gt: 3 } }, { $set: { a: 1 }, $setOnInsert: { b: 2 } }, { upsert: true });
  assert.deepEqual(await users.findOne({ _id: upserted.upsertedId as never }, { projection: { _id: 0 } }), { name: "Ada", a: 1, b: 2 });
  assert.equal(await codeOf(users.updateOne({ _id: 1 as never }, { $set: { _id: 2 } as never })), 66);
  const replaced = await users.findOneAndReplace({ name: "Ada" }, { name: "Eve" }, { returnDocument: "after", projection: { _id: 0 } });
  assert.deepEqual(replaced, { name: "Eve" });
  assert.equal((await users.updateMany({}, [{ $set: { both: { $concat: ["x", "y"] } } }])).modifiedCount, 2);
  assert.equal(await users.countDocuments({ both: "xy" }), 2);
  assert.deepEqual(await users.distinct("both"), ["xy"]);
  assert.equal((await users.findOneAndDelete({ name: "Eve" }))?.name, "Eve");
});

test("R54 a bulk write stops at its first failure when ordered, else continues, and says which failed", async () => {
  await using world = await beginMongoWorld();
  const users = world.db().collection<Document>("users");
  const rows = [{ _id: 1 }, { _id: 1 }, { _id: 2 }] as never[];
  const failed = await users.insertMany(rows).catch((error) => error);
  assert.deepEqual([failed.code, failed.result.insertedCount, await users.countDocuments()], [11000, 1, 1]);
  const loose = await users.insertMany(rows, { ordered: false }).catch((error) => error);
  assert.deepEqual([loose.code, loose.writeErrors.length, await users.countDocuments()], [11000, 2, 2]);
  const result = await users.bulkWrite([
    { updateOne: { filter: { _id: 1 as never }, update: { $set: { a: 1 } } } },
    { deleteOne: { filter: { _id: 2 as never } } },
    { replaceOne: { filter: { _id: 3 as never }, replacement: { a: 2 }, upsert: true } },
  ]);
  assert.deepEqual([result.modifiedCount, result.deletedCount, result.upsertedCount], [1, 1, 1]);
});
