// Documents brought back into a live MongoDB database by `_id`, and the way back: by the real program, against sandboxes.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { Long, ObjectId } from "bson";
import { openMongoEngine } from "../../src/engines/mongodb/engine.ts";
import { beginComparison } from "../../src/engines/mongodb/merge/compare.ts";
import { beginMerge } from "../../src/engines/mongodb/merge/merge.ts";
import type { Probe } from "../../src/ports/probe.ts";
import { statusOf, until } from "../support/archive.ts";
import { cases } from "../support/every.ts";
import { fingerprintOf } from "../support/mongo-fingerprint.ts";
import { connectionTo, mongoWorld } from "../support/oplog.ts";
import { beginWorld } from "../support/program.ts";

type Id = number | string | Date | Long | ObjectId;

test("R10 R22 documents merged into a live MongoDB equal the backup, and undo gives back what was before", async (t) => {
  const [source, scratch] = await Promise.all([mongoWorld(t), mongoWorld(t)]);
  const db = source.db("shop");
  const users = db.collection<{ _id: Id; n: number; tags?: string[] }>("users");
  const ids: Id[] = [
    ...Array.from({ length: 40 }, (_none, n) => n),
    ...Array.from({ length: 40 }, () => new ObjectId()),
    "a",
    "ä",
    "z",
    1.5,
    new Date(0),
  ];
  await users.insertMany(ids.map((_id, n) => ({ _id, n })));
  await users.insertOne({ _id: Long.fromString("9007199254740993"), n: -1 });
  await db.createCollection("recent", { capped: true, size: 100_000 });
  const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: source.url("shop"), scratch: scratch.url("scratch") } } });
  const { id } = (await world.expect(0, "backup", "shop", "--json")).json().made[0];
  const backedUp = await fingerprintOf(db);
  const merge = (...args: string[]) => ["restore", "shop", "--to", id, "--merge", "--tables", "users", ...args];
  for (let round = 0; round < cases(20, 1); round++) {
    const victims = ids.filter(() => randomInt(3) === 0);
    for (const [index, _id] of victims.entries()) {
      const filter = { _id };
      if (index % 2 === 0) await users.deleteOne(filter);
      else await users.updateOne(filter, { $set: { n: -5, tags: ["lost"] } });
    }
    await users.insertOne({ _id: `later ${round}`, n: 1 });
    const damaged = await fingerprintOf(db);
    const deleteExtra = ["--delete-extra", "--yes", "shop", "--json"];
    const plan = (await world.expect(0, ...merge("--plan", "--json"))).json();
    const [planned] = plan.merge.tables;
    assert.deepEqual([planned.insert + planned.update, planned.delete, planned.extra], [victims.length, 0, 1], JSON.stringify(plan.merge));
    const done = (await world.expect(0, ...merge(...deleteExtra))).json();
    assert.equal(done.verdict, "pass", JSON.stringify(done.checks));
    assert.deepEqual(await fingerprintOf(db), backedUp);
    await world.expect(0, "undo", done.job, "--yes", "shop", "--json");
    assert.deepEqual(await fingerprintOf(db), damaged);
    await world.expect(0, ...merge(...deleteExtra));
    assert.deepEqual(await fingerprintOf(db), backedUp);
  }
  const equal = (await world.expect(0, ...merge("--yes", "shop", "--json"))).json();
  assert.ok(equal.checks.some(({ name, outcome }: { name: string; outcome: string }) => name === "merge" && outcome === "pass"));
  await world.expect(3, ...merge("--where", '{"n":12345}', "--yes", "shop"));
  await users.updateOne({ _id: 7 }, { $set: { n: -7 } });
  const some = (await world.expect(0, ...merge("--where", '{"n":{"$lt":0}}', "--yes", "shop", "--json"))).json();
  assert.deepEqual([some.verdict, await fingerprintOf(db)], ["pass", backedUp]);
  await users.updateOne({ _id: 7 }, { $set: { n: 8 } });
  const undone = (await world.expect(3, "undo", some.job, "--yes", "shop", "--json")).json();
  assert.deepEqual(undone.tables[0].changedKeys, ["7"], "a document that changed since is left alone");
  assert.deepEqual((await users.findOne({ _id: 7 }))?.n, 8);
  const compared = (await world.expect(1, "compare", "shop", "--to", id, "--tables", "users", "--json")).json();
  assert.deepEqual(compared.tableRows[0].firstRows, [{ keyValues: { _id: "7" }, change: "changed" }]);
  const capped = await world.run("restore", "shop", "--to", id, "--merge", "--tables", "recent", "--yes", "shop", "--json");
  assert.deepEqual([capped.code, /capped/.test(capped.message ?? "")], ["MERGE_REFUSED", true]);
  await world.assertNothingLeft();
});

