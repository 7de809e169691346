// Plans of restores, drills and recoveries by the real program: what they carry, and that a plan is what is carried out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { partsOf } from "../../src/engines/postgres/connect/url.ts";
import { isLifeboatError, openLifeboat } from "../../src/index.ts";
import type { RequestOf } from "../../src/lifeboat.ts";
import { beginWritten, settle } from "../support/point-in-time.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

test("R59 a plan tells route, bytes, disk and time; --plan-digest carries out that plan or nothing", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table items (n int primary key); insert into items select generate_series(1, 500)");
  const world = await beginWorld(t, { sources: { shop } });
  const backup = (await world.expect(0, "backup", "shop", "--json")).json().made[0];
  const [before] = (await world.expect(0, "drill", "shop", "--plan", "--json")).json().plans;
  assert.deepEqual([before.verb, before.route.kind, before.otherRoutes], ["drill", "copy", []]);
  assert.deepEqual([before.estimate.seconds, before.estimate.jobs], [null, 0], "none is invented");
  assert.match((await world.expect(0, "drill", "shop", "--plan")).stdout, /time: no estimate, no past job of this kind was measured/);
  const [disk] = before.needs.disks;
  assert.ok(before.needs.readBytes > 0 && disk.neededBytes > 0 && disk.freeBytes > disk.neededBytes, JSON.stringify(before.needs));
  assert.equal(before.facts.backup.id, backup.id);

  const [first] = (await world.expect(0, "drill", "shop", "--json")).json().drills;
  assert.deepEqual([first.estimate.seconds, first.estimate.within], [null, null]);
  const [after] = (await world.expect(0, "drill", "shop", "--plan", "--json")).json().plans;
  assert.equal(after.digest, before.digest, "time is not part of the plan's digest");
  assert.ok(after.estimate.jobs === 1 && after.estimate.seconds.least <= after.estimate.seconds.most, JSON.stringify(after.estimate));
  const [second] = (await world.expect(0, "drill", "shop", "--json")).json().drills;
  assert.deepEqual(second.estimate.seconds, after.estimate.seconds);
  assert.equal(typeof second.estimate.within, "boolean");

  const into = `${partsOf(shop).database}_planned`;
  const plan = (await world.expect(0, "restore", "shop", "--into", into, "--plan", "--json")).json();
  const other = await world.expect(2, "restore", "shop", "--into", into, "--plan-digest", before.digest, "--json");
  assert.equal(other.code, "PLAN_CHANGED");
  assert.deepEqual(await query(shop, `select from pg_database where datname = '${into}'`), []);
  await world.expect(0, "restore", "shop", "--into", into, "--plan-digest", plan.digest.slice(0, 12));
  const again = await world.expect(2, "restore", "shop", "--into", into, "--plan-digest", plan.digest, "--json");
  assert.equal(again.code, "PLAN_CHANGED", "what it goes into is not what it was");
  await query(shop, `drop database ${into}`);

  const recovery = (await world.expect(0, "recover", "--to", "latest", "--plan", "--json")).json();
  assert.equal((await world.expect(2, "recover", "--to", "latest", "--plan-digest", plan.digest, "--json")).code, "PLAN_CHANGED");
  const recovered = (await world.expect(0, "recover", "--to", "latest", "--plan-digest", recovery.digest, "--json")).json();
  assert.equal(recovered.sources[0].verdict, "pass");
  await query(shop, `drop database ${recovered.sources[0].place.name}`);
  await world.assertNothingLeft();
});

