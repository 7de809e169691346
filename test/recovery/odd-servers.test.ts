// What a server may be set up with: tablespaces that another lacks, tables given to extensions, settings of databases.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Cluster } from "../../src/engines/postgres/cluster/cluster.ts";
import { connectionFromParts, partsOf } from "../../src/engines/postgres/connect/url.ts";
import { tablespaceDirectory } from "../support/base-world.ts";
import { freshDatabase, openApplication, query, sharedCluster, skipWithoutPostgres, testCluster } from "../support/postgres.ts";
import { beginWorld, editConfig } from "../support/program.ts";

const skip = skipWithoutPostgres();

test("R22 tables of a missing tablespace are restored into the default one, with a note", { skip }, async (t) => {
  const cluster = await testCluster();
  t.after(() => cluster.stop());
  const shop = await freshDatabase("shop", cluster);
  await query(shop, `create tablespace hot location '${await tablespaceDirectory(t)}'`);
  await query(
    shop,
    "create table public.hot (i int primary key using index tablespace hot, v text) tablespace hot; insert into public.hot select g, 'x' from generate_series(1, 30) g; create index on public.hot (v) tablespace hot",
  );
  const world = await beginWorld(t, { sources: { shop } });
  await world.expect(0, "backup", "shop");
  const { verdict, reasons, remarks } = (await world.expect(0, "drill", "shop", "--json")).json().drills[0];
  assert.equal(verdict, "pass", JSON.stringify(reasons));
  assert.match(remarks.join("\n"), /hot was not restored: the server has none of this name/);
});

test("R33 rows and sequences that were given to an extension make a drill inconclusive, and are named", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(
    shop,
    `create extension hstore; create table public.settings (k text primary key); insert into public.settings select 'k' || g from generate_series(1, 40) g;
     create sequence public.licence; select nextval('public.licence'); create table public.normal (i int); insert into public.normal values (1);
     create table public.unused (i int); alter extension hstore add table public.settings; alter extension hstore add sequence public.licence;
     alter extension hstore add table public.unused; create schema app; alter extension hstore add schema app; create table app.t (i int)`,
  );
  const world = await beginWorld(t, { sources: { shop } });
  await world.expect(0, "backup", "shop");
  const { verdict, checks } = (await world.expect(3, "drill", "shop", "--json")).json().drills[0];
  assert.equal(verdict, "inconclusive");
  const open = checks.filter(({ outcome }: { outcome: string }) => outcome === "inconclusive").map(({ name }: { name: string }) => name);
  assert.deepEqual(open, ["content of table public.settings", "content of sequence public.licence"]);
});

/** A role of this file's cluster that can log in. */
async function roleIn(cluster: Cluster, name: string): Promise<void> {
  await query(cluster.connection("postgres"), `create role ${name} login password 'x'`);
}
const loginAs = (cluster: Cluster, user: string, database: string) =>
  connectionFromParts({ ...partsOf(cluster.connection(database)), user, password: "x" });

async function beginSettings(t: TestContext) {
  const cluster = await sharedCluster();
  for (const role of ["app", "stranger"]) await roleIn(cluster, role);
  const shop = await freshDatabase("shop");
  await query(
    shop,
    `create schema app; create table app.t (i int primary key); insert into app.t select generate_series(1, 30);
     alter database shop set search_path = app, "odd; path'", public; alter database shop set timezone = 'Asia/Tokyo'; alter database shop connection limit 7;
     alter database shop set my.secret = 'of the "shop"; drop'; alter database shop set my.folder = 'C:\\'; alter role app in database shop set work_mem = '99MB';
     grant connect on database shop to app; revoke connect on database shop from public; grant usage on schema app to app; grant select on app.t to app`,
  );
  return { cluster, shop, world: await beginWorld(t, { sources: { shop } }) };
}

