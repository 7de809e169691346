// Transactions of the sandbox's MongoDB server: seen whole or not at all, by readers, by the log, and by the past.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Document, deserialize } from "bson";
import { MongoClient, MongoServerError } from "mongodb";
import { bytesOf } from "../../src/sandbox/mongo/raw.ts";
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
