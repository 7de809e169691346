// The moment at which a check broke, by the real program: at a sandbox of Neon with real clusters behind it, and from a MongoDB's oplog.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { startAtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";
import { statusOf, until } from "../support/archive.ts";
import { cases } from "../support/every.ts";
import { startRealNeon } from "../support/neon-sandbox.ts";
import { mongoWorld } from "../support/oplog.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

test("R42 find at Neon names the second of an accident, within the smallest plan's limits", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const neon = await startRealNeon({ plan: "free" });
  t.after(() => neon.sandbox.close());
  const production = { url: neon.sandbox.url, label: "production" };
  const accidents = cases(20, 1);
  await query(
    production,
    `create table users (id int primary key, n int); insert into users select g, g / 5 from generate_series(0, 99) g`,
  );
  const world = await beginWorld(t, {
    sources: {},
    neon: { shop: neon.sandbox },
    source: `checks: [{ name: "users are whole", sql: "select count(*) = 100 from users" }]`,
  });
  await sleep(1000);
  const good = new Date().toISOString();
  const made: { readonly n: number; readonly from: string; readonly to: string }[] = [];
  for (let n = 0; n < accidents; n++) {
    await sleep(randomInt(100, 2500));
    const from = new Date().toISOString();
    await query(production, `delete from users where n = ${n}`);
    made.push({ n, from, to: new Date().toISOString() });
  }
  await sleep(1500);
  const branches = async () => (await neon.expect(200, "GET", "/branches")).branches.length;
  const before = await branches();
  for (const { n, from, to } of made) {
    const check = accidents === 1 ? "users are whole" : `select count(*) = 5 from users where n = ${n}`;
    const found = (await world.expect(0, "find", "shop", "--check", check, "--good", good, "--json")).json();
    assert.ok(found.lastTrue.at < to && from < found.firstFalse.at, `${from} to ${to}: ${JSON.stringify(found)}`);
    assert.deepEqual([Date.parse(found.firstFalse.at) - Date.parse(found.lastTrue.at), found.changesBetween], [1000, null]);
    if (n > 0) continue;
    const preview = ["preview", "shop", "--to", found.lastTrue.at, "--query", "select count(*)::int from users", "--json"];
    assert.deepEqual((await world.expect(0, ...preview)).json().answer.rows, [[100]]);
  }
  assert.equal(await branches(), before);
  const never = await world.expect(2, "find", "shop", "--check", "select false", "--good", good, "--json");
  assert.match(never.message ?? "", /the check did not hold at/);
  await world.assertNothingLeft();
});

test("R42 find names the oplog entry of an accident among others; its restore holds the data before it", async (t) => {
  const [source, scratch] = await Promise.all([mongoWorld(t, { noopEveryMs: 500 }), mongoWorld(t)]);
  const users = source.db("shop").collection<{ _id: number; n: number }>("users");
  const others = source.db("shop").collection<{ at: Date }>("others");
  await users.insertMany(Array.from({ length: 100 }, (_none, _id) => ({ _id, n: Math.floor(_id / 5) })));
  const world = await beginWorld(t, {
    sources: {},
    mongo: { shop: { url: source.url("shop"), scratch: scratch.url("scratch") } },
    source: "policy: pitr, archive: { partialEvery: 1s }",
    yaml: "policies: { pitr: { window: 7d } }\n",
  });
  await world.expect(0, "backup", "shop");
  const archiving = world.start("archive", "shop");
  const accidents = cases(20, 2);
  const good = new Date().toISOString();
  const made: { readonly n: number; readonly rows: number }[] = [];
  for (let n = 0; n < accidents; n++) {
    for (let index = randomInt(10); index >= 0; index--) await others.insertOne({ at: new Date() });
    await sleep(randomInt(2, 30));
    made.push({ n, rows: await users.countDocuments() });
    await users.deleteOne({ n });
    await sleep(randomInt(2, 30));
  }
  await others.insertOne({ at: new Date() });
  const end = new Date();
  await until("the window reaches the end", async () => (await statusOf(world)).window?.latest > end.toISOString());
  archiving.kill("SIGTERM");
  assert.equal((await archiving.ended).exit, 0);
  for (const { n, rows } of made) {
    const pipeline = [{ $match: { n } }, { $count: "found" }, { $project: { ok: { $eq: ["$found", 5] } } }];
    const args = ["--collection", "users", "--aggregate", JSON.stringify(pipeline), "--good", good];
    const found = (await world.expect(0, "find", "shop", ...args, "--json")).json();
    const ids = found.changesBetween.map(({ id }: { id: string }) => id);
    assert.deepEqual([ids, found.exact], [["delete from shop.users"], true], JSON.stringify(found));
    if (n > 0) continue;
    const count = JSON.stringify([{ $count: "n" }]);
    const preview = ["preview", "shop", "--to", found.lastTrue.at, "--collection", "users", "--aggregate", count, "--json"];
    assert.match(JSON.stringify((await world.expect(0, ...preview)).json().answer.rows), new RegExp(`\\b${rows}\\b`));
  }
  await world.assertNothingLeft();
});

