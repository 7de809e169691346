// Merges by the real program: rows come back into a live database from a restore point, and an undo takes them back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { beginMerge } from "../../src/engines/postgres/merge/merge.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

const SHOP = `
  create table users (id serial primary key, name text, "odd ""column" int default 1);
  create table orders (id int generated always as identity primary key, user_id int references users on delete cascade, total int);
  create table notes (what text); create table shapes (id int primary key);
  insert into users (name) select 'user ' || i from generate_series(1, 50) i;
  insert into orders (user_id, total) select 1 + i % 50, i from generate_series(0, 99) i; insert into notes values ('keyless'); insert into shapes values (1)`;

test("R10 R22 deleted rows come back with what was deleted with them: plan, digest, undo, and its undo", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(shop, SHOP);
  const world = await beginWorld(t, { sources: { shop } });
  await world.expect(0, "backup", "shop");
  const state = () =>
    query(shop, `select (select json_agg(u order by id) from users u) as users, (select json_agg(o order by id) from orders o) as orders`);
  const wanted = await state();
  await query(
    shop,
    `delete from users where id in (3, 4); update users set "odd ""column" = 7 where id = 5; insert into shapes values (2); alter table shapes add x int`,
  );
  const before = await state();

  const merge = ["restore", "shop", "--tables", "users", "--merge"];
  const plan = (await world.expect(0, ...merge, "--plan", "--json")).json();
  assert.deepEqual(
    plan.steps
      .filter(({ action }: { action: string }) => action === "merge")
      .map((step: { subject: string; object: string }) => `${step.subject} in ${step.object}`),
    ["insert 2 rows, update 1 row in public.users", "insert 4 rows in public.orders"],
  );
  const { stdout } = await world.expect(0, ...merge, "--plan");
  assert.match(stdout, /~ public\.users id=5, odd "column "7" → "1"/);
  assert.match(stdout, /public\.orders comes along for the sake of orders_user_id_fkey/);
  assert.equal((await world.run(...merge)).code, "CONFIRMATION_NEEDED");
  assert.deepEqual(await state(), before, "a plan changes nothing");

  await query(shop, "delete from users where id = 9");
  const digest = ["--plan-digest", plan.digest, "--yes", "shop"];
  assert.equal((await world.run(...merge, ...digest)).code, "PLAN_CHANGED");
  await query(
    shop,
    'insert into users values (9, \'user 9\', 1); insert into orders overriding system value select * from jsonb_to_recordset(\'[{"id": 9, "user_id": 9, "total": 8}, {"id": 59, "user_id": 9, "total": 58}]\') as o(id int, user_id int, total int)',
  );
  const merged = (await world.expect(0, ...merge, ...digest, "--json")).json();
  assert.equal(merged.verdict, "pass");
  assert.deepEqual(await state(), wanted);
  assert.match(merged.next[0].commands[0], new RegExp(`^lifeboat undo ${merged.job} --yes shop$`));

  await query(shop, "update users set name = 'renamed' where id = 3");
  const planned = (await world.expect(0, "undo", merged.job, "--plan")).stdout;
  assert.match(planned, /1 row of public\.users was changed since/);
  const kept = (await world.expect(3, "undo", merged.job, "--yes", "shop", "--json")).json();
  assert.deepEqual(
    await query(shop, "select name from users where id in (3, 4)"),
    [{ name: "renamed" }],
    "a row that was changed since stays",
  );
  const undone = (await world.expect(0, "undo", merged.job, "--overwrite-changed", "--yes", "shop", "--json")).json();
  assert.deepEqual(await state(), before);
  for (const job of [undone.job, kept.job]) await world.expect(0, "undo", job, "--yes", "shop");
  await query(shop, "update users set name = 'user 3' where id = 3");
  assert.deepEqual(await state(), wanted, "an undo can be undone");
  assert.match(
    (await world.expect(3, "undo", undone.job, "--yes", "shop")).stdout,
    /^nothing was changed: no row .* is as job \w+ left it/,
  );
  const none = (await world.expect(3, ...merge, "--where", "id = 4242", "--yes", "shop", "--json")).json();
  assert.equal(none.verdict, "inconclusive", "a condition that holds for no row compares nothing");

  for (const [table, reason] of [
    ["notes", /no primary key/],
    ["shapes", /columns of public\.shapes differ: x/],
  ] as const) {
    const refused = await world.run("restore", "shop", "--tables", table, "--merge", "--yes", "shop");
    assert.equal(refused.code, "MERGE_REFUSED");
    assert.match(refused.stderr, reason);
    assert.match(refused.stderr, /lifeboat restore shop --to latest --tables public\.\w+ --into \w+_before/);
  }
  await world.assertNothingLeft();
});

test("R10 tables of a restored copy without statistics get them before foreign keys are followed", { skip }, async () => {
  const [past, live] = [await freshDatabase(), await freshDatabase()];
  const tables = `
    create table users (id int primary key) with (autovacuum_enabled = off);
    create table orders (id int, day int, user_id int references users, primary key (id, day)) partition by list (day);
    create table orders_1 partition of orders for values in (1) with (autovacuum_enabled = off);
    insert into users select generate_series(1, 2000); insert into orders select i, 1, i from generate_series(1, 2000) i`;
  for (const one of [past, live]) await query(one, tables);
  await query(live, "delete from orders; delete from users");
  const merging = await beginMerge(past, live, { tables: ["users"] });
  const { findings } = merging;
  await merging.end();
  assert.deepEqual(
    findings.tables.map(({ table, insert }) => [table, insert]),
    [
      ["public.users", 2000],
      ["public.orders", 2000],
    ],
  );
  const known = await query(
    past,
    "select distinct tablename::text as name from pg_stats where tablename in ('users', 'orders') order by 1",
  );
  assert.deepEqual(known, [{ name: "orders" }, { name: "users" }]);
});
