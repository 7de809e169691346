// Tables and rows that a restore replaces in a database in use, by the real program: an undo set comes first, and an undo brings them back.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { partsOf } from "../../src/engines/postgres/connect/url.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

const SHOP = `
  create schema "Odd S"; create type mood as enum ('good', 'bad'); create sequence loose;
  create table users (id serial primary key, name text not null, m mood default 'good', up text generated always as (upper(name)) stored);
  create unique index users_name on users (name); comment on table users is 'people';
  create table orders (id int generated always as identity primary key, user_id int references users on delete cascade, total int check (total >= 0));
  create table "Odd S"."t ""q""" (id int primary key); create table parts (i int) partition by range (i);
  create table part_1 partition of parts for values from (0) to (1000);
  insert into users (name) select 'user ' || i from generate_series(1, 20) i;
  insert into orders (user_id, total) select 1 + i % 20, i from generate_series(0, 49) i;
  insert into "Odd S"."t ""q""" values (1); insert into parts values (1), (2)`;

const STATE = `
  select (select json_agg(u order by id) from users u) as users, (select json_agg(o order by id) from orders o) as orders,
    (select json_agg(t order by id) from "Odd S"."t ""q""" t) as odd, (select json_agg(p order by i) from parts p) as parts,
    to_regclass('public.late')::text as late, (select json_agg(i.indexdef order by i.indexdef) from (select indexdef from pg_indexes where schemaname = 'public') i) as indexes,
    (select json_agg(c.def order by c.def) from (select conname || pg_get_constraintdef(oid) as def from pg_constraint where connamespace = 'public'::regnamespace) c) as keys,
    obj_description('users'::regclass) as said, (select json_agg(column_name order by ordinal_position) from information_schema.columns where table_name = 'users') as columns`;

