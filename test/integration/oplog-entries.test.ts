// Entries of the oplog as real servers write them, each applied to a database by itself.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type Document, Long, serialize, Timestamp } from "bson";
import type { MongoSandboxOptions } from "../../packages/sandbox/mongo/sandbox.ts";
import { withMongo } from "../../src/engines/mongodb/connect/connect.ts";
import { readEntry } from "../../src/engines/mongodb/oplog/entry.ts";
import { namesFor } from "../../src/engines/mongodb/oplog/names.ts";
import { beginApplying } from "../../src/engines/mongodb/oplog/replay.ts";
import type { MongoWorld } from "../support/mongo-world.ts";
import { connectionTo, mongoWorld } from "../support/oplog.ts";

interface Thing {
  readonly _id: string | number;
  readonly [field: string]: unknown;
}

let increment = 0;

const entry = (op: string, ns: string, o: Document, more: Document = {}): Uint8Array =>
  serialize({
    op,
    ns,
    o,
    ...more,
    ts: new Timestamp({ t: 1_790_000_000, i: ++increment }),
    t: Long.ONE,
    v: Long.fromNumber(2),
    wall: new Date(),
  });

const insert = (document: Document): Uint8Array => entry("i", "shop.things", document, { o2: { _id: document._id } });
const replace = (document: Document): Uint8Array => entry("u", "shop.things", document, { o2: { _id: document._id } });
const change = (_id: unknown, diff: Document): Uint8Array => entry("u", "shop.things", { $v: 2, diff }, { o2: { _id } });
const remove = (_id: unknown): Uint8Array => entry("d", "shop.things", { _id });
/** A change of another collection, before which all pending changes are applied. */
const between = (): Uint8Array => entry("c", "shop.$cmd", { create: `other${++increment}` });

async function world(t: TestContext, options: MongoSandboxOptions = {}): Promise<MongoWorld> {
  const made = await mongoWorld(t, options);
  await made.db().createCollection("things");
  return made;
}

async function apply(target: MongoWorld, entries: readonly Uint8Array[]): Promise<void> {
  const connection = connectionTo(target, "shop");
  await withMongo(connection, {}, async (session) => {
    const applier = await beginApplying(session, namesFor(connection, ["shop"], undefined, {}));
    for (const bytes of entries) await applier.take(readEntry(bytes));
    await applier.end();
  });
}

const things = async (target: MongoWorld): Promise<Document[]> =>
  await target
    .db()
    .collection("things")
    .find({}, { sort: { _id: 1 } })
    .toArray();

test("R28 a change blocked by a later state is not lost when the document changes again", async (t) => {
  const target = await world(t);
  // Read while it was written: `a` as it was before all this, `b` as it is afterwards.
  await target
    .db()
    .collection<Thing>("things")
    .insertMany([
      { _id: "a", key: 1, word: "old" },
      { _id: "b", key: 5 },
    ]);
  await target.db().collection("things").createIndex({ key: 1 }, { unique: true });
  await apply(target, [
    change("a", { u: { key: 5, word: "new" } }),
    between(),
    change("a", { u: { key: 6 } }),
    between(),
    replace({ _id: "b", key: 5 }),
  ]);
  assert.deepEqual(await things(target), [
    { _id: "a", key: 6, word: "new" },
    { _id: "b", key: 5 },
  ]);
});

test("R28 a comparison of the members' data is not a change", async (t) => {
  const target = await world(t);
  const check = { dbCheck: "shop.things", type: "batch", md5: "x", minKey: 1, maxKey: 2 };
  await apply(target, [insert({ _id: 1 }), entry("c", "shop.$cmd", check), insert({ _id: 2 })]);
  assert.deepEqual(await things(target), [{ _id: 1 }, { _id: 2 }]);
});

test("R28 fields whose names begin with a dollar are replayed as they are", async (t) => {
  const target = await world(t);
  await apply(target, [
    insert({ _id: 1, $price: 5 }),
    insert({ _id: 2, plain: 1 }),
    change(2, { i: { $price: 6 } }),
    insert({ _id: 3, $gone: 1 }),
    remove(3),
  ]);
  assert.deepEqual(await things(target), [
    { _id: 1, $price: 5 },
    { _id: 2, plain: 1, $price: 6 },
  ]);
  const updates = target.sandbox.faults.seen.filter(({ command }) => command === "update");
  assert.equal(
    updates.reduce((sum, { documents }) => sum + documents, 0),
    1,
    "a server takes no such name in what replaces a document",
  );
});

test("R28 an empty timestamp stays one, or the replay says that this server cannot keep it", async (t) => {
  const target = await world(t);
  const empty = new Timestamp({ t: 0, i: 0 });
  await apply(target, [insert({ _id: 1, at: empty })]);
  const [update] = target.sandbox.faults.seen.filter(({ command }) => command === "update");
  assert.equal(update?.body.bypassEmptyTsReplacement, true);
  const old = await world(t, { version: "7.0.14" });
  await apply(old, [insert({ _id: 1, at: new Timestamp({ t: 1, i: 1 }) }), insert({ _id: 2, within: { at: empty } })]);
  await assert.rejects(apply(old, [insert({ _id: 3, at: empty })]), { code: "LOG_INVALID" });
});

test("R28 differences of many large documents are replayed some at a time", async (t) => {
  const target = await world(t);
  const text = "x".repeat(3_000_000);
  for (let _id = 0; _id < 16; _id++) await target.db().collection<Thing>("things").insertOne({ _id, text, n: 0 });
  await apply(
    target,
    Array.from({ length: 32 }, (_, i) => change(i % 16, { u: { n: i } })),
  );
  assert.deepEqual(
    (await things(target)).map(({ n, text: { length } }) => [n, length]),
    Array.from({ length: 16 }, (_, i) => [i + 16, 3_000_000]),
  );
});