test("R10 collections born or renamed after the dump are merged by the oplog; others are refused", async (t) => {
  const [source, scratch] = await Promise.all([mongoWorld(t, { noopEveryMs: 500 }), mongoWorld(t)]);
  const db = source.db("shop");
  const documents = Array.from({ length: 20 }, (_none, _id) => ({ _id, n: _id }));
  const of = (name: string) => db.collection<{ _id: number; n: number }>(name);
  await of("old").insertMany(documents);
  await of("dropped").insertMany(documents);
  await db.createCollection("recent", { capped: true, size: 100_000 });
  await db.createCollection("heat", { timeseries: { timeField: "at" } });
  await db.createCollection("seen", { viewOn: "old", pipeline: [] });
  const world = await beginWorld(t, {
    sources: {},
    mongo: { shop: { url: source.url("shop"), scratch: scratch.url("scratch") } },
    source: "policy: pitr, archive: { partialEvery: 1s }",
    yaml: "policies: { pitr: { window: 7d } }\n",
  });
  await world.expect(0, "backup", "shop");
  const archiving = world.start("archive", "shop");
  await of("born").insertMany(documents);
  await of("old").rename("renamed");
  await of("renamed").updateOne({ _id: 3 }, { $set: { n: 33 } });
  const wanted = await fingerprintOf(db);
  const at = new Date().toISOString();
  await of("born").insertOne({ _id: 100, n: 100 }); // later than the instant
  await until("the window reaches the instant", async () => (await statusOf(world)).window?.latest > at);
  archiving.kill("SIGTERM");
  assert.equal((await archiving.ended).exit, 0);
  await of("born").deleteMany({ _id: { $lt: 10 } });
  await of("renamed").deleteMany({});
  await of("dropped").drop();
  await of("late").insertMany(documents);
  const merge = (...args: string[]) => ["restore", "shop", "--to", at, "--merge", "--yes", "shop", "--json", "--tables", ...args];
  await world.expect(0, ...merge("born,renamed", "--delete-extra"));
  const now = await fingerprintOf(db);
  assert.deepEqual([now.born, now.renamed], [wanted.born, wanted.renamed]);
  for (const [name, why, hint] of [
    ["recent", /capped/, /--tables recent --into shop_before/],
    ["heat", /time series/, /--tables heat --into shop_before/],
    ["seen", /view/, /--tables seen --into shop_before/],
    ["late", /created or renamed later/, /leave it out/],
    ["dropped", /dropped or renamed/, /--tables dropped --into shop --replace --yes shop/],
  ] as const) {
    const refused = await world.run(...merge(name));
    assert.equal(refused.code, "MERGE_REFUSED", name);
    assert.match(refused.message ?? "", why);
    assert.match(refused.stderr, hint);
  }
  // What a refusal proposes can be run as it is printed.
  const back = await world.run("restore", "shop", "--to", at, "--tables", "dropped", "--into", "shop", "--replace", "--yes", "shop");
  assert.equal(back.exit, 0, back.stderr);
  assert.deepEqual((await fingerprintOf(db)).dropped, wanted.dropped);
  await world.assertNothingLeft();
});

