// The oplog archived and replayed, without a repository in between.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { type TestContext, test } from "node:test";
import { oplogEngine } from "../../src/engines/mongodb/oplog/oplog.ts";
import { after, positionOf } from "../../src/engines/mongodb/oplog/position.ts";
import type { ReplayOrder } from "../../src/ports/log.ts";
import { until } from "../support/archive.ts";
import { fingerprintOf } from "../support/mongo-fingerprint.ts";
import { latestMoment, type Moment, type MongoWorld } from "../support/mongo-world.ts";
import { chainOf, collect, connectionTo, each, mongoWorld, nowAt, type Received, temporaryDirectory, written } from "../support/oplog.ts";

const engine = oplogEngine();

/** What was received, replayed onto an empty database up to a position (or to its end), once or several times. */
async function replayed(t: TestContext, segments: readonly Received[], from: string, options: ReplayOptions = {}): Promise<MongoWorld> {
  const { stopBefore, times = 1, ...order } = options;
  const target = await mongoWorld(t);
  const last = segments.at(-1);
  assert.ok(last);
  const expectedEnd = stopBefore ?? engine.readSegment(last.name, last.bytes).facts.nextLsn;
  for (let time = 0; time < times; time++) {
    const { reachedLsn } = await engine.replay({
      target: connectionTo(target, "restored"),
      databases: ["shop"],
      segments: each(segments),
      from,
      stopBefore,
      expectedEnd,
      ...order,
    });
    assert.equal(reachedLsn, expectedEnd);
  }
  return target;
}

type ReplayOptions = Partial<ReplayOrder> & { readonly times?: number };

const endOf = ({ position }: Moment): string => positionOf(after(position.toBigInt()));

test("R28 log that is archived while a database is written brings back what was there at any instant", async (t) => {
  const source = await mongoWorld(t);
  const from = nowAt(source);
  const collector = await collect(source, { directory: await temporaryDirectory(t) });
  const moments = await written(source, 300);
  await collector.caughtUp();
  await collector.end();
  assert.ok(chainOf(collector.segments).every(({ linked }, index) => linked || index === 0));
  for (const index of [0, 3, 57, 150, 298, 299]) {
    const moment = moments[index];
    assert.ok(moment);
    const target = await replayed(t, collector.segments, from, { stopBefore: endOf(moment) });
    assert.deepEqual(await fingerprintOf(target.db("restored")), await moment.fingerprint());
  }
});

test("R28 replay done twice, or onto a state that is further already, is the same as once", async (t) => {
  const source = await mongoWorld(t);
  const from = nowAt(source);
  const collector = await collect(source, { directory: await temporaryDirectory(t) });
  const keys = source.db().collection<{ _id: string; key: number; round?: number }>("keys");
  await keys.createIndex({ key: 1 }, { unique: true });
  // Keys pass from one document to another, so that a later state is in the way of an earlier one.
  for (let round = 0; round < 3; round++) {
    await keys.insertOne({ _id: `a${round}`, key: 1 });
    await keys.deleteOne({ _id: `a${round}` });
    await keys.insertOne({ _id: `b${round}`, key: 1, round });
    await keys.updateOne({ _id: `b${round}` }, { $set: { key: 10 + round } });
    await source.db().collection("passing").insertOne({ round });
    await source.db().collection("passing").rename("renamed", { dropTarget: true });
  }
  await written(source, 100);
  await collector.caughtUp();
  await collector.end();
  const expected = await fingerprintOf(source.db());
  for (const times of [1, 2, 3]) {
    const target = await replayed(t, collector.segments, from, { times });
    assert.deepEqual(await fingerprintOf(target.db("restored")), expected);
  }
});

