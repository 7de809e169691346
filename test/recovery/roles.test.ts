// Roles and their settings: part of a full backup, of a restore that is told to create them, and of the verdict.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import type { Cluster } from "../../src/engines/postgres/cluster/cluster.ts";
import { connectionFromParts, partsOf } from "../../src/engines/postgres/connect/url.ts";
import { freshDatabase, psql, query, sharedCluster, skipWithoutPostgres, testCluster } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";

const skip = skipWithoutPostgres();

const HOSTILE = ['"; drop table public.orders; --', "line\nbreak", "it's \\ :x `id`"];
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** An application's owner, a reader with grants, a chain of memberships, and names that would break out of badly quoted SQL. */
const ROLES = `
create role shop_owner createdb noinherit connection limit 40 valid until '2099-01-01';
create role readers; create role staff; create role alice login password 'secret of alice';
grant readers to staff; grant staff to alice with admin option; grant pg_monitor to staff;
alter role alice set search_path = app, "odd; path", public; alter role alice set statement_timeout = '7s'; alter role alice set my.word = 'it''s \\ "x"';
create role chief superuser login;
${HOSTILE.map((name) => `create role ${quoted(name)} login;`).join("\n")}`;
const SHOP = `
create schema app authorization shop_owner; create table app.orders (i int primary key); insert into app.orders select generate_series(1, 40);
alter table app.orders owner to shop_owner; grant usage on schema app to readers; grant select on app.orders to readers;
alter table app.orders enable row level security; create policy mine on app.orders for select to readers using (true);
alter database shop set timezone = 'Asia/Tokyo'; alter role chief in database shop set work_mem = '9MB';
${HOSTILE.map((name) => `grant select on app.orders to ${quoted(name)};`).join("\n")}`;

let other: Cluster;
before(async () => {
  if (skip === false) other = await testCluster();
});
after(() => other?.stop());
afterEach(async () => {
  if (skip === false) await emptyOther();
});

let shop: Awaited<ReturnType<typeof freshDatabase>> | undefined;
async function beginShop(t: Parameters<typeof beginWorld>[0], yaml?: string): Promise<World> {
  if (shop === undefined) {
    shop = await freshDatabase("shop");
    await query(shop, ROLES);
    await query(shop, SHOP);
  }
  return await beginWorld(t, { sources: { shop }, ...(yaml && { source: yaml }) });
}

const ALL = `select rolname::text as name, rolsuper as superuser, rolcreatedb as createdb, rolcreaterole as createrole, rolcanlogin as login, rolinherit as inherit,
  rolbypassrls as bypassrls, rolconnlimit as "limit", rolvaliduntil::text as until, array_to_string(rolconfig, '|') as config
  from pg_roles where rolname !~ '^(pg_|lifeboat)' and oid <> 10 order by rolname`;
const MEMBERS = `select r.rolname::text as role, m.rolname::text as member, admin_option as admin from pg_auth_members
  join pg_roles r on r.oid = roleid join pg_roles m on m.oid = member where m.rolname !~ '^(pg_|lifeboat)' order by 1, 2`;

async function emptyOther(): Promise<void> {
  const admin = other.connection("postgres");
  for (const { name } of await query<{ name: string }>(
    admin,
    "select datname::text as name from pg_database where not datistemplate and datname <> 'postgres'",
  ))
    await query(admin, `drop database ${quoted(name)} with (force)`);
  for (const { name } of await query<{ name: string }>(
    admin,
    "select rolname::text as name from pg_roles where rolname !~ '^pg_' and oid <> 10",
  ))
    await query(admin, `drop role ${quoted(name)}`);
}

