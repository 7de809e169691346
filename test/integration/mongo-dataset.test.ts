// The set of every BSON type and every kind of collection, in the sandbox: what goes in comes out byte for byte, now and from the past.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Db, Document } from "mongodb";
import { ALL_PARTS, fillDataset, LARGEST_BYTES, loadPublicData, skipWithoutPublicData } from "../support/mongo-dataset.ts";
import { fingerprintOf } from "../support/mongo-fingerprint.ts";
import { document, elementsOf, insertRaw } from "../support/mongo-raw.ts";
import { documentsOfBrokenText, documentsOfIds, documentsOfNames, documentsOfTypes } from "../support/mongo-types.ts";
import { beginMongoWorld, beginWriter, changeOneField, type Moment, type MongoWorld, removeOneDocument } from "../support/mongo-world.ts";

async function rawOf(db: Db, collection: string, filter: Document = {}): Promise<Buffer[]> {
  const found = await db.collection(collection).find(filter, { raw: true }).toArray();
  return found.map((each) => Buffer.from(each as unknown as Uint8Array));
}

for (const [what, documents] of Object.entries({
  "every BSON type": documentsOfTypes(),
  "every type of _id": documentsOfIds(),
  "every way to name and order fields": documentsOfNames(),
  "text that is not UTF-8": documentsOfBrokenText(),
})) {
  test(`R54 the sandbox gives documents of ${what} back byte for byte`, async () => {
    await using world = await beginMongoWorld();
    await insertRaw(world.db(), "c", documents);
    const found = await rawOf(world.db(), "c");
    assert.deepEqual(
      found.map((each) => each.toString("hex")),
      documents.map((each) => each.toString("hex")),
    );
  });
}

test("R54 the sandbox holds the whole data set: every count, option and index, now and as a past state", async () => {
  await using world = await beginMongoWorld();
  const filled = await fillDataset(world.db());
  const fingerprints = await fingerprintOf(world.db());
  for (const [name, count] of filled) {
    assert.equal(await world.db().collection(name).countDocuments(), count, name);
    if (fingerprints[name]?.type !== "timeseries") assert.equal(fingerprints[name]?.count, count, name);
  }
  assert.deepEqual(
    [...new Set(Object.values(fingerprints).map(({ type }) => type))].sort(),
    ["collection", "timeseries", "view"],
    "kinds of collections",
  );
  assert.equal(fingerprints["capped by count"]?.options.max, 5);
  assert.equal(fingerprints.validated?.options.validator.$jsonSchema.bsonType, "object");
  assert.equal(fingerprints.collated?.options.collation.locale, "fr");
  assert.equal(fingerprints.clustered?.options.clusteredIndex.name, "by id");
  assert.equal(fingerprints.weather?.options.timeseries.metaField, "station");
  assert.equal(fingerprints["view on a view"]?.options.viewOn, "view");
  assert.equal(fingerprints["view on a view"]?.count, 2);
  assert.equal(fingerprints.indexed?.indexes.length, 14);

  await using past = await beginMongoWorld({ state: world.sandbox.stateAt(new Date(), "through") });
  assert.deepEqual(await fingerprintOf(past.db()), fingerprints);
});

test("R54 a document of just the size that a server takes is taken, and one byte more is refused", async () => {
  await using world = await beginMongoWorld();
  await fillDataset(world.db(), { only: ["large"] });
  const [largest] = await rawOf(world.db(), "large", { _id: 0 });
  assert.equal(largest?.length, LARGEST_BYTES);
  const tooLarge = document(elementsOf({ _id: "x", filler: "x".repeat(LARGEST_BYTES) }));
  await assert.rejects(insertRaw(world.db(), "large", [tooLarge]));
});

test("R54 one changed field or missing document changes only the fingerprint of its collection", async () => {
  await using world = await beginMongoWorld();
  const db = world.db();
  await fillDataset(db, { only: ["plain", "validated", "many"] });
  const before = await fingerprintOf(db);
  await changeOneField(db, "plain");
  const changed = await fingerprintOf(db);
  assert.notEqual(changed.plain?.digest, before.plain?.digest);
  assert.deepEqual({ ...changed, plain: 0 }, { ...before, plain: 0 });
  await removeOneDocument(db, "many");
  const removed = await fingerprintOf(db);
  assert.equal(removed.many?.count, (before.many?.count ?? 0) - 1);
  assert.deepEqual({ ...removed, many: 0 }, { ...changed, many: 0 });
});

test("R54 a past state equals the state that a writer recorded before that second", async () => {
  // A hundred times as fast as ours: a few writes fall into each of its seconds.
  const begun = Date.now();
  await using world = await beginMongoWorld({ clock: () => new Date(begun + 100 * (Date.now() - begun)) });
  const moments = await beginWriter(world, { writes: 60, seed: 7, everyMs: 2 }).finish();
  assert.equal(moments.length, 60);
  const fingerprints = await Promise.all(moments.map((moment) => moment.fingerprint()));
  assert.equal(new Set(fingerprints.map((each) => JSON.stringify(each))).size, 60, "every write makes a state of its own");
  assert.deepEqual(fingerprints.at(-1), await fingerprintOf(world.db()));
  const seconds = new Set(moments.map(({ wall }) => Math.floor(wall.getTime() / 1000)));
  assert.ok(seconds.size > 10);
  for (const second of seconds) {
    const last = moments.findLastIndex(({ wall }) => wall.getTime() < second * 1000);
    if (await hasBegun(world, moments[last + 1], moments[last], second)) continue;
    await using past = await beginMongoWorld({ state: world.sandbox.stateAt(new Date(second * 1000), "before") });
    assert.deepEqual(
      await fingerprintOf(past.db()),
      fingerprints[last] ?? Object.create(null),
      `before ${new Date(second * 1000).toISOString()}`,
    );
  }
});

/** Tells whether the second begins in the middle of a write: one that creates its collection has two entries. */
async function hasBegun(world: MongoWorld, next: Moment | undefined, last: Moment | undefined, second: number): Promise<boolean> {
  const after = last === undefined ? {} : { ts: { $gt: last.position } };
  const before = { wall: { $lt: new Date(second * 1000) }, op: { $ne: "n" } };
  const entries = world.client.db("local").collection("oplog.rs");
  return next !== undefined && (await entries.countDocuments({ ...after, ...before })) > 0;
}

test("R54 the public data sets are fingerprints as they are", { skip: skipWithoutPublicData() }, async () => {
  await using world = await beginMongoWorld();
  const loaded = await loadPublicData(world.db());
  assert.ok(loaded.size > 0);
  for (const [name, count] of loaded) assert.equal(await world.db().collection(name).countDocuments(), count, name);
});

test("the set says which parts it has when it is asked for one that it does not have", async () => {
  await using world = await beginMongoWorld();
  await assert.rejects(fillDataset(world.db(), { only: ["nothing"] }), new RegExp(ALL_PARTS[0] ?? "-"));
});
