// The main job with the real program, and what a restore does and refuses.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { assertNothingOnServer, fingerprintOf, mainJobTest, sibling } from "../support/main-job.ts";
import { freshDatabase, query, sharedCluster, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();
const engine = openPostgresEngine();

mainJobTest("chinook", "S3");
mainJobTest("features", "a local directory");

test("R32 a changed byte, a missing row, swapped values and a lost sequence of a copy are found by name", {
  skip,
}, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    "create table public.t (id serial primary key, a text, n numeric, f float8); insert into t (a, n, f) select 'value ' || i, i, 0 from generate_series(1, 1000) i",
  );
  const world = await beginWorld(t, { sources: { shop: source } });
  await world.expect(0, "backup", "shop");
  await world.expect(0, "restore", "shop", "--into", "to_be_changed");
  const copy = await sibling("to_be_changed");
  const expected = await fingerprintOf(source);
  const differences = async (): Promise<string[]> =>
    engine
      .compare(expected, await fingerprintOf(copy))
      .filter(({ outcome }) => outcome === "fail")
      .map(({ name }) => name);
  assert.deepEqual(await differences(), []);
  for (const [change, undo] of [
    ["update t set a = 'value 50x' where id = 500", "update t set a = 'value 500' where id = 500"],
    ["delete from t where id = 77", "insert into t values (77, 'value 77', 77, 0)"],
    [
      "update t set a = case id when 1 then 'value 2' else 'value 1' end where id in (1, 2)",
      "update t set a = case id when 1 then 'value 1' else 'value 2' end where id in (1, 2)",
    ],
    ["update t set n = 3.0 where id = 3", "update t set n = 3 where id = 3"],
    ["update t set f = '-0' where id = 4", "update t set f = 0 where id = 4"],
  ] as const) {
    await query(copy, change);
    const found = await differences();
    assert.ok(found.length > 0 && found.every((name) => name.includes("public.t")), `${change}: ${found.join()}`);
    await query(copy, undo);
    assert.deepEqual(await differences(), [], undo);
  }
});

test("R19 R22 R25 a source that dropped its schema public passes its drill, and comes back without it", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(source, "drop schema public; create schema app; create table app.t as select generate_series(1, 9) as i");
  const world = await beginWorld(t, { sources: { shop: source } });
  await world.expect(0, "backup", "shop");
  await world.expect(0, "drill", "shop");
  await world.expect(0, "restore", "shop", "--into", "without_public");
  const schemas = "select nspname::text as n from pg_namespace where nspname in ('app', 'public')";
  assert.deepEqual(await query(await sibling("without_public"), schemas), [{ n: "app" }]);
  // Chosen tables say nothing of the schema.
  const [{ id }] = (await world.expect(0, "backup", "shop", "--tables", "app.t", "--json")).json().made;
  await world.expect(0, "restore", "shop", "--to", id, "--into", "with_public");
  assert.deepEqual((await query(await sibling("with_public"), schemas)).length, 2);
});

test("R19 R22 data, schema and chosen tables are backed up and restored on their own", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    "create schema s; create table public.a (id int primary key, v text); create table s.b (id int references public.a); create table public.c (id int); insert into a select i, 'v' || i from generate_series(1, 500) i; insert into s.b select i from generate_series(1, 100) i; insert into c select 1",
  );
  const world = await beginWorld(t, { sources: { shop: source } });
  const [full, schema, data, tables] = [
    await world.expect(0, "backup", "shop", "--json"),
    await world.expect(0, "backup", "shop", "--kind", "schema", "--json"),
    await world.expect(0, "backup", "shop", "--kind", "data", "--json"),
    await world.expect(0, "backup", "shop", "--tables", "public.a,public.c", "--json"),
  ].map((ran) => ran.json().made[0]) as [{ id: string }, { id: string }, { id: string }, { id: string }];
  assert.deepEqual(
    (await world.expect(0, "list", "--json")).json().points.map(({ kind }: { kind: string }) => kind),
    ["full", "schema", "data", "tables"],
  );
  for (const { id } of [full, schema, data, tables]) await world.expect(0, "verify", id);

  // Definitions alone prove no data: that is not a pass.
  const empty = (await world.expect(3, "restore", "shop", "--to", schema.id, "--into", "parts", "--json")).json();
  assert.equal(empty.verdict, "inconclusive");
  const parts = await sibling("parts");
  const counts = async (connection: Connection) =>
    (
      await query(
        connection,
        "select (select count(*)::int from public.a) as a, (select count(*)::int from s.b) as b, (select count(*)::int from public.c) as c",
      )
    )[0];
  assert.deepEqual(await counts(parts), { a: 0, b: 0, c: 0 });

  // The data backup goes into the definitions that were restored.
  const filled = (await world.expect(0, "restore", "shop", "--to", data.id, "--into", "parts", "--json")).json();
  assert.equal(filled.verdict, "pass", JSON.stringify(filled.reasons));
  assert.deepEqual(await counts(parts), { a: 500, b: 100, c: 1 });

  // The same from the full backup, rows only.
  await world.expect(3, "restore", "shop", "--to", schema.id, "--into", "parts2");
  const dataOnly = (await world.expect(0, "restore", "shop", "--to", full.id, "--into", "parts2", "--data-only", "--json")).json();
  assert.equal(dataOnly.verdict, "pass", JSON.stringify(dataOnly.reasons));
  assert.deepEqual(await counts(await sibling("parts2")), { a: 500, b: 100, c: 1 });

  // Chosen tables of the full backup, and a backup of chosen tables.
  for (const [to, into] of [
    [full.id, "chosen"],
    [tables.id, "chosen2"],
  ] as const) {
    const args = to === full.id ? ["--tables", "public.a,public.c"] : [];
    const chosen = (await world.expect(0, "restore", "shop", "--to", to, "--into", into, ...args, "--json")).json();
    assert.equal(chosen.verdict, "pass", JSON.stringify(chosen.reasons));
    const rows = await query(
      await sibling(into),
      "select relname::text as t from pg_class where relkind = 'r' and relnamespace in ('public'::regnamespace) order by 1",
    );
    assert.deepEqual(rows, [{ t: "a" }, { t: "c" }]);
  }
  await world.assertNothingLeft();
  await assertNothingOnServer();
});