test("R28 changes of collections, views and indexes are replayed in order with those of documents", async (t) => {
  const source = await mongoWorld(t);
  const from = nowAt(source);
  const collector = await collect(source, { directory: await temporaryDirectory(t) });
  const db = source.db();
  await db.createCollection("capped", { capped: true, size: 4096, max: 3 });
  await db.collection("capped").insertMany([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
  await db.createCollection("ruled", { validator: { n: { $type: "int" } }, validationAction: "error" });
  await db.command({ collMod: "ruled", validationLevel: "moderate" });
  await db.collection("ruled").insertOne({ n: 1 });
  await db.createCollection("seen", { viewOn: "ruled", pipeline: [{ $match: { n: { $gt: 0 } } }] });
  await db.createCollection("gone");
  await db.collection("gone").drop();
  await db.collection("first").insertOne({ name: "first" });
  await db.collection("second").insertOne({ name: "second" });
  await db.collection("first").rename("second", { dropTarget: true });
  await db.collection("first").insertOne({ name: "first again" });
  await db.collection("indexed").insertMany([
    { a: 1, b: "x" },
    { a: 2, b: "y" },
  ]);
  await db.collection("indexed").createIndex({ a: 1, b: -1 }, { unique: true, name: "both" });
  await db.collection("indexed").createIndex({ at: 1 }, { expireAfterSeconds: 3600 });
  await db.collection("indexed").createIndex({ b: 1 }, { partialFilterExpression: { a: { $gt: 1 } } });
  await db.collection("indexed").createIndex({ c: 1 });
  await db.collection("indexed").dropIndex("c_1");
  await db.command({ collMod: "indexed", index: { name: "at_1", expireAfterSeconds: 7200 } });
  await source.db("other").collection("elsewhere").insertOne({ n: 1 });
  await collector.caughtUp();
  await collector.end();
  const target = await replayed(t, collector.segments, from);
  assert.deepEqual(await fingerprintOf(target.db("restored")), await fingerprintOf(db));
  const { databases } = await target.client.db("admin").command({ listDatabases: 1, nameOnly: true });
  assert.deepEqual(
    databases.map(({ name }: { name: string }) => name).filter((name: string) => !/^(admin|local|config)$/.test(name)),
    ["restored"],
  );
});

test("R28 an oplog that has rolled over begins a new window; otherwise reading continues without a gap", async (t) => {
  const source = await mongoWorld(t, { oplogBytes: 30_000 });
  const directory = await temporaryDirectory(t);
  const first = await collect(source, { directory });
  await written(source, 10);
  await first.caughtUp();
  await first.end();
  await written(source, 10);
  const last = chainOf(first.segments).at(-1)?.facts;
  const second = await collect(source, { directory, last });
  await second.caughtUp();
  await second.end();
  assert.deepEqual(second.notices, []);
  assert.equal(chainOf([...first.segments, ...second.segments]).filter(({ linked }) => !linked).length, 1); // the very first

  await written(source, 500);
  const third = await collect(source, { directory, last: chainOf([...first.segments, ...second.segments]).at(-1)?.facts });
  await third.caughtUp();
  await third.end();
  assert.deepEqual(
    third.notices.map(({ code }) => code),
    ["LOG_GAP"],
  );
  const chain = chainOf([...first.segments, ...second.segments, ...third.segments]);
  assert.equal(chain.filter(({ linked }) => !linked).length, 2);
});

test("R28 received log that is not stored survives the receiver, and the next one continues after it", async (t) => {
  const source = await mongoWorld(t);
  const from = nowAt(source);
  const directory = await temporaryDirectory(t);
  const options = { slot: "unused", partialEveryMs: 50, directory, onNotice: () => {} };
  const abandoned = await engine.openReceiver(connectionTo(source), options);
  await written(source, 50);
  await until("something was received", async () => (await readdir(directory)).length > 0);
  await abandoned.end(); // its files were never taken
  await written(source, 50);
  const collector = await collect(source, { directory });
  await collector.caughtUp();
  await collector.end();
  assert.ok(chainOf(collector.segments).every(({ linked }, index) => linked || index === 0));
  const target = await replayed(t, collector.segments, from);
  assert.deepEqual(await fingerprintOf(target.db("restored")), await fingerprintOf(source.db()));
});

test("R28 a connection that is cut while the oplog is read loses nothing", async (t) => {
  const source = await mongoWorld(t);
  const from = nowAt(source);
  const collector = await collect(source, { directory: await temporaryDirectory(t) });
  for (let round = 0; round < 3; round++) {
    await written(source, 20);
    source.sandbox.faults.next({ command: "getMore", collection: "oplog.rs", effect: { kind: "dropBefore" } });
  }
  await written(source, 20);
  await collector.caughtUp();
  await collector.end();
  assert.ok(chainOf(collector.segments).every(({ linked }, index) => linked || index === 0));
  const target = await replayed(t, collector.segments, from);
  assert.deepEqual(await fingerprintOf(target.db("restored")), await fingerprintOf(source.db()));
});

test("R28 a replay whose log lacks a segment ends with an error, and not with half of the past", async (t) => {
  const source = await mongoWorld(t);
  const from = nowAt(source);
  const collector = await collect(source, { directory: await temporaryDirectory(t) });
  for (let round = 0; round < 4; round++) {
    await written(source, 5);
    await collector.caughtUp();
  }
  await collector.end();
  const segments = collector.segments.filter((_, index) => index !== 1);
  await assert.rejects(replayed(t, segments, from), { code: "RECOVERY_SHORT" });
});

test("R28 a time series is replayed, measurement by measurement", async (t) => {
  const source = await mongoWorld(t);
  const from = nowAt(source);
  const collector = await collect(source, { directory: await temporaryDirectory(t) });
  await source.db().createCollection("weather", { timeseries: { timeField: "at", metaField: "where", granularity: "minutes" } });
  for (let i = 0; i < 20; i++) {
    await source
      .db()
      .collection("weather")
      .insertOne({ at: new Date(Date.UTC(2026, 10, 21, i % 5, i)), where: i % 3, degrees: i / 2 });
  }
  await collector.caughtUp();
  await collector.end();
  const target = await replayed(t, collector.segments, from, { times: 2 });
  assert.deepEqual(await fingerprintOf(target.db("restored")), await fingerprintOf(source.db()));
});

test("R28 of a transaction either all comes back or nothing, wherever replay stops", async (t) => {
  const source = await mongoWorld(t);
  await source.db().createCollection("accounts");
  const from = nowAt(source);
  const collector = await collect(source, { directory: await temporaryDirectory(t) });
  const accounts = source.db().collection<{ _id: number; money: number }>("accounts");
  await accounts.insertMany([
    { _id: 1, money: 100 },
    { _id: 2, money: 0 },
  ]);
  const moments = [await latestMoment(source)];
  for (let i = 0; i < 5; i++) {
    await source.client.withSession((session) =>
      session.withTransaction(async () => {
        await accounts.updateOne({ _id: 1 }, { $inc: { money: -10 } }, { session });
        await accounts.updateOne({ _id: 2 }, { $inc: { money: 10 } }, { session });
      }),
    );
    moments.push(await latestMoment(source));
  }
  await collector.caughtUp();
  await collector.end();
  for (const [index, moment] of moments.entries()) {
    const target = await replayed(t, collector.segments, from, { stopBefore: endOf(moment) });
    const found = await target
      .db("restored")
      .collection("accounts")
      .find({}, { sort: { _id: 1 } })
      .toArray();
    assert.deepEqual(
      found.map(({ money }) => money),
      [100 - 10 * index, 10 * index],
    );
  }
});
