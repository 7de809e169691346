// The history of one document, by the real program: out of a backup and an oplog against an independent log; and of a row at Neon.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Document, EJSON, Long, ObjectId, UUID } from "bson";
import { statusOf, until } from "../support/archive.ts";
import { cases } from "../support/every.ts";
import { startRealNeon } from "../support/neon-sandbox.ts";
import { mongoWorld } from "../support/oplog.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const OBJECT_ID = "65f0c0ffee65f0c0ffee65f0";
const GUID = "6f1c1d5e-9a34-4a56-8d43-0123456789ab";
const KEYS: readonly { readonly id: unknown; readonly arg: string }[] = [
  { id: new ObjectId(OBJECT_ID), arg: OBJECT_ID },
  { id: new UUID(GUID), arg: `{"$uuid":"${GUID}"}` },
  { id: 4711, arg: "4711" },
  { id: Long.fromString("9007199254740995"), arg: '{"$numberLong":"9007199254740995"}' },
  { id: `it's "a\\b", no`, arg: `it's "a\\b", no` },
  { id: { tenant: 7, no: "x" }, arg: '{"tenant":7,"no":"x"}' },
];

test("R42 the history of a document equals an independent log of random changes", async (t) => {
  const seed = Number(process.env.LIFEBOAT_TEST_SEED ?? randomInt(1 << 30));
  t.diagnostic(`seed ${seed}`);
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  const source = await mongoWorld(t, { noopEveryMs: 500 });
  const carts = source.db("shop").collection<Document>("carts");
  await carts.insertMany(Array.from({ length: 200 }, (_none, _id) => ({ _id: _id as unknown as ObjectId, n: 0, list: [] })));
  const world = await beginWorld(t, {
    sources: {},
    mongo: { shop: { url: source.url("shop") } },
    source: "policy: pitr, archive: { partialEvery: 1s }",
    yaml: "policies: { pitr: { window: 7d } }\n",
  });
  await world.expect(0, "backup", "shop");
  const archiving = world.start("archive", "shop");
  const log = KEYS.map((): { operation: string; row: unknown }[] => []);
  const readable = (document: Document | null): unknown => {
    if (document === null) return null;
    const { _id, ...rest } = JSON.parse(EJSON.stringify(document, { relaxed: true }));
    return rest;
  };
  const changes = cases(300, 60);
  for (let n = 0; n < changes; n++) {
    const index = random(KEYS.length);
    const filter = { _id: KEYS[index]?.id as ObjectId };
    const before = await carts.findOne(filter);
    await carts.updateOne({ _id: random(200) as unknown as ObjectId }, { $inc: { n: 1 } });
    const kind = random(6);
    if (before === null) await carts.insertOne({ ...filter, n, list: [1, { a: n }] });
    else if (kind === 0) await carts.deleteOne(filter);
    else if (kind === 1) await carts.replaceOne(filter, { n, other: "é\n", at: new Date(1_700_000_000_000 + n) });
    else if (kind === 2) await carts.updateOne(filter, { $set: { "deep.x": n, n }, $push: { list: n as never } });
    else await carts.updateOne(filter, { $set: { n: n + 0.5 }, $unset: { deep: 1 } });
    const after = await carts.findOne(filter);
    log[index]?.push({ operation: before === null ? "insert" : after === null ? "delete" : "update", row: readable(after) });
    if (n === changes >> 1) await world.expect(0, "backup", "shop");
  }
  await carts.rename("former");
  const end = new Date();
  await until("the window reaches the end", async () => (await statusOf(world)).window?.latest > end.toISOString());
  archiving.kill("SIGTERM");
  assert.equal((await archiving.ended).exit, 0);
  for (const [index, { arg }] of KEYS.entries()) {
    if (log[index]?.length === 0) continue;
    const ran = await world.expect(0, "history", "shop", "--table", "carts", "--key", arg, "--json");
    const told = ran.json();
    const found = told.states
      .filter(({ writtenBy }: { writtenBy: unknown }) => writtenBy !== null)
      .map(({ writtenBy, row }: { writtenBy: { kind: string }; row: Document | null }) => {
        const { _id, ...rest } = row ?? {};
        return { operation: writtenBy.kind, row: row && rest };
      });
    const last = log[index]?.at(-1)?.row === null ? [] : [{ operation: "delete", row: null }];
    assert.deepEqual(found, [...(log[index] ?? []), ...last], `${arg}: ${JSON.stringify(told.states, undefined, 1)}`);
    assert.deepEqual([told.notExamined, told.states.at(-1).missing], [[], "table"]);
    assert.match(told.restore ?? "", /^lifeboat restore shop --to \S+ --tables carts --where '.*_id.*' --merge$/);
  }
  await world.expect(2, "history", "shop", "--table", "carts", "--key", '{"$oid":"x"}', "--json");
  await world.assertNothingLeft();
});

test("R42 the history of a row at Neon names the second of each change, and leaves no branch", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const neon = await startRealNeon({ plan: "free" });
  t.after(() => neon.sandbox.close());
  const production = { url: neon.sandbox.url, label: "production" };
  const world = await beginWorld(t, { sources: {}, neon: { shop: neon.sandbox } });
  await query(production, "create table users (id int primary key, plan text); insert into users values (7, 'free')");
  await sleep(1100);
  const from = new Date().toISOString();
  await sleep(2100);
  const before = new Date().toISOString();
  await query(production, "update users set plan = 'pro' where id = 7");
  const after = new Date().toISOString();
  await sleep(1100);
  await world.expect(0, "backup", "shop");
  await sleep(1100);
  await query(production, "delete from users where id = 7");
  await sleep(1100);
  const branches = async () => (await neon.expect(200, "GET", "/branches")).branches.length;
  const count = await branches();
  const args = ["history", "shop", "--table", "users", "--key", "7", "--from", from, "--json"];
  const told = (await world.expect(0, ...args)).json();
  const plans = told.states.map(({ row, missing }: { row: { plan: string } | null; missing: string | null }) => row?.plan ?? missing);
  assert.deepEqual(plans, ["free", "pro", "row"]);
  const [free, pro] = told.states;
  assert.ok(free.until.at < after && pro.from.at > before, JSON.stringify(told));
  assert.ok(Date.parse(pro.from.at) - Date.parse(free.until.at) <= 1000, JSON.stringify(told));
  assert.match(told.restore, /^lifeboat restore shop --to \S+ --tables users --where "id = 7" --merge$/);
  const few = (await world.expect(3, ...args, "--limit", "2")).json();
  assert.match(few.notExamined[0], /the row changed between .* raise --limit/);
  assert.equal(await branches(), count);
  await world.assertNothingLeft();
});
