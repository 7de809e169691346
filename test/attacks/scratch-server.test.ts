// Drills on a scratch server that is given by its address: nothing there keeps a restored database from reaching out, so what could is left out.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import { freshDatabase, query, sharedCluster, skipWithoutPostgres, testCluster } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

/** What scratch left on the server. */
async function leftovers(): Promise<unknown[]> {
  return await query(
    (await sharedCluster()).connection("postgres"),
    `select datname::text as name from pg_database where datname like 'lifeboat%' union all select rolname::text from pg_roles where rolname like 'lifeboat%'
     union all select subname::text from pg_subscription where subname not like 'own_%'`,
  );
}

const CONSENT = "scratch: { isolation: none }\n";
const scratchOption = async (): Promise<string> =>
  `scratch: { url: ${JSON.stringify((await sharedCluster()).connection("postgres").url)} }`;

test("R57 a drill on a scratch server restores no subscription or foreign server, and leaves nothing", {
  skip,
}, async (t) => {
  const source = await freshDatabase();
  const calls: string[] = [];
  const publisher = createServer((socket) => {
    calls.push("called");
    socket.destroy();
  });
  await new Promise<void>((resolve) => publisher.listen(0, "127.0.0.1", resolve));
  t.after(() => publisher.close());
  const { port } = publisher.address() as { port: number };
  await query(
    source,
    `create extension dblink; create extension postgres_fdw; create extension citext;
     create table public.t (id int primary key, v citext); insert into t select i, md5(i::text) from generate_series(1, 100) i;
     create server far foreign data wrapper postgres_fdw options (host '127.0.0.1', port '${port}', dbname 'x');
     create user mapping for public server far options (user 'u', password 'hidden');
     create foreign table public.elsewhere (id int) server far;
     create view public.reached as select * from public.elsewhere;
     comment on foreign table public.elsewhere is 'far'; comment on server far is 'away';
     create function public.on_ddl() returns event_trigger language plpgsql as 'begin end';
     create event trigger watch on ddl_command_end execute function public.on_ddl()`,
  );
  const name = `sub_${randomBytes(4).toString("hex")}`;
  await query(
    source,
    `create subscription ${name} connection 'host=127.0.0.1 port=${port} dbname=x' publication p with (connect = false, slot_name = 'shop')`,
  );
  const world = await beginWorld(t, { sources: { shop: source }, source: await scratchOption(), yaml: CONSENT });
  await world.expect(0, "backup", "shop");
  await query(source, `alter subscription ${name} set (slot_name = none); drop subscription ${name}`);
  const drilled = (await world.expect(0, "drill", "shop", "--json")).json().drills[0];
  assert.equal(drilled.verdict, "pass", JSON.stringify(drilled.reasons));
  const remarks = drilled.remarks.join("\n");
  for (const what of [name, "dblink", "postgres_fdw", "far", "public.elsewhere", "public.reached", "watch"])
    assert.match(remarks, new RegExp(`${what} was not restored: `));
  assert.doesNotMatch(remarks, /citext/);
  assert.match(JSON.stringify(drilled.checks), /definitions are equal.*were left out on purpose/);
  assert.deepEqual([calls, await leftovers()], [[], []]);
  await world.assertNothingLeft();
});

test("R57 code that misses what was left out of a scratch server makes a drill inconclusive, never red", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    `create extension dblink; create table public.t (id int primary key);
     create function public.ask(int) returns boolean language plpgsql as $f$ begin perform dblink_get_connections(); return true; end $f$;
     alter table public.t add check (public.ask(id)); insert into t values (1)`,
  );
  const world = await beginWorld(t, { sources: { shop: source }, source: await scratchOption(), yaml: CONSENT });
  await world.expect(0, "backup", "shop");
  const drilled = (await world.expect(3, "drill", "shop", "--json")).json().drills[0];
  assert.equal(drilled.verdict, "inconclusive", JSON.stringify(drilled.reasons));
  assert.equal((await world.expect(0, "list", "--json")).json().points[0].damagedAt, null);
  assert.deepEqual(await leftovers(), []);
});

