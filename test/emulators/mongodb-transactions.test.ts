// Transactions of the sandbox's MongoDB server: seen whole or not at all, by readers, by the log, and by the past.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Document, deserialize } from "bson";
import { MongoClient, MongoServerError } from "mongodb";
import { bytesOf } from "../../packages/sandbox/mongo/raw.ts";
import { beginMongoWorld } from "../support/mongo-world.ts";

const codeOf = async (act: Promise<unknown>): Promise<number | string | undefined> =>
  act.then(
    () => undefined,
    (error: unknown) => (error instanceof MongoServerError ? error.code : String(error)),
  );

test("R54 what a transaction writes is seen by it alone until it is committed, then by all at one position", async () => {
  await using world = await beginMongoWorld({ noopEveryMs: 0 });
  const users = world.db().collection<Document>("users");
  await users.insertMany([
    { _id: 1 as never, n: 1 },
    { _id: 2 as never, n: 1 },
  ]);
  const before = world.sandbox.position();
  const session = world.client.startSession();
  session.startTransaction();
  await users.updateOne({ _id: 1 as never }, { $inc: { n: 1 } }, { session });
  await users.updateOne({ _id: 1 as never }, { $inc: { n: 1 } }, { session });
  await users.deleteOne({ _id: 2 as never }, { session });
  await users.insertOne({ _id: 3 as never }, { session });
  const all = [{ _id: 1, n: 3 }, { _id: 3 }];
  assert.deepEqual(await users.find({}, { session }).toArray(), all);
  assert.deepEqual(await users.find().toArray(), [
    { _id: 1, n: 1 },
    { _id: 2, n: 1 },
  ]);
  assert.deepEqual([await users.findOne({ _id: 3 as never }), await users.estimatedDocumentCount()], [null, 2]);
  const other = users.insertOne({ _id: 4 as never });
  await session.commitTransaction();
  await other;
  await session.endSession();
  assert.deepEqual(await users.find({}).toArray(), [...all, { _id: 4 }]);
  const entries = await world.client
    .db("local")
    .collection<Document>("oplog.rs")
    .find({ ns: { $in: ["admin.$cmd", "shop.users"] } })
    .toArray();
  const [entry] = entries.filter(({ op }) => op === "c");
  assert.deepEqual(
    entry?.o.applyOps.map(({ op, ns, o }: Document) => [op, ns, o]),
    [
      ["u", "shop.users", { _id: 1, n: 2 }],
      ["u", "shop.users", { _id: 1, n: 3 }],
      ["d", "shop.users", { _id: 2 }],
      ["i", "shop.users", { _id: 3 }],
    ],
  );
  const at = { t: entry?.ts.t, i: entry?.ts.i };
  const read = (rule: "before" | "through"): Document[] =>
    [...(world.sandbox.stateAt(at, rule).collections[0]?.documents() ?? [])].map((raw) => deserialize(bytesOf(raw)));
  assert.deepEqual(
    [read("before"), read("through")],
    [
      [
        { _id: 1, n: 1 },
        { _id: 2, n: 1 },
      ],
      all,
    ],
  );
  assert.ok(at.i > before.i || at.t > before.t);
});

test("R54 a transaction that is aborted, or fails, or whose client went away has never been", async () => {
  await using world = await beginMongoWorld({ noopEveryMs: 0 });
  const users = world.db().collection<Document>("users");
  await users.createIndex({ n: 1 }, { unique: true });
  await users.insertMany([
    { _id: 1 as never, n: 1 },
    { _id: 2 as never, n: 2 },
  ]);
  const session = world.client.startSession();
  session.startTransaction();
  await users.deleteOne({ _id: 1 as never }, { session });
  await users.insertOne({ _id: 3 as never, n: 1 }, { session });
  await session.abortTransaction();
  assert.deepEqual(await users.find().toArray(), [
    { _id: 1, n: 1 },
    { _id: 2, n: 2 },
  ]);
  assert.equal(await codeOf(users.insertOne({ n: 1 })), 11000);
  session.startTransaction();
  await users.insertOne({ _id: 4 as never, n: 4 }, { session });
  assert.equal(await codeOf(users.insertOne({ n: 4 }, { session, bypassDocumentValidation: true })), 11000);
  assert.equal(await codeOf(users.find({}, { session }).toArray()), 251);
  await session.abortTransaction();
  session.startTransaction();
  await users.insertOne({ _id: 5 as never, n: 5 }, { session });
  await session.endSession();
  assert.equal(await users.countDocuments(), 2);
  assert.deepEqual(await world.client.db("local").collection("oplog.rs").find({ ns: "admin.$cmd" }).toArray(), []);
});

