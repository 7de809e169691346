// Restores of chosen tables: what they leave out is judged, and a copy is read only as far as they take.
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { test } from "node:test";
import { readContents } from "../../src/engines/postgres/archive/contents.ts";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import { drainDump } from "../support/dumps.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

test("R22 a restore that leaves out a foreign key is inconclusive, and says how to include the other table", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(
    shop,
    `create table users (id int primary key); create table orders (id int primary key, user_id int references users);
     insert into users values (1); insert into orders values (1, 1)`,
  );
  const world = await beginWorld(t, { sources: { shop } });
  await world.expect(0, "backup", "shop");
  const { checks } = (await world.expect(3, "restore", "shop", "--tables", "orders", "--into", "only_orders", "--json")).json();
  const open = checks.filter((one: { outcome: string }) => one.outcome !== "pass");
  assert.deepEqual(
    open.map((one: { name: string }) => one.name),
    ["foreign key public.orders orders_user_id_fkey"],
  );
  assert.match(open[0].message, /public\.users is not here and was not chosen; to include it: --tables orders,public\.users/);
  const whole = (await world.expect(0, "restore", "shop", "--tables", "orders,public.users", "--into", "both", "--json")).json();
  assert.equal(whole.verdict, "pass");
  const refused = await world.run("undo", whole.job, "--yes", "shop");
  assert.equal(refused.code, "JOB_UNKNOWN");
  assert.match(refused.stderr, /replaced nothing in a database in use[\s\S]*next: drop what it made/);
});

test("R22 R33 a restore of chosen tables runs the probes about these tables, and no others", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table a (i int); create table b (i int); insert into a values (1); insert into b values (1)");
  const source = "checks: [{ table: a, rows: { min: 1 } }, { table: b, rows: { min: 1 } }, { sql: 'select count(*) > 0 from b' }]";
  const world = await beginWorld(t, { sources: { shop }, source });
  await world.expect(0, "backup", "shop");
  const { checks } = (await world.expect(0, "restore", "shop", "--tables", "public.a", "--into", "only_a", "--json")).json();
  const probes = checks.filter(({ kind }: { kind: string }) => kind === "probe").map(({ name }: { name: string }) => name);
  assert.ok(probes.length > 0 && probes.every((name: string) => /\ba\b/.test(name)), probes.join());
});

test("R22 a copy for chosen tables holds every definition and the rows of these tables alone", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(
    shop,
    `create schema "S.|(x)"; create type mood as enum ('good'); create table a (m mood); insert into a values ('good');
     create table "A|b" (i int); insert into "A|b" values (1); create table "S.|(x)"."q""uote" (i int); insert into "S.|(x)"."q""uote" values (1);
     create table "S.|(x)"."*" (i int); insert into "S.|(x)"."*" values (1); create table parts (i int) partition by range (i);
     create table part_1 partition of parts for values from (0) to (9); insert into parts values (1); select lo_create(0)`,
  );
  const engine = openPostgresEngine();
  const wanted = ["a", '"S.|(x)"."*"', "parts"];
  const { file, fingerprint } = await drainDump(t, engine, shop, { kind: "full", rowsOf: wanted });
  const { entries } = await readContents(createReadStream(file));
  const of = (kind: string): string[] => entries.filter((entry) => entry.kind === kind).map(({ name }) => name);
  assert.deepEqual(of("TABLE DATA").sort(), ["*", "a", "part_1"]);
  assert.deepEqual(of("TABLE").sort(), ["*", "A|b", "a", "part_1", "parts", 'q"uote']);
  assert.deepEqual([of("TYPE"), of("BLOB")], [["mood"], []]);
  assert.deepEqual(Object.keys(fingerprint.tables).sort(), ['"S.|(x)"."*"', "public.a", "public.part_1"]);
});

test("R22 a policy or parent of a table that was not chosen is named, with how to include it", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(
    shop,
    `create table members (who name); create table notes (id int); alter table notes enable row level security; insert into notes values (1);
     create policy mine on notes using (exists (select from members where who = current_user));
     create table base (id int); create table child (v text) inherits (base); insert into child values (1, 'x'); insert into base values (2)`,
  );
  const engine = openPostgresEngine();
  const { file } = await drainDump(t, engine, shop, { kind: "full" });
  const { problems, notRestored } = await engine.load(await freshDatabase(), file, { tables: ["notes"] });
  assert.deepEqual([problems, notRestored.map(({ kind, object }) => [kind, object])], [[], [["policy", "public.notes mine"]]]);
  assert.match(notRestored[0]?.reason ?? "", /to include it: --tables notes,public\.members/);
  await assert.rejects(engine.load(await freshDatabase(), file, { tables: ["child"] }), {
    code: "LOAD_FAILED",
    message: /public\.child needs public\.base/,
    hint: "include it: --tables child,public.base",
  });

  await query(shop, "create table pictures (id int, data oid, kind regclass); select lo_create(0)");
  const { names, gaps } = await engine.chosen(shop, ["base", "pictures"]);
  assert.deepEqual(names, ["public.base", "public.pictures"]);
  assert.deepEqual(
    gaps.map(({ kind, object, choose, mayFail }) => [kind, object, choose, mayFail]),
    [
      ["children", "public.child (of public.base)", "public.child", false],
      ["large objects", "public.pictures.data", undefined, false],
      ["names in rows", "public.pictures.kind (regclass)", undefined, true],
    ],
  );

  // A backup of chosen tables has the parent's definition and the other table's, and no rows of them.
  const some = await drainDump(t, engine, shop, { kind: "tables", tables: ["public.notes", "public.child"] });
  const target = await freshDatabase();
  assert.deepEqual((await engine.load(target, some.file, { tables: ["child", "notes"] })).notRestored, []);
  assert.deepEqual(
    await query(target, "select (select count(*)::int from base) as base, (select count(*)::int from pg_policy) as policies"),
    [{ base: 1, policies: 1 }],
  );
  await assert.rejects(engine.load(await freshDatabase(), some.file, { tables: ["base"] }), {
    code: "TABLE_UNKNOWN",
    message: /not its rows/,
  });
});