test("R57 a database that holds subscriptions is dropped, and its publisher is never called", { skip }, async (t) => {
  const engine = openPostgresEngine();
  const calls: string[] = [];
  const publisher = createServer((socket) => {
    calls.push("called");
    socket.destroy();
  });
  await new Promise<void>((resolve) => publisher.listen(0, "127.0.0.1", resolve));
  t.after(() => publisher.close());
  const { port } = publisher.address() as { port: number };
  const held = await freshDatabase();
  const [{ name } = { name: "" }] = await query<{ name: string }>(held, "select current_database()::text as name");
  await query(
    held,
    `create subscription "Odd ${name}" connection 'host=127.0.0.1 port=${port}' publication p with (connect = false, slot_name = 'shop')`,
  );
  const server = (await sharedCluster()).connection("postgres");
  await assert.rejects(query(server, `drop database ${name}`), /subscription/);
  await query(server, `comment on database ${name} is 'the mark'`);
  assert.equal(await engine.dropDatabase(server, name, { mark: "the mark" }), "removed");
  assert.deepEqual(await query(server, `select 1 from pg_database where datname = '${name}'`), []);
  assert.deepEqual(calls, []);
});

test("R57 a server that refuses the loader's role refuses the restore, except with --as-superuser", {
  skip,
}, async (t) => {
  const cluster = await testCluster();
  t.after(() => cluster.stop());
  // Like a server that accepts only the roles in its configuration.
  await writeFile(join(cluster.data, "pg_hba.conf"), "local all postgres scram-sha-256\n");
  await query(cluster.connection("postgres"), "select pg_reload_conf()");
  const source = await freshDatabase();
  await query(source, "create table public.t (id int primary key); insert into t values (1)");
  const world = await beginWorld(t, { sources: { shop: source } });
  await world.expect(0, "backup", "shop");
  const into = cluster.connection("restored").url;
  const refused = await world.run("restore", "shop", "--into", into, "--json");
  assert.equal(refused.code, "LOADER_REFUSED", refused.stderr);
  assert.match(refused.stderr, /--as-superuser/);
  assert.deepEqual(await query(cluster.connection("postgres"), "select 1 from pg_database where datname ~ 'restored|lifeboat'"), []);
  const done = (await world.expect(0, "restore", "shop", "--into", into, "--as-superuser", "--json")).json();
  assert.match(done.remarks.join("\n"), /--as-superuser/);
  const plan = (await world.expect(0, "restore", "shop", "--into", "new_one", "--as-superuser", "--plan")).stdout;
  assert.match(plan, /its code runs with the target's user's rights \(--as-superuser\)/);
});

test("R57 a plan of a restore names the code that it would run, in words and in JSON", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    `create function public.f(int) returns int language sql immutable as 'select $1'; create domain public.d as int check (public.f(value) > 0);
     create table public.a (id int check (public.f(id) > 0), twice int generated always as (public.f(id)) stored);
     create index on public.a (public.f(id)); create index on public.a (id); create materialized view public.m as select public.f(1)`,
  );
  const world = await beginWorld(t, { sources: { shop: source } });
  await world.expect(0, "backup", "shop");
  const plan = (await world.expect(0, "restore", "shop", "--into", "new_two", "--plan", "--json")).json();
  assert.deepEqual(
    plan.code.map(({ kind, count, names }: { kind: string; count: number; names: string[] }) => [kind, count, ...names]),
    [
      ["domain constraint", 1, "public.d"],
      ["check constraint", 1, "public.a"],
      ["generated column", 1, "public.a"],
      ["index expression", 1, "public.a_f_idx"],
      ["materialized view", 1, "public.m"],
    ],
  );
  const words = (await world.expect(0, "restore", "shop", "--into", "new_two", "--plan")).stdout;
  assert.match(words, /runs code: 1 × index expression \(public\.a_f_idx\)/);
});