test("R8 R22 R23 a filled database is replaced only with confirmation, by a proven copy, and is kept", {
  skip,
}, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    "create table public.t (id int primary key, v text); insert into t select i, repeat('v', 50) from generate_series(1, 2000) i",
  );
  const world = await beginWorld(t, { sources: { shop: source } });
  const { id } = (await world.expect(0, "backup", "shop", "--json")).json().made[0];
  const target = await freshDatabase("occupied");
  await query(target, "create table public.precious (id int); insert into precious select 7");
  const precious = () => query(target, "select id from precious");

  const refused = await world.expect(2, "restore", "shop", "--into", "occupied", "--json");
  assert.equal(refused.code, "RESTORE_TARGET_NOT_EMPTY");
  assert.match(refused.message ?? "", /precious/);
  assert.equal((await world.expect(2, "restore", "shop", "--into", "occupied", "--replace", "--json")).code, "CONFIRMATION_NEEDED");
  assert.equal(
    (await world.expect(2, "restore", "shop", "--into", "occupied", "--replace", "--yes", "shpo", "--json")).code,
    "CONFIRMATION_NEEDED",
  );
  const plan = (await world.expect(0, "restore", "shop", "--into", "occupied", "--replace", "--yes", "shop", "--plan", "--json")).json();
  assert.deepEqual(plan.refusals, []);
  assert.deepEqual(
    (await world.expect(2, "restore", "shop", "--into", "occupied", "--plan", "--json")).json().refusals[0].code,
    "RESTORE_TARGET_NOT_EMPTY",
  );
  assert.deepEqual(await precious(), [{ id: 7 }], "neither refusal nor plan touched it");
  assert.equal((await world.expect(0, "jobs", "--json")).json().jobs.length, 1, "only the backup was a job");

  // A damaged backup: the target is untouched.
  const folder = join(world.repository, "sources/shop/backups");
  const part = join(folder, readdirSync(folder)[0] ?? "", "data.zst.age");
  const sound = readFileSync(part);
  const damaged = Buffer.from(sound);
  damaged[sound.length - 100] = (damaged[sound.length - 100] ?? 0) ^ 1;
  writeFileSync(part, damaged);
  const failed = await world.expect(30, "restore", "shop", "--to", id, "--into", "occupied", "--replace", "--yes", "shop", "--json");
  assert.equal(failed.code, "INTEGRITY");
  assert.deepEqual(await precious(), [{ id: 7 }]);
  await assertNothingOnServer();

  writeFileSync(part, sound);
  const done = (await world.expect(0, "restore", "shop", "--to", id, "--into", "occupied", "--replace", "--yes", "shop", "--json")).json();
  assert.equal(done.verdict, "pass");
  assert.deepEqual(await query(await sibling("occupied"), "select count(*)::int as n, to_regclass('public.precious') as p from public.t"), [
    { n: 2000, p: null },
  ]);
  // What was replaced is kept until the restore is accepted.
  const { name } = done.kept;
  assert.match(name, /^occupied_before_\d{14}$/);
  assert.deepEqual(await query(await sibling(name), "select id from precious"), [{ id: 7 }]);
  const unsure = await world.expect(2, "accept", done.job, "--json");
  assert.deepEqual([unsure.code, unsure.message?.includes("precious")], ["CONFIRMATION_NEEDED", true]);
  await world.expect(0, "accept", done.job.slice(0, 10), "--yes", "shop");
  const server = (await sharedCluster()).connection("postgres");
  assert.deepEqual(await query(server, `select datname from pg_database where datname = '${name}'`), []);
  assert.equal((await world.expect(0, "accept", done.job, "--json")).json().expiresAt, null, "a second time changes nothing");
  await world.assertNothingLeft();
  await assertNothingOnServer();
});

test("R22 the plan of a restore into a new name shows its steps and changes nothing", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(source, "create table public.t (id int); insert into t values (1)");
  const world = await beginWorld(t, { sources: { shop: source } });
  await world.expect(0, "backup", "shop");
  const databases = async () =>
    query((await sharedCluster()).connection("postgres"), "select datname::text as d from pg_database order by 1");
  const before = await databases();
  const plan = (await world.expect(0, "restore", "shop", "--into", "planned", "--plan", "--json")).json();
  assert.deepEqual([plan.verb, plan.source, plan.refusals], ["restore", "shop", []]);
  assert.ok(plan.steps.length >= 3);
  assert.ok(!before.some(({ d }) => d === "planned"));
  await world.assertNothingLeft();
});