test("R60 a restore where roles are missing prints how to create each, and is inconclusive", { skip }, async (t) => {
  const world = await beginShop(t);
  await world.expect(0, "backup", "shop");
  const into = other.connection("shop").url;
  const plan = (await world.expect(0, "restore", "shop", "--into", into, "--plan")).stdout;
  assert.match(plan, /CREATE ROLE "shop_owner" WITH CREATEDB NOINHERIT CONNECTION LIMIT 40 VALID UNTIL '2099-01-01 00:00:00\+00';/);
  assert.match(plan, /--roles was not given/);
  const { verdict, checks } = (await world.expect(3, "restore", "shop", "--into", into, "--json")).json();
  assert.equal(verdict, "inconclusive");
  const message = (name: string): string => checks.find((one: { name: string }) => one.name === `role ${name}`)?.message ?? "";
  assert.match(
    message("alice"),
    /missing on the server: CREATE ROLE "alice" WITH LOGIN; ALTER ROLE "alice" SET "search_path" TO 'app', 'odd; path', 'public';/,
  );
  assert.match(message("staff"), /GRANT "readers" TO "staff";/);
  assert.ok(checks.some((one: { name: string }) => one.name === "owners and privileges of all objects"));
  assert.doesNotMatch(JSON.stringify(checks), /SCRAM/);
});

