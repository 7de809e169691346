// A source whose owner wants more than the source: names, search path and settings are turned against the role that reads it.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openClient } from "../../src/engines/postgres/connect/client.ts";
import { connectionFromParts, partsOf, withDatabase } from "../../src/engines/postgres/connect/url.ts";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { archiveSource, until } from "../support/archive.ts";
import { copyableCluster } from "../support/base-world.ts";
import { drainDump } from "../support/dumps.ts";
import { HOSTILE_PATH, plantHostileSource } from "../support/hostile-source.ts";
import { openApplication, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";

const skip = skipWithoutPostgres();

test("R57 a hostile search_path takes over an ordinary superuser session, so the traps work", { skip }, async (t) => {
  const source = await plantHostileSource(t, await copyableCluster(t));
  assert.deepEqual([source.fired(), await source.ownerHasGained()], [[], false]);
  const application = await openApplication(source.connection);
  for (const sql of [
    "select 1 from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()",
    "select current_setting('server_version')",
    "select relname from pg_class limit 1",
    "select 'a'::text",
    "select count(*) from pg_catalog.pg_type",
  ])
    await application.query(sql);
  await application.close();
  for (const kind of ["operator", "function current_setting", "relation pg_class", "type text", "function count"])
    assert.ok(
      source.fired().some((name) => name.startsWith(kind)),
      kind,
    );
  assert.equal(await source.ownerHasGained(), true);
});

const TABLE_PROBE = "{ table: orders, rows: { min: 1 }, newest: placed_at, within: 1h, indexes: { min: 1 } }";
const PROBES = `checks: [${TABLE_PROBE}, { sql: "select count(*) = 200 from public.orders", name: all there }]`;

/** Every command that speaks to a server, in an order in which each finds what it works on. */
async function everyCommand(world: World, shop: Connection, directory: string): Promise<void> {
  await world.expect(0, "check", "shop");
  await world.run("status", "shop");
  await world.run("plan", "shop");
  for (const kind of ["full", "schema", "data"]) await world.expect(0, "backup", "shop", "--kind", kind);
  await world.expect(0, "backup", "shop", "--tables", "orders");
  await world.expect(0, "backup", "shop", "--tables", "public.*");
  const archive = world.start("archive", "shop");
  await world.expect(0, "backup", "shop", "--kind", "base");
  await until("the recovery window is open", async () => {
    const [status] = (await world.run("status", "--json")).json().sources;
    return status.log?.windows?.[0]?.latest > status.log?.windows?.[0]?.earliest;
  });
  archive.kill("SIGTERM");
  assert.equal((await archive.ended).exit, 0);
  await world.expect(0, "restore", "shop", "--to", "latest", "--into", join(directory, "cluster"));
  const full = (await world.expect(0, "backup", "shop", "--json")).json().made[0].id;
  await world.expect(0, "verify", full);
  await world.expect(0, "drill", "shop", "--to", full);
  await world.expect(0, "restore", "shop", "--to", full, "--into", "shop_new", "--plan");
  await world.expect(0, "restore", "shop", "--to", full, "--into", "shop_new");
  await world.expect(0, "restore", "shop", "--to", full, "--into", "shop_new", "--replace", "--yes", "shop");
  await query(withDatabase(shop, "shop_new"), "drop view public.recent");
  await world.expect(0, "restore", "shop", "--to", full, "--into", "shop_new", "--tables", "orders", "--replace", "--yes", "shop");
  for (const args of [["show", full], ["list"], ["expire"], ["jobs"], ["jobs", "recover"], ["status"]]) await world.run(...args);
}

test("R57 no command runs functions of the source, for any search path", { skip }, async (t) => {
  const cluster = await copyableCluster(t, archiveSource);
  const source = await plantHostileSource(t, cluster);
  const { connection: shop } = source;
  const world = await beginWorld(t, { sources: { shop }, source: `policy: pitr, archive: { partialEvery: 1s }, ${PROBES}`, yaml: POLICY });
  mkdirSync(join(world.directory, "out"), { mode: 0o711 });
  await everyCommand(world, shop, join(world.directory, "out"));
  assert.deepEqual(source.fired(), []);
  assert.equal(await source.ownerHasGained(), false);
});

const POLICY = "policies: { pitr: { window: 7d } }\n";

test("R57 nor when the path is set for Lifeboat's own role", { skip }, async (t) => {
  const source = await plantHostileSource(t, await copyableCluster(t));
  const { connection: shop } = source;
  await query(shop, `alter role current_user in database shop set search_path to ${HOSTILE_PATH}`);
  const world = await beginWorld(t, { sources: { shop }, source: PROBES });
  await world.expect(0, "check", "shop");
  await world.expect(0, "backup", "shop");
  await world.expect(0, "drill", "shop");
  assert.deepEqual([source.fired(), await source.ownerHasGained()], [[], false]);
});

/** Each has a table whose planning runs a function of the owner's, by constants in an index, statistics, a key or a constraint. */
const PLANNED = `
  create function evil.yes(int) returns bool immutable language plpgsql as $f$ begin return evil.fire('planned'); end $f$;
  create function evil.same(text) returns text immutable language sql as $f$ select case when evil.yes(1) then $1 else $1 end $f$;
  create operator evil.=== (function = evil.alike, leftarg = text, rightarg = text, restrict = eqsel);
  create table public.by_predicate (id int); create index on public.by_predicate (id) where evil.yes(1);
  create table public.by_expression (note text); create index on public.by_expression (evil.same(note));
  create table public.by_coalesce (id int); create index on public.by_coalesce (evil.yes(coalesce(1, id)));
  create table public.by_operator (note text); create index on public.by_operator (note) where note operator(evil.===) 'x';
  create table public.by_statistics (note text, id int); create statistics public.st on (evil.same(note)), id from public.by_statistics;
  create table public.by_constraint (id int, check (evil.yes(1)));
  create table public.harmless (id int); create index on public.harmless (evil.yes(id));
  insert into public.harmless values (1);`;

test("R57 a table whose planning would run its owner's code is named, and not hashed by a superuser", { skip }, async (t) => {
  const source = await plantHostileSource(t, await copyableCluster(t));
  const { connection: shop, owner } = source;
  await query(
    owner,
    `set search_path to pg_catalog; create function evil.alike(text, text) returns bool immutable language plpgsql as
     $f$ begin return evil.fire('planned'); end $f$; ${PLANNED}`,
  );
  await query(owner, "alter database shop set constraint_exclusion to on");
  assert.deepEqual(source.fired(), []);
  const engine = openPostgresEngine();
  const refused = ["by_coalesce", "by_expression", "by_operator", "by_predicate", "by_statistics"].map((name) => `public.${name}`);
  const { tables, unhashed } = await engine.fingerprint(shop, { kind: "full" });
  assert.deepEqual(unhashed.map(({ object }) => object).sort(), refused);
  for (const { reason } of unhashed)
    assert.match(reason, /would run code of mallory's with a superuser's rights: .*docs\/postgres-role\.md/);
  assert.deepEqual(Object.keys(tables).sort(), ["public.by_constraint", "public.harmless", "public.notes", "public.orders"]);
  const { warnings } = await engine.inspect(shop);
  assert.equal(warnings.filter((text) => /cannot be compared/.test(text)).length, refused.length);
  const dump = await drainDump(t, engine, shop);
  assert.deepEqual(dump.fingerprint.unhashed.map(({ object }) => object).sort(), refused);
  assert.deepEqual([source.fired(), await source.ownerHasGained()], [[], false]);

  // The traps are real: any query of such a table springs them.
  const superuser = await openClient(shop);
  await superuser.query("select pg_catalog.count(*) from only public.by_predicate");
  await superuser.close();
  assert.deepEqual([source.fired(), await source.ownerHasGained()], [["planned"], true]);
  await query(withDatabase(shop, "postgres"), "alter role mallory nosuperuser");

  // A role that is not a superuser has no privilege that the owner of the database lacks.
  await query(shop, "reset search_path; create role reader login password 'r'; grant pg_read_all_data to reader");
  const reader = connectionFromParts({ ...partsOf(shop), user: "reader", password: "r" });
  const read = await engine.fingerprint(reader, { kind: "full" });
  assert.deepEqual([read.unhashed, Object.keys(read.tables).length], [[], 9]);
  assert.equal(await source.ownerHasGained(), false);
});