test("R10 R22 what --tables --replace and --data-only change comes back by undo, and again by its undo", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(shop, `${SHOP}; create table late (id int primary key); insert into late values (1)`);
  const world = await beginWorld(t, { sources: { shop } });
  await world.expect(0, "backup", "shop");
  const name = partsOf(shop).database;
  const state = async () => (await query<{ orders: unknown[]; late: string | null }>(shop, STATE))[0];
  const into = ["--into", name, "--yes", "shop"];
  await query(
    shop,
    `drop table late; delete from users where id > 15; update orders set total = total + 1000; alter table users add extra int;
     comment on table users is 'changed'; drop index users_name; insert into "Odd S"."t ""q""" values (2);
     create table part_2 partition of parts for values from (1000) to (2000); insert into parts values (1500)`,
  );
  const before = await state();
  const tables = `users,orders,late,parts,"Odd S"."t ""q"""`;
  const replace = ["restore", "shop", "--tables", tables, "--replace", ...into];
  const { stdout: planned } = await world.expect(0, ...replace, "--plan");
  assert.match(planned, /store an undo set of tables users,.* as they are now, sealed/);
  assert.match(planned, /other sessions can read meanwhile, and wait with their writes/);
  assert.deepEqual(await state(), before, "a plan changes nothing");

  const alone = await world.run("restore", "shop", "--tables", "part_1", "--replace", ...into);
  assert.match(alone.stderr, /public\.part_1 belongs to public\.parts, which would lose it(.|\n)*next: .*--data-only replaces the rows/);
  assert.deepEqual(await state(), before, "a partition is not taken from its table");

  const done = (await world.expect(0, ...replace, "--json")).json();
  const after = await state();
  assert.equal(after?.late, "late");
  assert.notDeepEqual(after, before);
  assert.deepEqual(done.next[0].commands, [`lifeboat undo ${done.job} --yes shop`]);

  await t.test("R10 tables that were changed since are named and refused, and nothing is changed", async () => {
    await query(shop, "update users set name = 'late' where id = 3; alter table orders add note text");
    const changed = await state();
    const { refusals } = (await world.run("undo", done.job, "--plan", "--json")).json();
    assert.match(refusals[0].message, /changed after job \w+: rows of public\.\w+.*definition of column public\.orders\.note/);
    const refused = await world.run("undo", done.job, "--yes", "shop");
    assert.equal(refused.code, "MERGE_REFUSED");
    assert.match(refused.stderr, /next: .*--overwrite-changed/);
    assert.deepEqual(await state(), changed);
    await query(shop, "update users set name = 'user 3' where id = 3; alter table orders drop note");
  });

  await t.test("R10 an undo that the server would refuse is refused by its plan, with the same code", async () => {
    await query(shop, "create view look as select id from users; create view late_look as select id from late");
    const now = await state();
    for (const [view, table] of [
      ["late_look", "late"],
      ["look", "users"],
    ]) {
      const message = new RegExp(`view .*${view} depends on .*${table}`);
      const { refusals } = (await world.run("undo", done.job, "--plan", "--json")).json();
      assert.deepEqual([refusals[0]?.code, message.test(refusals[0]?.message)], ["LOAD_FAILED", true], JSON.stringify(refusals));
      const refused = await world.run("undo", done.job, "--yes", "shop");
      assert.deepEqual([refused.code, message.test(refused.stderr)], ["LOAD_FAILED", true], refused.stderr);
      assert.deepEqual(await state(), now);
      await query(shop, `drop view ${view}`);
    }
  });

  await t.test("R10 undo brings tables, indexes, keys and partitions back, and removes what was created", async () => {
    const plan = (await world.expect(0, "undo", done.job, "--plan", "--json")).json();
    const undone = (await world.expect(0, "undo", done.job, "--plan-digest", plan.digest, "--yes", "shop", "--json")).json();
    assert.deepEqual(await state(), before);
    const users = undone.tables.find((one: { table: string }) => one.table === "public.users");
    assert.deepEqual([users.inserted, users.deleted], [15, 20]);
    assert.match((await world.expect(0, "undo", done.job, "--yes", "shop")).stdout, /^nothing was changed: .* is as it was before job/);
    await world.expect(0, "undo", undone.job, "--yes", "shop");
    assert.deepEqual(await state(), after);
    await query(shop, "insert into late values (7)");
    await world.expect(0, "undo", done.job, "--overwrite-changed", "--yes", "shop");
    assert.deepEqual(await state(), before);
  });

  await t.test("R22 rows that --data-only puts into tables, empty or not, go again", async () => {
    await query(shop, "delete from orders");
    await query(shop, "insert into users (id, name) select i, 'user ' || i from generate_series(16, 20) i; alter table users drop extra");
    const rows = ["restore", "shop", "--data-only", ...into];
    const empty = await state();
    const filled = (await world.expect(0, ...rows, "--tables", "orders", "--replace", "--json")).json();
    assert.equal((await state())?.orders.length, 50);
    await world.expect(0, "undo", filled.job, "--yes", "shop");
    assert.deepEqual(await state(), empty, "empty before, empty again");
    await query(shop, "insert into orders (user_id, total) values (1, 7)");
    const some = await state();
    // Beside rows that were there, the table is not what was backed up: the restore fails, and says how to go back.
    const added = (await world.expect(1, ...rows, "--tables", "orders", "--json")).json();
    assert.deepEqual(added.next[0].commands, [`lifeboat undo ${added.job} --yes shop`]);
    assert.equal((await state())?.orders.length, 51);
    await query(shop, "select nextval('orders_id_seq')");
    await world.expect(0, "undo", added.job, "--yes", "shop");
    assert.deepEqual(await state(), some);
  });

  await world.assertNothingLeft();
  const undo = readdirSync(join(world.repository, "sources/shop/undo"));
  assert.ok(undo.every((one) => one.endsWith(".age") || /\.json(\.\w+\.sig)?$/.test(one)));
});
