// Merges by the real program: rows come back into a live database from a restore point, and an undo takes them back.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { connectionFromParts, partsOf } from "../../src/engines/postgres/connect/url.ts";
import { beginMerge } from "../../src/engines/postgres/merge/merge.ts";
import type { Connection } from "../../src/ports/connection.ts";
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

test("R10 what a merge plan says of triggers, row security, generated columns, sequences and locks is so", { skip }, async (t) => {
  const [past, live] = await Promise.all([freshDatabase(), freshDatabase()]);
  const role = `clerk_${randomInt(1e9)}`;
  const shape = `
    create table fired (what text);
    create table goods (id int generated always as identity primary key, name text not null, gross int, net int generated always as (gross * 2) stored,
      n bigint default 0);
    create sequence goods_n owned by goods.n;
    insert into goods (name, gross, n) select 'mine ' || i, i, i from generate_series(1, 9) i;
    create function fire() returns trigger language plpgsql as $$ begin insert into public.fired values (tg_name); new.name := 'changed'; return new; end $$;
    create trigger ordinary before insert or update on goods for each row execute function fire();
    create trigger replicas before insert or update on goods for each row execute function fire();
    alter table goods enable replica trigger replicas;
    alter table goods enable row level security; create policy own on goods using (name like 'mine%');
    select setval('goods_n', 9)`;
  const damage =
    "set session_replication_role = replica; delete from goods where id in (2, 3); update goods set gross = 40 where id = 4; truncate fired";
  await Promise.all([past, live].map((one) => query(one, shape)));
  await query(live, `${damage}; select setval('goods_n', 5)`);
  await query(
    live,
    `create role ${role} login password 'c'; grant all on goods, fired to ${role}; grant all on schema public to ${role}; grant all on all sequences in schema public to ${role}`,
  );
  t.after(() => query(live, `reassign owned by ${role} to current_user; drop owned by ${role}; drop role ${role}`));
  const clerk = connectionFromParts({ ...partsOf(live), user: role, password: "c" });
  const triggers = () => query(live, "select tgname, tgenabled from pg_trigger where tgrelid = 'goods'::regclass order by tgname");
  const before = await triggers();
  const rows = "select id, name, gross, net, n from goods order by id";
  const options = { tables: ["goods"] };
  const nothing = async (): Promise<void> => {};
  /** `onLocked`: the rows are locked, and none is changed yet. `look`: all are changed. */
  const merge = async (as: Connection, look = nothing, onLocked = nothing) => {
    const merging = await beginMerge(past, as, options);
    try {
      const { remarks, locks, sequences, unmergeable } = merging.findings;
      if (unmergeable.length > 0) return { remarks, locks, sequences, refused: unmergeable };
      const storeUndo = async (changes: AsyncIterable<Uint8Array>) => {
        for await (const bytes of changes) assert.ok(bytes.length > 0);
        await onLocked();
      };
      await merging.apply({ storeUndo, assertAlive: look });
      return { remarks, locks, sequences, refused: [] };
    } finally {
      await merging.end();
    }
  };
  const modes = async () =>
    (
      await query<{ mode: string }>(
        live,
        "select distinct mode from pg_locks where relation = 'goods'::regclass and granted and mode <> 'AccessShareLock' order by 1",
      )
    ).map(({ mode }) => mode);

  // A policy that the role must obey would hide rows, and a trigger that it does not own cannot be switched off.
  assert.deepEqual(
    (await merge(clerk)).refused.map(({ obstacle, message }) => [obstacle, message]),
    [["not readable", "row-level security would hide rows of public.goods from the user"]],
  );
  await query(live, `alter role ${role} bypassrls`);
  assert.match(
    String((await merge(clerk)).refused[0]?.message),
    /^triggers of public\.goods would change its rows, and the user may not switch them off/,
  );

  // A superuser: only the trigger that fires in replicas takes a stronger lock.
  const whole = await merge(live, async () => {
    assert.deepEqual(await modes(), ["RowExclusiveLock", "RowShareLock", "ShareRowExclusiveLock"]);
  });
  assert.deepEqual(whole.remarks, [
    "triggers of public.goods do not run for these rows: ordinary, replicas",
    "public.goods is locked against other writes while its triggers are off (SHARE ROW EXCLUSIVE)",
    "generated columns of public.goods are computed by the server: net",
    "identity columns of public.goods keep the values that they had: id",
    "foreign keys are checked by the merge itself before it is committed",
    "row-level security does not hide rows from this user",
  ]);
  assert.deepEqual(whole.locks, [
    "public.goods: ROW EXCLUSIVE, and 1 row locked until the commit, after at most 3 s of waiting for others, 6 times",
  ]);
  assert.deepEqual(whole.sequences, [{ sequence: "public.goods_n", from: "5", to: "9" }]);
  assert.deepEqual(await query(live, rows), await query(past, rows));
  assert.deepEqual(await query(live, "select * from fired"), []);
  assert.deepEqual(await triggers(), before, "as they were");
  assert.deepEqual(await query(live, "select nextval('goods_n')::int as n"), [{ n: 10 }]);

  // Without that trigger others continue to write; the rows of the merge wait.
  await query(live, `drop trigger replicas on goods; ${damage}`);
  await query(past, "drop trigger replicas on goods");
  const beside = await merge(live, async () => {
    assert.deepEqual(await modes(), ["RowExclusiveLock", "RowShareLock"]);
    await query(live, "set session_replication_role = replica; update goods set gross = 50 where id = 5");
    await assert.rejects(query(live, "select from goods where id = 4 for update nowait"), /could not obtain lock/);
  });
  assert.ok(!beside.remarks.some((remark) => /SHARE ROW EXCLUSIVE/.test(remark)), beside.remarks.join("\n"));
  assert.deepEqual(await query(live, "select gross, net from goods where id in (4, 5) order by id"), [
    { gross: 4, net: 8 },
    { gross: 50, net: 100 },
  ]);

  // The owner, who may not switch off the triggers of a session: the table is locked against writes.
  await query(live, `alter table goods owner to ${role}; ${damage}`);
  const blocked = "select from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0";
  let writing: Promise<unknown> | undefined;
  const owned = await merge(
    clerk,
    async () => {
      assert.ok((await modes()).includes("ShareRowExclusiveLock"));
      await assert.rejects(query(live, "set lock_timeout = '50ms'; update goods set gross = 0 where id = 6"), /lock timeout/);
    },
    async () => {
      writing = query(live, "set session_replication_role = replica; update goods set gross = gross where id = 4");
      writing.catch(nothing); // it is awaited below
      while ((await query(live, blocked)).length === 0);
    },
  );
  await writing; // an application that wrote one of the rows has waited, and was not ended by a deadlock
  assert.ok(owned.remarks.includes("public.goods is locked against other writes while its triggers are off (SHARE ROW EXCLUSIVE)"));
  assert.ok(owned.remarks.includes("foreign keys are checked by the server, and by the merge before it is committed"));
  assert.deepEqual(
    await query(live, `select count(*)::int as n, sum(net)::int as net from goods`),
    await query(past, `select count(*)::int as n, sum(net)::int as net from goods`),
  );
  assert.deepEqual(await query(live, "select * from fired"), []);
  // Forced upon its owner, the policy hides rows again.
  await query(live, `alter role ${role} nobypassrls; alter table goods force row level security`);
  assert.equal((await merge(clerk)).refused[0]?.obstacle, "not readable");
});
