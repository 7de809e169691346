// The whole journey on other major versions of PostgreSQL: dumps and base backups, drills, restores, and an instant between two.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { beginCluster, type Cluster } from "../../src/engines/postgres/cluster/cluster.ts";
import { archiveSource, until } from "../support/archive.ts";
import { restoreScratch, settle } from "../support/point-in-time.ts";
import { freshDatabase, postgresBin, query, skipWithoutPostgres, testCluster } from "../support/postgres.ts";
import { PACKAGES, programsOf, TOO_OLD } from "../support/postgres-majors.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

/** What each version has in its own way. */
const SHOP = `
create role team; create role "Odd role";
create table public.w (xid bigint, n int);
create schema app; grant usage on schema app to team;
create collation app.bytes from "C";
create domain app.short as text check (length(value) < 20);
create type app.mood as enum ('sad', 'glad');
create table app.users (id int generated always as identity primary key, name text collate app.bytes not null, mood app.mood default 'sad', at timestamptz default now(), tags text[], doc jsonb, nick app.short);
create index on app.users using gin (tags); create index on app.users (lower(name)) where mood = 'glad';
create statistics app.of_users (ndistinct, dependencies) on name, mood from app.users; alter statistics app.of_users set statistics 300;
create statistics app.expr on (lower(name)), mood from app.users;
create table app.parted (id int not null, v text check (v <> '')) partition by hash (id);
create table app.parted_0 partition of app.parted for values with (modulus 2, remainder 0); create table app.parted_1 partition of app.parted for values with (modulus 2, remainder 1);
create table app.by_mood (m app.mood not null, n int) partition by hash (m);
create table app.by_mood_0 partition of app.by_mood for values with (modulus 2, remainder 0); create table app.by_mood_1 partition of app.by_mood for values with (modulus 2, remainder 1);
create view app.glad as select id, name from app.users where mood = 'glad';
create materialized view app.moods as select mood, count(*) as n from app.users group by mood;
create function app.twice(i int) returns int language sql immutable as 'select i * 2';
grant select, insert on app.users to team with grant option; grant all on app.parted to "Odd role"; grant create on schema public to team;
alter default privileges in schema app grant select on tables to team;
insert into app.users (name, mood, tags, doc) select 'n' || g, (array['sad', 'glad'])[1 + g % 2]::app.mood, array[g::text], jsonb_build_object('g', g) from generate_series(1, 500) g;
insert into app.parted select g, 'v' || g from generate_series(1, 500) g; insert into app.by_mood select (array['sad', 'glad'])[1 + g % 2]::app.mood, g from generate_series(1, 100) g;
refresh materialized view app.moods; comment on table app.users is 'people'; select lo_from_bytea(0, 'large');
alter database shop set work_mem = '9MB'; revoke connect on database shop from public; grant connect on database shop to team;`;

/** Version 13 has no statistics over expressions. */
const shopOf = (major: number): string[] =>
  SHOP.split(";\n").filter((statement) => major >= 14 || !statement.includes("statistics app.expr"));

async function clusterOf(t: TestContext, bin: string, settings = archiveSource): Promise<Cluster> {
  const jobId = `test-${randomBytes(5).toString("hex")}`;
  const cluster = await beginCluster({
    ...{ directory: join(tmpdir(), `lifeboat-${jobId}`), bin, jobId, durable: false },
    settings: { shared_buffers: "32MB", ...settings },
  });
  t.after(() => cluster.stop());
  return cluster;
}

const rowsIn = async (shop: Parameters<typeof query>[0]) => (await query(shop, "select count(*)::int as n from w"))[0];

