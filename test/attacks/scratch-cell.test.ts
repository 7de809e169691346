// What a source's owner can put into a database, against a drill of it by the real program: nothing of it may reach beyond the scratch server.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../src/engines/postgres/cluster/cluster.ts";
import { partsOf } from "../../src/engines/postgres/connect/url.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { copyableCluster } from "../support/base-world.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";
import { need } from "../support/require.ts";

const skip = skipWithoutPostgres();
const until = async (done: () => Promise<boolean>): Promise<void> => {
  while (!(await done())) await sleep(50);
};

/** As libpq wants it, by the socket: the way in that needs no network. */
function conninfoOf(connection: Connection): string {
  const { host, port, user, password, database } = partsOf(connection);
  return `host=${host} port=${port} user=${user} password=${password} dbname=${database}`;
}

/** A directory that the server's user may write to, and its programs leave their traces in. */
function open(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "lifeboat-open-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  chmodSync(directory, 0o777);
  return directory;
}

test("R57 a check that runs programs and a view that calls dblink reach nothing in a drill", { skip }, async (t) => {
  const traces = open(t);
  const cluster = await copyableCluster(t);
  const shop = await freshDatabase("shop", cluster);
  // At the source it does nothing: only a drill makes it act, and each act is on its own, so that one refused does not shield the next.
  await query(
    shop,
    `create extension dblink;
     create table audit (what text);
     create function act(what text) returns boolean language plpgsql as $$
     begin
       if current_database() = 'shop' then return true; end if;
       begin execute format('copy (select 1) to program %L', 'cat /proc/[0-9]*/environ > ${traces}/environ.' || what); exception when others then null; end;
       begin execute format('copy (select 1) to %L', '${traces}/file.' || what); exception when others then null; end;
       begin perform public.dblink_exec('${conninfoOf(shop).replaceAll("'", "''")}', 'insert into audit values (' || quote_literal(what) || ')'); exception when others then null; end;
       return true;
     end $$;
     create table t (n int check (public.act('check')));
     insert into t values (1), (2);
     create materialized view m as select public.act('view') as acted;
     create index on t ((n + 1))`,
  );
  const world = await beginWorld(t, { sources: { shop } });
  await world.expect(0, "backup", "shop", "--json");
  const drilled = await world.run("drill", "shop", "--json");
  assert.deepEqual(readdirSync(traces), []);
  assert.deepEqual(await query(shop, "select what from audit"), []);
  assert.match(drilled.stdout + drilled.stderr, /isolated: no network, own processes and files/);
  await world.assertNothingLeft();
});

async function subscribed(t: TestContext): Promise<{ publisher: Connection; subscriber: Cluster }> {
  const logical = { wal_level: "logical", max_replication_slots: "5" };
  const origin = await copyableCluster(t, logical);
  const subscriber = await copyableCluster(t, logical);
  const publisher = origin.connection("postgres");
  await query(publisher, "create table orders (n int primary key)");
  await query(publisher, "create publication p for table orders");
  await query(subscriber.connection("postgres"), "create table orders (n int primary key)");
  await query(subscriber.connection("postgres"), `create subscription s connection '${conninfoOf(publisher)}' publication p`);
  await query(publisher, "insert into orders values (1)");
  await until(async () => (await query(subscriber.connection("postgres"), "select n from orders")).length === 1);
  return { publisher, subscriber };
}

test("R57 a drill of a subscriber's base backup consumes nothing of the publisher's slot", {
  skip,
}, async (t) => {
  const { publisher, subscriber } = await subscribed(t);
  const shop = subscriber.connection("postgres");
  const world = await beginWorld(t, { sources: { shop } });
  await world.expect(0, "backup", "shop", "--kind", "base", "--json");
  // The real subscriber is away for a while: its slot is free for the taking.
  await query(shop, "alter subscription s disable");
  const slot = () => query(publisher, "select confirmed_flush_lsn::text as at, active, wal_status from pg_replication_slots");
  await until(async () => (await slot())[0]?.active === false);
  await query(publisher, "insert into orders values (2)");
  const before = await slot();
  const drilled = await world.run("drill", "shop", "--json");
  assert.deepEqual(await slot(), before, drilled.stderr);
  assert.match(drilled.stdout, /isolated: no network, own processes and files/);

  const directory = join(world.directory, "handed-over");
  const restored = (await world.run("restore", "shop", "--into", directory, "--json")).json();
  assert.ok(existsSync(join(directory, "PG_VERSION")));
  assert.match(restored.instructions.join("\n"), /subscription s in postgres is disabled/);
  assert.match(restored.instructions.join("\n"), /it archives nothing/);
  assert.deepEqual(await slot(), before);

  await query(shop, "alter subscription s enable");
  await until(async () => (await query(shop, "select n from orders")).length === 2);
  await world.assertNothingLeft();
});

test("R57 R33 without a cell a drill is refused with the reason, or runs with recorded consent", {
  skip,
}, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table t as select 1 as n");
  // Every program of the system but the one that makes namespaces.
  const programs = open(t);
  for (const name of readdirSync("/usr/bin")) if (name !== "unshare") symlinkSync(join("/usr/bin", name), join(programs, name));
  const world = await beginWorld(t, { sources: { shop }, env: { PATH: programs } });
  await world.expect(0, "backup", "shop", "--json");
  const refused = await world.expect(2, "drill", "shop", "--json");
  assert.equal(refused.code, "ISOLATION_MISSING");
  assert.match(refused.message ?? "", /no program unshare/);
  assert.match(refused.stderr, /scratch\.isolation: none/);
  const checked = await world.run("check", "--json");
  assert.match(checked.stdout, /restored code cannot be kept from this machine/);
  assert.notEqual(checked.exit, 0);

  appendFileSync(world.configFile, "scratch: { isolation: none }\n");
  const drilled = (await world.expect(0, "drill", "shop", "--json")).json().drills[0];
  assert.equal(drilled.verdict, "pass");
  assert.match(drilled.target, /not isolated/);
  assert.match((await world.run("check", "--json")).stdout, /can be made in .*, not isolated/);
  await world.assertNothingLeft();
});

test("R57 R33 a drill whose disk fills is inconclusive: the backup is not to blame", { skip }, async (t) => {
  const disk = mkdtempSync(join(tmpdir(), "lifeboat-disk-"));
  // Before the directory goes.
  t.after(() => {
    spawnSync("umount", ["-l", disk]);
    rmSync(disk, { recursive: true });
  });
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", disk]).status === 0;
  if (!need(t, "a file system of its own (root)", mounted)) return;
  const shop = await freshDatabase();
  await query(shop, "create table t as select i, repeat('x', 1000) as filler from generate_series(1, 150000) i");
  const world = await beginWorld(t, { sources: { shop }, yaml: `scratch: { directory: ${disk} }` });
  await world.expect(0, "backup", "shop", "--json");
  const drilled = await world.run("drill", "shop", "--json");
  assert.equal(drilled.code, "DISK_FULL", drilled.stderr);
  assert.match(drilled.message ?? "", /ended before it filled the disk|ran out of disk space/);
  assert.deepEqual(readdirSync(disk), []);
  const filed = readdirSync(world.repository, { recursive: true, encoding: "utf8" }).filter((name) => /evidence.*\.json$/.test(name));
  assert.deepEqual(
    filed.map((name) => JSON.parse(readFileSync(join(world.repository, name), "utf8")).verdict),
    ["inconclusive"],
  );
  assert.equal((await world.expect(0, "list", "--json")).json().points[0].damagedAt, null);
  await world.assertNothingLeft();
});