test("R60 --roles restores attributes, memberships and settings, and a superuser as an ordinary role", {
  skip,
}, async (t) => {
  const world = await beginShop(t);
  await world.expect(0, "backup", "shop");
  const run = await world.expect(3, "restore", "shop", "--into", other.connection("shop").url, "--roles", "--json");
  const open = run.json().checks.filter((one: { outcome: string }) => one.outcome !== "pass");
  assert.deepEqual(
    open.map((one: { name: string; message: string }) => [one.name, one.message]),
    [["role chief", "it differs from the source's: SUPERUSER is missing"]],
  );
  const [there, here] = [await query(other.connection("shop"), ALL), await query((await sharedCluster()).connection("shop"), ALL)];
  assert.deepEqual(
    there,
    here.map((one) => ({ ...one, superuser: false })),
  );
  assert.deepEqual(await query(other.connection("shop"), MEMBERS), await query((await sharedCluster()).connection("shop"), MEMBERS));
  const [owner] = await query(other.connection("shop"), "select tableowner::text as o from pg_tables where tablename = 'orders'");
  assert.deepEqual(owner, { o: "shop_owner" });
  // Once they are there, a second restore finds them equal; who exists is never changed.
  await query(other.connection("postgres"), "alter role alice nologin; alter role chief superuser");
  const again = (await world.expect(3, "restore", "shop", "--into", other.connection("again").url, "--roles", "--json")).json();
  assert.deepEqual(
    again.checks
      .filter((one: { outcome: string }) => one.outcome !== "pass")
      .map((one: { name: string; message: string }) => [one.name, one.message]),
    [["role alice", "it differs from the source's: LOGIN is missing"]],
  );
  await query(other.connection("postgres"), "alter role alice login");
  const third = (await world.expect(0, "restore", "shop", "--into", other.connection("third").url, "--json")).json();
  assert.equal(third.verdict, "pass");
  assert.match(JSON.stringify(third.checks), /all 9 roles have the source's attributes, memberships and settings/);
});

test("R60 an ordinary user who may create roles restores them, and is a member of none afterwards", { skip }, async (t) => {
  const world = await beginShop(t);
  await query(other.connection("postgres"), "create role op login createrole createdb password 'x'");
  await world.expect(0, "backup", "shop");
  const into = connectionFromParts({ ...partsOf(other.connection("mine")), user: "op", password: "x" }).url;
  const run = (await world.expect(3, "restore", "shop", "--into", into, "--roles", "--json")).json();
  const open = run.checks.filter((one: { outcome: string }) => one.outcome !== "pass").map((one: { name: string }) => one.name);
  // A setting with a dot takes a superuser since PostgreSQL 15, and is named.
  assert.deepEqual(open, ["role alice", "role chief"], JSON.stringify(run.checks));
  assert.match(JSON.stringify(run.checks), /the setting my.word differs/);
  const members =
    "select r.rolname::text as role from pg_auth_members join pg_roles r on r.oid = roleid join pg_roles m on m.oid = member where m.rolname = 'op'";
  assert.deepEqual(await query(other.connection("postgres"), members), []);
  const [owner] = await query(other.connection("mine"), "select tableowner::text as o from pg_tables where tablename = 'orders'");
  assert.deepEqual(owner, { o: "shop_owner" });
});

test("R60 password hashes are in a backup only if asked for, and then a role logs in with its own password", { skip }, async (t) => {
  const world = await beginShop(t);
  const plain = (await world.expect(0, "backup", "shop", "--json")).json();
  assert.match(JSON.stringify(plain), /only if asked for \(--role-passwords\)/);
  await world.expect(0, "backup", "shop", "--role-passwords");
  await world.expect(3, "restore", "shop", "--into", other.connection("shop").url, "--roles");
  const alice = connectionFromParts({ ...partsOf(other.connection("shop")), user: "alice", password: "secret of alice" });
  assert.deepEqual(await query(alice, "select current_setting('statement_timeout') as t"), [{ t: "7s" }]);
});

test("R60 an ordinary user who asks for password hashes is told that it may not read them", { skip }, async (t) => {
  await beginShop(t);
  await query((await sharedCluster()).connection("postgres"), "create role reader login bypassrls password 'x'");
  await query(
    (await sharedCluster()).connection("shop"),
    "grant usage on schema app to reader; grant select on all tables in schema app to reader",
  );
  const source = connectionFromParts({ ...partsOf((await sharedCluster()).connection("shop")), user: "reader", password: "x" });
  const world = await beginWorld(t, { sources: { shop: source }, source: "rolePasswords: true" });
  const out = (await world.expect(0, "backup", "shop", "--json")).json();
  await query((await sharedCluster()).connection("shop"), "drop owned by reader; drop role reader");
  assert.match(JSON.stringify(out), /may not read them \(pg_authid\)/);
});

test("R60 a drill creates the roles on its own server and proves them; contents list them", { skip }, async (t) => {
  const world = await beginShop(t);
  await world.expect(0, "backup", "shop");
  const { verdict, checks, reasons } = (await world.expect(0, "drill", "shop", "--json")).json().drills[0];
  assert.equal(verdict, "pass", JSON.stringify(reasons));
  assert.ok(checks.some((one: { name: string; outcome: string }) => one.name === "roles" && one.outcome === "pass"));
  const id = (await world.expect(0, "list", "--json")).json().points[0].id;
  const { contents } = (await world.expect(0, "show", id, "--contents", "--json")).json();
  const roles = contents.filter((one: { kind: string }) => one.kind === "ROLE").map((one: { name: string }) => one.name);
  assert.ok(
    ["alice", "readers", "shop_owner", ...HOSTILE].every((name) => roles.includes(name)),
    JSON.stringify(roles),
  );
});

test("R60 the script beside the backup brings the same roles with psql alone", { skip }, async (t) => {
  const world = await beginShop(t);
  await world.expect(0, "backup", "shop", "--role-passwords");
  const script = await plainPart(world, "roles-sql");
  const file = join(world.temporary, "roles.sql");
  writeFileSync(file, script);
  const target = await freshDatabase("by_hand", other);
  await psql(target, ["-v", "ON_ERROR_STOP=0", "-f", file]);
  const here = (await query((await sharedCluster()).connection("shop"), ALL)).map((one) => ({ ...one, superuser: false }));
  assert.deepEqual(await query(target, ALL), here);
  assert.deepEqual(await query(target, "select setconfig::text as c from pg_db_role_setting where setrole = 0"), [
    { c: "{TimeZone=Asia/Tokyo}" },
  ]);
});

/** Decrypted and decompressed, as a person would with age and zstd. */
async function plainPart(world: World, name: string): Promise<string> {
  const { globSync } = await import("node:fs");
  const { Decrypter } = await import("age-encryption");
  const { zstdDecompressSync } = await import("node:zlib");
  const [path = ""] = globSync(join(world.repository, `sources/shop/backups/*/${name}.zst.age`));
  const decrypter = new Decrypter();
  decrypter.addIdentity(readFileSync(world.identityFile, "utf8").trim());
  return zstdDecompressSync(await decrypter.decrypt(readFileSync(path))).toString("utf8");
}
