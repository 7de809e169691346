// The real mongosh against the sandbox: a login, what a script does, and what a curious user types.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EJSON } from "bson";
import { fillDataset } from "../support/mongo-dataset.ts";
import { beginMongoWorld, type MongoWorld } from "../support/mongo-world.ts";
import { type Mongosh, needMongosh, openMongosh } from "../support/mongosh.ts";

const USER = { user: "owner", password: "p@ss:w/rd é%" };

let world: MongoWorld;
let shell: Mongosh;
before(async () => {
  world = await beginMongoWorld({ users: [USER] });
  shell = await openMongosh();
});
after(async () => {
  await shell[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

/** What a session shows, a line of input after the other, without its prompts. */
async function typed(url: string, lines: readonly string[]): Promise<string[]> {
  const { status, stdout, stderr } = await shell.session(url, lines);
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "");
  return stdout
    .split(/rs0 \[primary\] \w+> /)
    .slice(1)
    .map((shown) => shown.trim());
}

/** Values of expressions, one after the other in one shell. */
const inOrder = (url: string, scripts: readonly string[]): Promise<unknown[]> => shell.value(url, `[${scripts.join(",\n")}]`);

test("R54 mongosh enters by SCRAM with the right password, and with no other", async (t) => {
  if (!needMongosh(t)) return;
  const who = "db.runCommand({ connectionStatus: 1 }).authInfo.authenticatedUsers";
  assert.deepEqual(await shell.value(world.url("shop"), who), [{ user: USER.user, db: "admin" }]);
  for (const mechanism of ["SCRAM-SHA-1", "SCRAM-SHA-256"]) {
    assert.deepEqual(await shell.value(`${world.url("shop")}&authMechanism=${mechanism}`, "db.getName()"), "shop");
  }
  const wrong = new URL(world.url("shop"));
  wrong.password = "wrong";
  const refused = await shell.run([wrong.href, "--eval", "1"]);
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /Authentication failed/);
  wrong.username = wrong.password = "";
  const stranger = await shell.run([wrong.href, "--eval", "db.things.find().toArray()"]);
  assert.notEqual(stranger.status, 0);
  assert.match(stranger.stderr, /requires authentication/);
});

test("R54 mongosh writes, reads, counts, aggregates and removes", async (t) => {
  if (!needMongosh(t)) return;
  const url = world.url("crud");
  const documents = "[{ _id: 1, name: 'Ada', n: 5 }, { _id: 2, name: 'Bo', n: Long('7') }, { _id: 3, name: 'Cy', tags: ['a', 'b'] }]";
  const group = "{ _id: null, sum: { $sum: '$n' }, count: { $count: {} } }";
  const steps: readonly (readonly [string, unknown])[] = [
    [`db.users.insertMany(${documents})`, { acknowledged: true, insertedIds: { 0: 1, 1: 2, 2: 3 } }],
    [
      "db.users.find({ n: { $gte: 5 } }).sort({ _id: -1 }).toArray()",
      [
        { _id: 2, name: "Bo", n: 7 },
        { _id: 1, name: "Ada", n: 5 },
      ],
    ],
    ["db.users.countDocuments({ tags: 'b' })", 1],
    ["db.users.estimatedDocumentCount()", 3],
    ["db.users.distinct('name')", ["Ada", "Bo", "Cy"]],
    [`db.users.aggregate([{ $match: { n: { $exists: true } } }, { $group: ${group} }]).toArray()`, [{ _id: null, sum: 12, count: 2 }]],
    ["db.users.updateMany({ n: { $lt: 7 } }, { $inc: { n: 1 }, $set: { seen: true } }).modifiedCount", 1],
    ["db.users.updateOne({ _id: 9 }, { $set: { a: 1 } }, { upsert: true }).upsertedCount", 1],
    ["db.users.findOneAndUpdate({ _id: 1 }, { $unset: { seen: 1 } }, { returnDocument: 'after' })", { _id: 1, name: "Ada", n: 6 }],
    ["db.users.deleteMany({ _id: { $gt: 2 } })", { acknowledged: true, deletedCount: 2 }],
    ["db.users.bulkWrite([{ insertOne: { document: { _id: 4 } } }, { deleteOne: { filter: { _id: 1 } } }]).deletedCount", 1],
    ["db.users.find({}, { _id: 1 }).toArray()", [{ _id: 2 }, { _id: 4 }]],
  ];
  assert.deepEqual(
    await inOrder(
      url,
      steps.map(([script]) => script),
    ),
    steps.map(([, expected]) => expected),
  );
});

test("R54 mongosh reads thousands of documents batch after batch", async (t) => {
  if (!needMongosh(t)) return;
  await fillDataset(world.db("many"), { only: ["many"] });
  const script = "let n = 0, sum = 0; for (const d of db.many.find().batchSize(500)) { n++; sum += d.i }; ({ n, sum })";
  assert.deepEqual(await shell.value(world.url("many"), script), { n: 10_000, sum: 49_995_000 });
});

test("R54 mongosh sees every BSON type as the driver does", async (t) => {
  if (!needMongosh(t)) return;
  await fillDataset(world.db("types"), { only: ["types", "names"] });
  // Without what mongosh itself cannot print: dates beyond JavaScript's, options that its regular expressions do not have, and names
  // that its library keeps for itself.
  const filter = { _id: { $not: /what JavaScript knows|regex options|every type|names of JavaScript/ } };
  for (const name of ["every type", "every name"]) {
    const script = `db.getCollection('${name}').find({ _id: { $not: ${filter._id.$not} } }).toArray()`;
    const ended = await shell.run([world.url("types"), "--json=canonical", "--eval", script]);
    assert.equal(ended.status, 0, ended.stdout);
    const driver = await world.db("types").collection(name).find(filter, { promoteLongs: false }).toArray();
    assert.ok(driver.length > 10);
    assert.deepEqual(JSON.parse(ended.stdout), JSON.parse(EJSON.stringify(driver, { relaxed: false })), name);
  }
});

test("R54 mongosh makes collections, indexes, validators and views, and lists them as they are", async (t) => {
  if (!needMongosh(t)) return;
  const url = world.url("kinds");
  const indexes = [
    { v: 2, key: { _id: 1 }, name: "_id_" },
    { v: 2, key: { a: 1 }, name: "a_1", unique: true, sparse: true },
  ];
  const steps: readonly (readonly [string, unknown])[] = [
    ["db.createCollection('log', { capped: true, size: 4096, max: 2 }).ok", 1],
    ["db.createCollection('strict', { validator: { $jsonSchema: { required: ['a'] } } }).ok", 1],
    ["db.log.insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3 }]).acknowledged", true],
    ["db.log.find().toArray()", [{ _id: 2 }, { _id: 3 }]],
    ["db.strict.createIndex({ a: 1 }, { unique: true, sparse: true })", "a_1"],
    ["db.strict.insertOne({ _id: 1, a: 1 }).insertedId", 1],
    ["db.createView('few', 'strict', [{ $match: { a: 1 } }, { $project: { _id: 0 } }]).ok", 1],
    ["db.few.find().toArray()", [{ a: 1 }]],
    ["db.strict.getIndexes()", indexes],
    ["db.getCollectionInfos({ name: 'strict' })[0].options.validator", { $jsonSchema: { required: ["a"] } }],
  ];
  assert.deepEqual(
    await inOrder(
      url,
      steps.map(([script]) => script),
    ),
    steps.map(([, expected]) => expected),
  );
  for (const [script, says] of [
    ["db.strict.insertOne({ b: 1 })", /Document failed validation/],
    ["db.strict.insertOne({ a: 1 })", /E11000 duplicate key/],
    ["db.createCollection('strict', { capped: true, size: 1 })", /already exists/],
    ["db.runCommand({ nosuch: 1 })", /no such command: 'nosuch'/],
  ] as const) {
    const refused = await shell.run([url, "--eval", script]);
    assert.notEqual(refused.status, 0, script);
    assert.match(refused.stderr + refused.stdout, says);
  }
});

test("R54 a curious user finds what he looks for", async (t) => {
  if (!needMongosh(t)) return;
  const url = world.url("curious");
  await world
    .db("curious")
    .collection<{ _id: number; name: string }>("people")
    .insertMany([
      { _id: 1, name: "Ada" },
      { _id: 2, name: "Bo" },
    ]);
  const asked: readonly (readonly [string, string | RegExp])[] = [
    ["show dbs", /^admin .*curious /s],
    ["show collections", "people"],
    ["db", "curious"],
    ["db.people.find()", "[ { _id: 1, name: 'Ada' }, { _id: 2, name: 'Bo' } ]"],
    ["db.people.findOne({ name: /^b/i })", "{ _id: 2, name: 'Bo' }"],
    ["db.people.countDocuments()", "2"],
    ["db.people.getIndexes()", "[ { v: 2, key: { _id: 1 }, name: '_id_' } ]"],
    ["db.people.stats().count", "2"],
    ["db.stats().collections", /^(Long\('1'\)|1)$/],
    ["db.version()", /^\d+\.\d+\.\d+$/],
    ["db.hello().isWritablePrimary", "true"],
    ["rs.status().members[0].stateStr", "PRIMARY"],
    ["rs.conf()._id", "rs0"],
    ["db.getSiblingDB('admin').getUsers().users.map((u) => u.user)", "[ 'owner' ]"],
    ["db.serverStatus().ok", "1"],
    ["db.people.explain().find({ _id: 1 })", /queryPlanner|^$/],
    [
      "db.getSiblingDB('local').oplog.rs.find({ op: 'i', ns: 'curious.people' }, { o: 1, _id: 0 }).sort({ $natural: -1 }).limit(1)",
      "[ { o: { _id: 2, name: 'Bo' } } ]",
    ],
    ["db.people.renameCollection('folk')", "{ ok: 1 }"],
    ["show tables", "folk"],
    ["db.folk.drop()", "true"],
    ["db.folk.bar()", /is not a function/],
    ["use elsewhere", "switched to db elsewhere"],
    ["db.x.insertOne({ _id: 1 })", "{ acknowledged: true, insertedId: 1 }"],
    ["db.dropDatabase()", "{ ok: 1, dropped: 'elsewhere' }"],
  ];
  const shown = await typed(
    url,
    asked.map(([line]) => line),
  );
  for (const [i, [line, expected]] of asked.entries()) {
    if (typeof expected === "string") assert.equal(shown[i], expected, line);
    else assert.match(shown[i] ?? "", expected, line);
  }
});

test("R54 mongosh connects only to the sandbox", async (t) => {
  if (!needMongosh(t)) return;
  await typed(world.url("shop"), ["db.hello().ok"]);
  assert.deepEqual(shell.strangers, []);
});