test("R54 of two transactions that write one is told of the conflict, and succeeds when it tries again", async () => {
  await using world = await beginMongoWorld({ noopEveryMs: 0, transactionEntryOps: 2 });
  const users = world.db().collection<Document>("users");
  await users.insertOne({ _id: 0 as never });
  const [first, second] = [world.client.startSession(), world.client.startSession()];
  first.startTransaction();
  await users.insertOne({ _id: 1 as never }, { session: first });
  let tries = 0;
  const trying = second.withTransaction(async () => {
    tries++;
    await users.insertMany([2, 3, 4, 5, 6].map((_id) => ({ _id })) as never, { session: second });
  });
  while (tries < 2) await new Promise((resolve) => setImmediate(resolve));
  await first.commitTransaction();
  await trying;
  await Promise.all([first.endSession(), second.endSession()]);
  assert.equal(await users.countDocuments(), 7);
  const entries = await world.client.db("local").collection<Document>("oplog.rs").find({ ns: "admin.$cmd" }).toArray();
  const shape = entries.map(({ o, prevOpTime }) => [o.applyOps.length, o.partialTxn, o.count, prevOpTime.t]);
  assert.deepEqual(shape, [
    [1, undefined, undefined, -1],
    [2, true, undefined, -1],
    [2, true, undefined, 1],
    [1, undefined, 5, 1],
  ]);
  assert.equal(String(entries[2]?.prevOpTime.ts), String(entries[1]?.ts));
});

test("R54 the driver's own transactions run with retryable writes around them", async () => {
  await using world = await beginMongoWorld({ noopEveryMs: 0 });
  const client = new MongoClient(world.sandbox.url);
  try {
    const users = client.db("shop").collection<Document>("users");
    await users.insertOne({ n: 0 });
    await client.withSession((session) => session.withTransaction(async () => users.updateMany({}, { $inc: { n: 1 } }, { session })));
    assert.equal((await users.findOne())?.n, 1);
  } finally {
    await client.close();
  }
});

test("R54 a log done again on an empty server, entry after entry, makes the same data and definitions", async () => {
  await using world = await beginMongoWorld({ noopEveryMs: 0, updateDiffs: true, transactionEntryOps: 1000 });
  await using copy = await beginMongoWorld({ noopEveryMs: 0 });
  const db = world.db();
  const users = db.collection<Document>("users");
  await users.insertMany(
    Array.from({ length: 5 }, (_, n) => ({
      _id: n as never,
      n,
      deep: { list: [1, 2, 3], text: "x".repeat(50) },
      filling: "y".repeat(200),
    })),
  );
  await users.createIndex({ n: 1 }, { unique: true });
  await users.updateMany({ n: { $gt: 1 } }, {
    $inc: { n: 100 },
    $set: { "deep.list.1": 9, fresh: true },
    $unset: { filling: "" },
  } as never);
  await users.updateOne({ _id: 0 as never }, { $push: { "deep.list": 4 }, $rename: { filling: "filled" } } as never);
  await users.updateOne({ _id: 1 as never }, { $pop: { "deep.list": 1 } } as never);
  await users.replaceOne({ _id: 3 as never }, { n: -1 });
  await world.client.withSession((session) =>
    session.withTransaction(async () => {
      await users.deleteOne({ _id: 4 as never }, { session });
      await users.updateOne({ _id: 0 as never }, { $set: { "deep.text": "z" } }, { session });
    }),
  );
  await db.createCollection("view", { viewOn: "people", pipeline: [{ $match: { n: 0 } }] });
  await db.createCollection("gone", { capped: true, size: 4096 });
  await db.createCollection("series", { timeseries: { timeField: "at", metaField: "m" } });
  await db.collection("series").insertMany([
    { at: new Date(5), m: 1, v: 1 },
    { at: new Date(6), m: 1, v: 2 },
  ]);
  await db.collection("gone").drop();
  await users.rename("people");
  await db.command({ collMod: "people", validator: { n: { $exists: true } } });
  const oplog = world.client.db("local").collection<Document>("oplog.rs");
  const diffs = await oplog.countDocuments({ op: "u", "o.$v": 2 });
  assert.ok(diffs >= 5, `only ${diffs} updates came as differences`);
  for await (const entry of oplog.find({}, { promoteValues: false })) await copy.client.db("admin").command({ applyOps: [entry] });
  for (const name of ["people", "view", "series", "system.buckets.series"]) {
    const raw = async (of: typeof world) =>
      (await of.db().collection(name).find({}, { raw: true }).toArray()).map((bytes) =>
        Buffer.from(bytes as unknown as Uint8Array).toString("hex"),
      );
    const expected = await raw(world);
    assert.ok(expected.length > 0);
    assert.deepEqual(await raw(copy), expected, name);
  }
  const definitions = async (of: typeof world): Promise<unknown> => {
    const all = (await of.db().listCollections().toArray()) as Document[];
    return Promise.all(
      all.map(async ({ name, type, options }) => [
        name,
        type,
        options,
        type === "view"
          ? []
          : await of
              .db()
              .collection(name)
              .indexes()
              .catch(() => []),
      ]),
    );
  };
  const sorted = (rows: unknown): unknown => (rows as [string][]).toSorted(([a], [b]) => (a < b ? -1 : 1));
  assert.deepEqual(sorted(await definitions(copy)), sorted(await definitions(world)));
});