test("R60 settings of the database and its roles, and CONNECT, are restored and proven by a drill", { skip }, async (t) => {
  const { cluster, world } = await beginSettings(t);
  await world.expect(0, "backup", "shop");
  const drilled = (await world.expect(0, "drill", "shop", "--json")).json().drills[0];
  assert.equal(drilled.verdict, "pass", JSON.stringify(drilled.reasons));
  await world.expect(0, "restore", "shop", "--into", "shop_new");
  const application = await openApplication(loginAs(cluster, "app", "shop_new"));
  const [row] = await application.query(
    "select count(*)::int as n, current_setting('work_mem') as mem, current_setting('timezone') as zone, current_setting('my.secret') as own, current_setting('my.folder') as folder from t",
  );
  await application.close();
  assert.deepEqual(row, { n: 30, mem: "99MB", zone: "Asia/Tokyo", own: `of the "shop"; drop`, folder: "C:\\" });
  await assert.rejects(query(loginAs(cluster, "stranger", "shop_new"), "select 1"), /permission denied for database/);
  const [limit] = await query(cluster.connection("postgres"), "select datconnlimit as n from pg_database where datname = 'shop_new'");
  assert.deepEqual(limit, { n: 7 });
});

test("R60 R30 settings that cannot be restored make a restore inconclusive, and are a remark of a drill", {
  skip,
}, async (t) => {
  const shop = await freshDatabase("strict");
  await query(
    shop,
    "create table public.t (i int); insert into public.t values (1); alter database strict set default_transaction_read_only = on; alter database strict set log_min_duration_statement = 1",
  );
  const world = await beginWorld(t, { sources: { shop } });
  await world.expect(0, "backup", "shop");
  const { verdict, reasons, remarks } = (await world.expect(3, "restore", "shop", "--into", "strict_new", "--json")).json();
  assert.equal(verdict, "inconclusive");
  assert.match(JSON.stringify(reasons), /database setting default_transaction_read_only.*database setting log_min_duration_statement/);
  assert.match(remarks.join("\n"), /log_min_duration_statement was not restored: it is not for a copy/);
  const drilled = (await world.expect(0, "drill", "shop", "--json")).json().drills[0];
  assert.match(drilled.remarks.join("\n"), /log_min_duration_statement was not restored: it is not for a copy/);
});

test("R52 check reads the rights of exactly the tables that a backup reads", { skip }, async (t) => {
  const cluster = await sharedCluster();
  await roleIn(cluster, "picky");
  const shop = await freshDatabase("chosen");
  await query(
    shop,
    `create table public.mine (i int); create table public.other (i int); grant select on public.mine to picky;
     create extension hstore; create table public.settings (k text); alter extension hstore add table public.settings`,
  );
  const world = await beginWorld(t, { sources: { chosen: loginAs(cluster, "picky", "chosen") }, source: "tables: [public.mine]" });
  const rights = async (): Promise<{ outcome: string; code?: string; message: string }[]> =>
    (await world.run("check", "chosen", "--json"))
      .json()
      .findings.filter(({ name, outcome }: { name: string; outcome: string }) => name === "rights of chosen" || outcome === "fail")
      .map(({ outcome, code, message }: { outcome: string; code?: string; message: string }) => ({ outcome, code, message }));
  assert.deepEqual(
    (await rights()).map(({ outcome }) => outcome),
    ["pass"],
  );
  await world.expect(0, "backup", "chosen");
  await query(shop, "revoke select on public.mine from picky");
  const lacks = (await world.run("check", "chosen", "--json"))
    .json()
    .findings.find(({ outcome }: { outcome: string }) => outcome === "fail");
  assert.match(JSON.stringify(lacks?.next), /GRANT USAGE ON SCHEMA public TO picky; GRANT SELECT ON public\.mine TO picky;/);
  await query(shop, "grant select on public.mine to picky; alter table public.mine rename to gone");
  const [missing] = await rights();
  assert.deepEqual([missing?.outcome, missing?.code], ["fail", "CONFIG_INVALID"]);
  assert.match(missing?.message ?? "", /sources\.chosen\.tables: no table of .* matches public\.mine/);
  await world.expect(2, "backup", "chosen");
  // The extension's own mark makes pg_dump read a table of its own.
  await query(
    shop,
    "grant select on public.other to picky; update pg_extension set extconfig = array['public.settings'::regclass::oid], extcondition = array[''] where extname = 'hstore'",
  );
  editConfig(world, (text) => text.replace(/ *tables: \[public\.mine\]\n?/, ""));
  assert.match((await rights())[0]?.message ?? "", /may not read public\.settings$/);
});