test("R10 a document that changes while a MongoDB merge stores its undo set is left alone", async (t) => {
  const [past, live] = await Promise.all([mongoWorld(t), mongoWorld(t)]);
  const users = live.db("shop").collection<{ _id: number; n: number }>("users");
  const ids = [1, 2, 3];
  await past
    .db("shop")
    .collection<{ _id: number; n: number }>("users")
    .insertMany(ids.map((_id) => ({ _id, n: 0 })));
  await users.insertMany(ids.map((_id) => ({ _id, n: 1 })));
  const merging = await beginMerge(connectionTo(past, "shop"), connectionTo(live, "shop"), { tables: ["users"] }, {});
  const merged = await merging.apply({
    async storeUndo(changes) {
      await users.updateOne({ _id: 2 }, { $set: { n: 5 } });
      await users.updateOne({ _id: 3 }, { $set: { n: 0 } });
      for await (const bytes of changes) assert.ok(bytes.length > 0);
    },
    assertAlive: async () => {},
  });
  await merging.end();
  const [{ updated, unchanged, changedKeys } = {}] = merged;
  assert.deepEqual([updated, unchanged, changedKeys], [1, 1, ["2"]]);
  assert.deepEqual(
    (await users.find().sort({ _id: 1 }).toArray()).map(({ n }) => n),
    [0, 5, 0],
  );
});

test("R10 R32 R42 a restored copy in which documents expire gives no false answer", async (t) => {
  const [past, live] = await Promise.all([mongoWorld(t), mongoWorld(t)]);
  const carts = (world: typeof past) => world.db("shop").collection<{ _id: number; at: Date; n: number }>("carts");
  await carts(past).createIndex({ at: 1 }, { expireAfterSeconds: 3600 });
  // Cart 3 was there, and has expired in the copy since; the live one was used again and is still valid.
  await carts(past).insertMany([1, 2].map((_id) => ({ _id, at: new Date(), n: 0 })));
  await carts(live).insertMany([1, 3].map((_id) => ({ _id, at: new Date(), n: 0 })));
  const [copy, now] = [connectionTo(past, "shop"), connectionTo(live, "shop")];
  const merging = await beginMerge(copy, now, { tables: ["carts"] }, {});
  assert.match(
    String(merging.findings.remarks[0]),
    /^documents of carts expire: those that expired after that instant are not in the restored copy$/,
  );
  assert.deepEqual([merging.findings.unmergeable, merging.findings.tables[0]?.extra], [[], 1]);
  await merging.end();
  const deleting = await beginMerge(copy, now, { tables: ["carts"], deleteExtra: true }, {});
  assert.deepEqual([deleting.findings.tables, deleting.findings.unmergeable.map(({ obstacle }) => obstacle)], [[], ["expiring"]]);
  await deleting.end();
  const comparison = await beginComparison(copy, now, {}, {});
  assert.deepEqual(
    comparison.refusals.map(({ obstacle }) => obstacle),
    ["expiring"],
  );
  await comparison.end();

  const engine = openMongoEngine();
  const outcomes = async (probe: Probe, mayHaveExpired: boolean) =>
    (await engine.probe(copy, [probe], new Date(), { mayHaveExpired })).map(({ outcome }) => outcome).at(-1);
  const three = [{ $count: "n" }, { $project: { ok: { $gte: ["$n", 3] } } }];
  for (const [probe, atOnce, later] of [
    [{ table: "carts", rows: { min: 3 } }, "fail", "inconclusive"],
    [{ table: "carts", rows: { min: 2 } }, "pass", "pass"],
    [{ table: "carts", rows: { min: 1, max: 2 } }, "pass", "inconclusive"],
    [{ collection: "carts", aggregate: JSON.stringify(three) }, "fail", "inconclusive"],
  ] as const)
    assert.deepEqual([await outcomes(probe, false), await outcomes(probe, true)], [atOnce, later], JSON.stringify(probe));
  await past.db("shop").command({ collMod: "carts", index: { keyPattern: { at: 1 }, expireAfterSeconds: 2_147_483_647 } });
  assert.equal(await outcomes({ table: "carts", rows: { min: 3 } }, true), "fail", "a suspended expiry removes nothing");
});
