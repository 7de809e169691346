// Random histories of a database, replayed: the log restores the state at any position.
// LIFEBOAT_HISTORIES says how many are tried, LIFEBOAT_SEED with which the first begins.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import type { Document } from "mongodb";
import { oplogEngine } from "../../src/engines/mongodb/oplog/oplog.ts";
import { after, positionOf } from "../../src/engines/mongodb/oplog/position.ts";
import { fingerprintOf } from "../support/mongo-fingerprint.ts";
import { beginMongoWorld, latestMoment, type MongoWorld } from "../support/mongo-world.ts";
import { collect, connectionTo, each, type Received, temporaryDirectory } from "../support/oplog.ts";

interface Thing {
  readonly _id: number;
  readonly [field: string]: unknown;
}

type Act = (world: MongoWorld) => Promise<unknown>;

const things = (world: MongoWorld, name: string) => world.db().collection<Thing>(name);
const name = fc.constantFrom("a", "b", "c");
const id = fc.integer({ min: 0, max: 5 });
const field = fc.constantFrom("x", "y", "deep", "list", "\ufeffz", "x.y");
const value: fc.Arbitrary<unknown> = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom("", "text", null, true, 0.5),
  fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 6 }),
  fc.record({ p: fc.integer({ min: 0, max: 3 }), q: fc.array(fc.record({ r: fc.integer({ min: 0, max: 3 }) }), { maxLength: 4 }) }),
);
const rest = fc.dictionary(fc.constantFrom("x", "y", "deep", "list", "\ufeffz", "n"), value, { maxKeys: 5 });
const path = fc.constantFrom("x", "y", "deep.p", "deep.q", "deep.q.1", "deep.new", "list.0", "list.4", "\ufeffz", "deep.q.0.r");

/** Positions are of arrays only: the sandbox puts a document's field of such a name first, and says so. */
function within(_id: number, at: string): Document {
  const array = /^(.*?)\.\d/.exec(at)?.[1];
  return array === undefined ? { _id } : { _id, [`${array}.0`]: { $exists: true } };
}

const DOCUMENTS: fc.Arbitrary<Act> = fc.oneof(
  fc.tuple(name, id, rest).map(
    ([to, _id, more]): Act =>
      (world) =>
        things(world, to).insertOne({ ...more, _id }),
  ),
  fc.tuple(name, id, rest).map(
    ([to, _id, more]): Act =>
      (world) =>
        things(world, to).replaceOne({ _id }, more, { upsert: true }),
  ),
  fc.tuple(name, id, path, value).map(
    ([to, _id, at, is]): Act =>
      (world) =>
        things(world, to).updateOne(within(_id, at), { $set: { [at]: is } }),
  ),
  fc.tuple(name, id, path).map(
    ([to, _id, at]): Act =>
      (world) =>
        things(world, to).updateOne(within(_id, at), { $unset: { [at]: 1 } }),
  ),
  fc.tuple(name, field, value).map(
    ([to, at, is]): Act =>
      (world) =>
        things(world, to).updateMany({}, { $set: { [at]: is } }),
  ),
  fc.tuple(name, id, value).map(
    ([to, _id, is]): Act =>
      (world) =>
        things(world, to).updateOne({ _id }, { $push: { list: is } as never }),
  ),
  fc.tuple(name, id).map(
    ([to, _id]): Act =>
      (world) =>
        things(world, to).updateOne({ _id }, { $pop: { list: 1 } as never }),
  ),
  fc.tuple(name, id).map(
    ([to, _id]): Act =>
      (world) =>
        things(world, to).deleteOne({ _id }),
  ),
);
const TRANSACTIONS: fc.Arbitrary<Act> = fc.tuple(name, fc.array(fc.tuple(id, value), { minLength: 1, maxLength: 6 }), fc.boolean()).map(
  ([to, writes, aborts]): Act =>
    (world) =>
      world.client.withSession(async (session) => {
        session.startTransaction();
        for (const [_id, x] of writes) await things(world, to).updateOne({ _id }, { $set: { x } }, { upsert: true, session });
        await (aborts ? session.abortTransaction() : session.commitTransaction());
      }),
);
const command =
  (document: Document): Act =>
  (world) =>
    world.db().command(document);
const DEFINITIONS: fc.Arbitrary<Act> = fc.oneof(
  name.map((to): Act => command({ drop: to })),
  name.map((to): Act => command({ create: to })),
  name.map((to): Act => command({ create: to, capped: true, size: 4096, max: 3 })),
  name.map((to): Act => command({ createIndexes: to, indexes: [{ key: { x: 1 }, name: "x_1", unique: true, sparse: true }] })),
  name.map((to): Act => command({ createIndexes: to, indexes: [{ key: { at: 1 }, name: "at_1", expireAfterSeconds: 60 }] })),
  name.map((to): Act => command({ collMod: to, index: { name: "at_1", expireAfterSeconds: 90 } })),
  name.map((to): Act => command({ collMod: to, validator: { x: { $exists: true } }, validationLevel: "moderate" })),
  name.map((to): Act => command({ dropIndexes: to, index: "x_1" })),
  name.map((to): Act => command({ create: "seen", viewOn: to, pipeline: [] })),
  fc.constant(command({ drop: "seen" })),
);
const RENAMES: fc.Arbitrary<Act> = fc.tuple(name, name).map(
  ([from, to]): Act =>
    (world) =>
      world.db().collection(from).rename(to, { dropTarget: true }),
);
const historyOf = (...more: readonly fc.Arbitrary<Act>[]): fc.Arbitrary<Act[]> =>
  fc.array(fc.oneof({ weight: 12, arbitrary: DOCUMENTS }, ...more.map((arbitrary) => ({ weight: 2, arbitrary }))), {
    minLength: 10,
    maxLength: 60,
  });