test("R30 a drill of chosen tables leaves out foreign keys to tables that were not chosen, and says so", { skip }, async (t) => {
  const shop = await freshDatabase("keys");
  await query(
    shop,
    `create table public.parent (i int primary key); create table public."a child" (i int references public.parent, up int unique references public."a child" (up));
     insert into public.parent values (1); insert into public."a child" values (1, 1)`,
  );
  const world = await beginWorld(t, { sources: { keys: shop }, source: `tables: ['public."a child"']` });
  await world.expect(0, "backup", "keys");
  const { verdict, reasons, remarks } = (await world.expect(0, "drill", "keys", "--json")).json().drills[0];
  assert.equal(verdict, "pass", JSON.stringify(reasons));
  assert.match(remarks.join("\n"), /a child_i_fkey was not restored: public\.parent is not here and the backup does not hold it/);
  assert.doesNotMatch(remarks.join("\n"), /up_fkey/);
  // Beside its parent the key is made; in an empty database the user is told that it is missing.
  const apart = (await world.expect(3, "restore", "keys", "--into", "keys_apart", "--json")).json();
  assert.match(JSON.stringify(apart.checks), /public\.parent is not here/);
});

test("R22 a database in LATIN1 whose names and rows are not ASCII is drilled, equal in all", { skip }, async (t) => {
  const cluster = await sharedCluster();
  await query(cluster.connection("postgres"), "create database western template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'");
  const western = cluster.connection("western");
  await query(western, `create table public."täbelle" (i int primary key, "größe" text); insert into public."täbelle" values (1, 'äöüÿ')`);
  const world = await beginWorld(t, { sources: { western } });
  await world.expect(0, "backup", "western");
  const { verdict, checks, reasons } = (await world.expect(0, "drill", "western", "--json")).json().drills[0];
  assert.equal(verdict, "pass", JSON.stringify(reasons));
  assert.match(JSON.stringify(checks), /täbelle/);
});

test("R36 a collation of another version is a warning of check and status, with the statements to run", { skip }, async (t) => {
  const cluster = await sharedCluster();
  const postgres = cluster.connection("postgres");
  await query(postgres, `create database "o'rdered" template template0 locale_provider icu icu_locale 'en' encoding 'UTF8'`);
  const ordered = cluster.connection("o'rdered");
  await query(ordered, "create table public.t (t text primary key); insert into public.t values ('a'), ('B')");
  const world = await beginWorld(t, { sources: { ordered } });
  const found = async (): Promise<{ outcome: string; message: string; next: unknown }[]> =>
    (await world.run("check", "ordered", "--json")).json().findings.filter(({ code }: { code?: string }) => code === "COLLATION_CHANGED");
  assert.deepEqual(await found(), []);
  await query(postgres, "update pg_database set datcollversion = '1' where datname like 'o%rdered'");
  const [changed] = await found();
  assert.equal(changed?.outcome, "inconclusive");
  const statements = /REINDEX DATABASE "o'rdered"; ALTER DATABASE "o'rdered" REFRESH COLLATION VERSION;/;
  assert.match(changed?.message ?? "", statements);
  assert.match(JSON.stringify(changed?.next), /run the statements/);
  const [status] = (await world.run("status", "ordered", "--json")).json().sources;
  assert.match(status.reasons.find(({ code }: { code: string }) => code === "COLLATION_CHANGED")?.message ?? "", statements);
  await query(ordered, `reindex database "o'rdered"`);
  await query(ordered, `alter database "o'rdered" refresh collation version`);
  assert.deepEqual(await found(), []);
});