test("R10 R22 R59 what a restore into a database would refuse, its plan refuses with the same code", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(
    shop,
    `create schema "Odd"; create table "Odd".items (n int primary key); create schema other; create table other.items (n int primary key);
     create table parted (day int primary key) partition by range (day); create table "Part 1" partition of parted for values from (0) to (10);
     create table below (n int) inherits ("Odd".items); create table users (id int primary key); create table orders (n int references users);
     create table seen (id int primary key); create view look as select id from seen; create table gone (n int); insert into gone values (1); insert into parted values (1)`,
  );
  const world = await beginWorld(t, { sources: { shop } });
  await world.expect(0, "backup", "shop");
  const { database } = partsOf(shop);
  await query(shop, "drop table gone");
  const lifeboat = await openLifeboat({ config: world.configFile, env: world.env });
  t.after(() => lifeboat.close());
  const over = { into: database, replace: true, yes: "shop" };
  const refused: readonly (readonly [string, RegExp, Omit<RequestOf<"restore">, "source">])[] = [
    ["LOAD_FAILED", /"Part 1" belongs to public\.parted, which would lose it/, { tables: ['"Part 1"'], ...over }],
    ["LOAD_FAILED", /below belongs to "Odd"\.items/, { tables: ["below"], ...over }],
    ["LOAD_FAILED", /orders_n_fkey/, { tables: ["users"], ...over }],
    ["LOAD_FAILED", /view .*look depends on table .*seen/, { tables: ["seen"], ...over }],
    ["LOAD_FAILED", /lacks the table public\.gone/, { tables: ["gone"], dataOnly: true, ...over }],
    ["LOAD_FAILED", /lacks the table public\.gone/, { dataOnly: true, ...over }],
    ["LOAD_FAILED", /public\.below needs "Odd"\.items, which is not here/, { tables: ["below"], into: "fresh" }],
    ["TABLE_UNKNOWN", /no table that matches user\b/, { tables: ["user"], ...over }],
    ["TABLE_UNKNOWN", /no table that matches user\b/, { tables: ["user"], into: "fresh" }],
    ["USAGE", /items in several schemas/, { tables: ["items"], ...over }],
  ];
  const state = () =>
    query(
      shop,
      "select (select array_agg(c.oid::regclass::text order by 1) from pg_class c where relkind in ('r', 'p')) as tables, (select count(*) from parted) as n",
    );
  const before = await state();
  for (const [code, message, request] of refused) {
    const [refusal] = (await lifeboat.plan("restore", { source: "shop", ...request })).refusals;
    assert.deepEqual([refusal?.code, message.test(refusal?.message ?? "")], [code, true], JSON.stringify([request, refusal]));
    const thrown = await lifeboat.run("restore", { source: "shop", ...request }).catch((error: unknown) => error);
    assert.ok(isLifeboatError(thrown), String(thrown));
    assert.deepEqual([thrown.code, message.test(thrown.message)], [code, true], thrown.message);
    assert.deepEqual(await state(), before, JSON.stringify(request));
  }
  const fresh = { source: "shop", tables: ["parted", "users", "orders", "seen"], into: "fresh" };
  assert.deepEqual((await lifeboat.plan("restore", fresh)).refusals, []);
  for (const tables of [["parted"], ["users", "orders"], ["below", '"Odd".items']]) {
    const request = { source: "shop", tables, ...over };
    assert.deepEqual((await lifeboat.plan("restore", request)).refusals, [], tables.join());
    await lifeboat.run("restore", request);
  }
  await world.assertNothingLeft();
});

test("R22 R59 where WAL leads to the instant, a plan refuses a partition alone as the restore does", { skip }, async (t) => {
  const written = await beginWritten(t);
  const { world, shop } = written;
  await query(
    shop,
    `create table parted (day int primary key) partition by range (day); create table part_1 partition of parted for values from (0) to (10);
     insert into parted values (1)`,
  );
  await world.expect(0, "backup", "shop", "--kind", "base");
  const { latest } = await settle(written);
  const restore = (tables: string) => [
    "restore",
    "shop",
    "--to",
    latest,
    "--tables",
    tables,
    "--into",
    "shop",
    "--replace",
    "--yes",
    "shop",
  ];
  const refused = (await world.run(...restore("part_1"), "--plan", "--json")).json();
  const ran = await world.run(...restore("part_1"), "--json");
  assert.deepEqual([refused.route.kind, refused.refusals[0]?.code, ran.code], ["cluster", "LOAD_FAILED", "LOAD_FAILED"]);
  assert.match(refused.refusals[0].message, /part_1 belongs to public\.parted/);
  assert.match(String(ran.message), /part_1 belongs to public\.parted/);
  const whole = (await world.run(...restore("parted"), "--plan", "--json")).json();
  assert.deepEqual(whole.refusals, []);
  await world.assertNothingLeft();
});
