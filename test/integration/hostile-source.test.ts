// A source whose owner wants more than the source: names, search path and settings are turned against the role that reads it.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { archiveSource, until } from "../support/archive.ts";
import { copyableCluster } from "../support/base-world.ts";
import { HOSTILE_PATH, plantHostileSource } from "../support/hostile-source.ts";
import { openApplication, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";

const skip = skipWithoutPostgres();

test("R57 an ordinary session of a superuser is taken over by a hostile search_path, so these doubles do fire", { skip }, async (t) => {
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
async function everyCommand(world: World, directory: string): Promise<void> {
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
    return status.log?.stretches?.[0]?.latest > status.log?.stretches?.[0]?.earliest;
  });
  archive.kill("SIGTERM");
  assert.equal((await archive.ended).exit, 0);
  await world.expect(0, "restore", "shop", "--to", "latest", "--into", join(directory, "cluster"));
  const full = (await world.expect(0, "backup", "shop", "--json")).json().id;
  await world.expect(0, "verify", full);
  await world.expect(0, "drill", "shop", "--to", full);
  await world.expect(0, "restore", "shop", "--to", full, "--into", "shop_new", "--plan");
  await world.expect(0, "restore", "shop", "--to", full, "--into", "shop_new");
  await world.expect(0, "restore", "shop", "--to", full, "--into", "shop_new", "--replace", "--yes", "shop");
  await world.expect(0, "restore", "shop", "--to", full, "--into", "shop_new", "--tables", "notes", "--replace", "--yes", "shop");
  for (const args of [["show", full], ["list"], ["expire"], ["jobs"], ["jobs", "recover"], ["status"]]) await world.run(...args);
}

test("R57 no command runs a name of the source's, whatever its search path says", { skip }, async (t) => {
  const cluster = await copyableCluster(t, archiveSource);
  const source = await plantHostileSource(t, cluster);
  const { connection: shop } = source;
  const world = await beginWorld(t, { sources: { shop }, source: `policy: pitr, archive: { partialEvery: 1s }, ${PROBES}`, yaml: POLICY });
  mkdirSync(join(world.directory, "out"), { mode: 0o711 });
  await everyCommand(world, join(world.directory, "out"));
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