for (const item of PACKAGES) {
  test(`R25 R19 on PostgreSQL ${item.major}: dump, base backup, drills, restore, and the instant between two commits`, {
    skip,
  }, async (t) => {
    const bin = programsOf(t, item);
    if (bin === undefined) return;
    const cluster = await clusterOf(t, bin);
    const shop = await freshDatabase("shop", cluster);
    for (const statement of shopOf(item.major)) await query(shop, statement);
    const world = await beginWorld(t, {
      sources: { shop },
      source: "policy: pitr, objectives: { rpo: 1h }, archive: { partialEvery: 1s }",
      yaml: `policies: { pitr: { window: 7d } }\ntools: { postgres: ${JSON.stringify(bin)} }\n`,
    });
    const full = (await world.expect(0, "backup", "shop", "--json")).json().made[0];
    const drilled = (await world.expect(0, "drill", "shop", "--to", full.id, "--json")).json().drills[0];
    assert.equal(drilled.verdict, "pass", JSON.stringify(drilled.reasons));
    await world.expect(0, "restore", "shop", "--to", full.id, "--into", "shop_new");
    const archive = world.start("archive", "shop");
    await until("the slot is active", async () => (await query(shop, "select 1 from pg_replication_slots where active")).length > 0);
    await world.expect(0, "backup", "shop", "--kind", "base");
    await query(shop, "insert into w select 1, g from generate_series(1, 100) g");
    const [at] = await query<{ now: string }>(
      shop,
      `select pg_sleep(0.1), to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
    );
    await query(shop, "select pg_sleep(0.1); insert into w select 2, g from generate_series(1, 100) g");
    await settle({ world, shop, archive, cluster, write: async () => {} });
    const scratch = await restoreScratch(world, at?.now ?? "");
    const found = await rowsIn(scratch.shop);
    await scratch.end();
    assert.deepEqual([found, scratch.json.verdict], [{ n: 100 }, "pass"], JSON.stringify(scratch.json));
    await world.assertNothingLeft();
  });
}

test("R22 a dump of each version is restored to a newer one without a reported difference", {
  skip,
}, async (t) => {
  const newest = PACKAGES.at(-1);
  const bin = newest && programsOf(t, newest);
  if (newest === undefined || bin === undefined) return;
  const to = await clusterOf(t, bin, {});
  await query(to.connection("postgres"), `create role team; create role "Odd role"`);
  for (const from of [...PACKAGES.slice(0, -1), { major: 15 }]) {
    const own = "home" in from ? programsOf(t, from) : postgresBin();
    if (own === undefined) return;
    const cluster = await clusterOf(t, own, {});
    const shop = await freshDatabase("shop", cluster);
    for (const statement of shopOf(from.major)) await query(shop, statement);
    const world = await beginWorld(t, { sources: { shop }, yaml: `tools: { postgres: ${JSON.stringify(bin)} }\n` });
    await world.expect(0, "backup", "shop");
    const into = { ...to.connection(`from_${from.major}`) };
    const { verdict, reasons } = (await world.run("restore", "shop", "--into", into.url, "--json")).json();
    assert.equal(verdict, "pass", `from ${from.major}: ${JSON.stringify(reasons)}`);
    await cluster.stop();
  }
});

test("R19 PostgreSQL 12 is refused in one sentence by check, backups and restores, and nothing is stored", { skip }, async (t) => {
  const bin = programsOf(t, TOO_OLD);
  if (bin === undefined) return;
  const shop = await freshDatabase("shop", await testCluster());
  await query(shop, "create table w as select 1 as n");
  const cluster = await clusterOf(t, bin, {});
  const old = cluster.connection("postgres");
  const world = await beginWorld(t, { sources: { shop, old } });
  const words = /is PostgreSQL 12, and 13 is the oldest/;
  const { findings } = (await world.run("check", "old", "--json")).json();
  const found = findings.filter(({ outcome }: { outcome: string }) => outcome !== "pass");
  assert.ok(found.length > 0 && words.test(found[0].message), JSON.stringify(found));
  for (const kind of ["full", "base"]) {
    const refused = await world.run("backup", "old", "--kind", kind);
    assert.equal(refused.code, "CAPABILITY_MISSING", refused.stderr);
    assert.match(refused.stderr, words);
  }
  assert.deepEqual((await world.expect(0, "list", "old", "--json")).json().points, []);
  await world.expect(0, "backup", "shop");
  const into = await world.run("restore", "shop", "--into", cluster.connection("shop_new").url);
  assert.equal(into.code, "CAPABILITY_MISSING", into.stderr);
  await world.assertNothingLeft();
});