test("R42 find at Atlas names the oplog entry with one temporary cluster, or the second by restores", async (t) => {
  const atlas = await startAtlasSandbox({ speed: 10_000, noopEveryMs: 500 });
  const client = new MongoClient(atlas.url, { serverSelectionTimeoutMS: 10_000 });
  t.after(async () => {
    await client.close();
    await atlas.close();
  });
  const users = client.db("shop").collection<{ _id: number; n: number }>("users");
  const others = client.db("shop").collection<{ at: Date }>("others");
  const accidents = cases(20, 1);
  await users.insertMany(Array.from({ length: 5 * accidents }, (_none, _id) => ({ _id, n: Math.floor(_id / 5) })));
  const env = { ATLAS_USER: atlas.user, ATLAS_PASSWORD: atlas.password };
  const world = await beginWorld(t, { sources: {}, atlas: { shop: atlas }, source: "database: shop", env });
  await sleep(1_100);
  const good = new Date().toISOString();
  const made: { readonly n: number; readonly rows: number; readonly from: string; readonly to: string }[] = [];
  for (let n = 0; n < accidents; n++) {
    for (let index = randomInt(10); index >= 0; index--) await others.insertOne({ at: new Date() });
    await sleep(randomInt(2, 700));
    const [rows, from] = [await users.countDocuments(), new Date().toISOString()];
    await users.deleteOne({ n });
    made.push({ n, rows, from, to: new Date().toISOString() });
  }
  await others.insertOne({ at: new Date() });
  await sleep(1_100);
  const asked = () => atlas.faults.seen.filter(({ method }) => method === "POST").map(({ path }) => path.replace(/.*\//, ""));
  const find = (n: number) => {
    const pipeline = [{ $match: { n } }, { $count: "found" }, { $project: { ok: { $eq: ["$found", 5] } } }];
    return ["find", "shop", "--collection", "users", "--aggregate", JSON.stringify(pipeline), "--good", good, "--json"];
  };
  const plan = (await world.expect(0, ...find(0), "--plan")).json();
  assert.match(plan.cost, /^1 restore at most; Atlas bills the cluster by the hour/);
  assert.deepEqual(plan.estimate.seconds, { least: 720, most: 2100 });
  assert.deepEqual(
    asked().filter((path) => path === "clusters"),
    [],
    "a plan makes nothing",
  );
  for (const { n, rows } of made) {
    const before = asked().length;
    const found = (await world.expect(0, ...find(n))).json();
    const ids = found.changesBetween.map(({ id }: { id: string }) => id);
    assert.deepEqual([ids, found.exact], [["delete from shop.users"], true], JSON.stringify(found));
    assert.deepEqual(
      asked()
        .slice(before)
        .filter((path) => path !== "token"),
      ["clusters", "restoreJobs"],
    );
    if (n > 0) continue;
    const [, to = ""] = /--to (\S+) --into shop-before$/.exec(found.restore) ?? [];
    const preview = ["preview", "shop", "--to", to, "--collection", "users", "--aggregate", JSON.stringify([{ $count: "n" }]), "--json"];
    assert.match(JSON.stringify((await world.expect(0, ...preview)).json().answer.rows), new RegExp(`\\b${rows}\\b`));
  }
  assert.deepEqual(
    atlas.clusters().map(({ name }) => name),
    [atlas.cluster],
    "every temporary cluster is gone",
  );

  const running = world.start(...find(0));
  await until("the cluster is there", async () => atlas.clusters().length > 1);
  running.kill("SIGKILL");
  await running.ended;
  await world.expect(0, "jobs", "recover");
  assert.equal(atlas.clusters().length, 1, "the cluster of a killed search is deleted");

  // A user that may not read the oplog.
  const denied = { kind: "error", code: 13, message: "not authorized on local to execute command" } as const;
  atlas.clusters()[0]?.server?.faults.next({ command: "find", times: Number.POSITIVE_INFINITY, effect: denied });
  for (const { n, from, to } of made.slice(0, cases(20, 1))) {
    const before = asked().length;
    const found = (await world.expect(0, ...find(n))).json();
    assert.ok(found.lastTrue.at < to && from < found.firstFalse.at, `${from} to ${to}: ${JSON.stringify(found)}`);
    assert.equal(Date.parse(found.firstFalse.at) - Date.parse(found.lastTrue.at), 1000);
    assert.equal(
      asked()
        .slice(before)
        .filter((path) => path === "clusters").length,
      1,
      "one cluster, restored over",
    );
  }
  await world.assertNothingLeft();
});