interface Lived {
  readonly source: MongoWorld;
  readonly segments: readonly Received[];
  readonly positions: readonly bigint[];
}

/** Runs all operations. Those that the server refuses are not part of the history. */
async function live(t: TestContext, source: MongoWorld, acts: readonly Act[]): Promise<Lived> {
  await source.db().createCollection("first");
  const collector = await collect(source, { directory: await temporaryDirectory(t), wantedFrom: "0/1", partialEveryMs: 20 });
  const positions = [(await latestMoment(source)).position.toBigInt()];
  for (const act of acts) {
    await act(source).catch(() => {});
    positions.push((await latestMoment(source)).position.toBigInt());
  }
  await source.db().createCollection("last");
  await collector.caughtUp();
  await collector.end();
  return { source, segments: collector.segments, positions };
}

const momentOf = (stamp: bigint) => ({ t: Number(stamp >> 32n), i: Number(stamp & 0xffffffffn) });

/** As a dump reads while others write: every other document is of a later moment. */
async function blend(target: MongoWorld, later: MongoWorld): Promise<void> {
  for (const own of ["a", "b", "c"]) {
    await things(target, own).deleteMany({ _id: { $mod: [2, 1] } as never });
    const raw = later.db().collection(own);
    for (const each of await raw.find({ _id: { $mod: [2, 1] } as never }, { promoteValues: false }).toArray()) {
      await target.db().collection(own).insertOne(each);
    }
  }
}

async function check(lived: Lived, base: bigint, from: bigint, to: bigint, blended = base): Promise<void> {
  const { source, segments } = lived;
  await using target = await beginMongoWorld({ state: source.sandbox.stateAt(momentOf(base), "through") });
  await using then = await beginMongoWorld({ state: source.sandbox.stateAt(momentOf(to), "through") });
  if (blended !== base) {
    await using later = await beginMongoWorld({ state: source.sandbox.stateAt(momentOf(blended), "through") });
    await blend(target, later);
  }
  await oplogEngine().replay({
    target: connectionTo(target, "shop"),
    databases: ["shop"],
    segments: each(segments),
    from: positionOf(after(from)),
    stopBefore: positionOf(after(to)),
    expectedEnd: positionOf(after(to)),
  });
  assert.deepEqual(await fingerprintOf(target.db()), await fingerprintOf(then.db()));
}

const histories = Number(process.env.LIFEBOAT_HISTORIES ?? 4);
const seed = Number(process.env.LIFEBOAT_SEED ?? 20_261_121);

async function tryHistories(t: TestContext, history: fc.Arbitrary<Act[]>, judge: (lived: Lived, pick: () => bigint) => Promise<void>) {
  for (let number = seed; number < seed + histories; number++) {
    const [acts = []] = fc.sample(history, { seed: number, numRuns: 1 });
    await using source = await beginMongoWorld({ updateDiffs: true, transactionEntryOps: 2 });
    const lived = await live(t, source, acts);
    const picks = fc.sample(fc.constantFrom(...lived.positions), { seed: number, numRuns: 9 });
    try {
      await judge(lived, () => picks.pop() ?? 0n);
    } catch (cause) {
      throw new Error(`the history of seed ${number} is not brought back`, { cause });
    }
  }
}

test("R28 the log of any history restores the state at any position, from any earlier one", async (t) => {
  await tryHistories(t, historyOf(TRANSACTIONS, DEFINITIONS, RENAMES), async (lived, pick) => {
    for (let round = 0; round < 3; round++) {
      const [from, to] = [pick(), pick()].sort((a, b) => (a < b ? -1 : 1)) as [bigint, bigint];
      await check(lived, from, from, to);
    }
  });
});

test("R28 log applied to a state that has some of it already leads to the same end", async (t) => {
  await tryHistories(t, historyOf(TRANSACTIONS, DEFINITIONS), async (lived, pick) => {
    for (let round = 0; round < 3; round++) {
      const [from, base, to] = [pick(), pick(), pick()].sort((a, b) => (a < b ? -1 : 1)) as [bigint, bigint, bigint];
      await check(lived, base, from, to);
    }
  });
});

test("R28 log applied to documents of several moments makes them one", async (t) => {
  await tryHistories(t, historyOf(TRANSACTIONS), async (lived, pick) => {
    for (let round = 0; round < 2; round++) {
      const [from, base, blended, to] = [pick(), pick(), pick(), pick()].sort((a, b) => (a < b ? -1 : 1)) as [
        bigint,
        bigint,
        bigint,
        bigint,
      ];
      await check(lived, base, from, to, blended);
    }
  });
});
