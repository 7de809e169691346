// Code that a backup brings along, and the rights it runs with. Each attack is seen to succeed where a superuser is told to load it.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { connectionFromParts, partsOf } from "../../src/engines/postgres/connect/url.ts";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import type { Connection } from "../../src/ports/connection.ts";
import type { LoadOptions } from "../../src/ports/engine.ts";
import { drainDump } from "../support/dumps.ts";
import { hostileSql, springSql, trap } from "../support/hostile-code.ts";
import { freshDatabase, query, sharedCluster, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();
const engine = openPostgresEngine();

/** A database that belongs to an ordinary role of its own, which logs in to fill it: code of its could reset anything less. */
async function ownedBy(role: string, sql: string): Promise<Connection> {
  const source = await freshDatabase();
  const { database, ...parts } = partsOf(source);
  await query(source, `create role ${role} login password 'secret'; alter database ${database} owner to ${role}`);
  await query(connectionFromParts({ ...parts, database, user: role, password: "secret" }), sql);
  return source;
}

/** The source as the least role reads it: a superuser would not hash tables whose planning runs their owner's code. */
async function readable(source: Connection): Promise<Connection> {
  const user = newRole().replace("evil", "reader");
  await query(source, `create role ${user} login password 'r'; grant pg_read_all_data to ${user}`);
  return connectionFromParts({ ...partsOf(source), user, password: "r" });
}

const newRole = (): string => `evil_${randomBytes(5).toString("hex")}`;

/** Does the steps of a restore: loads, reads with the privileges of the load, compares, and releases. */
async function restoreInto(target: Connection, file: string, options: LoadOptions, expected?: Parameters<typeof engine.compare>[0]) {
  const { problems, reader, release, notRestored, leftOut, loadedAs } = await engine.load(target, file, options);
  const actual = await engine.fingerprint(target, { kind: "full" }, { reader });
  const ignoreOwners = notRestored.some(({ kind }) => kind === "owner");
  const differing =
    expected === undefined ? [] : engine.compare(expected, actual, { leftOut, ignoreOwners }).filter(({ outcome }) => outcome !== "pass");
  const probed = await engine.probe(reader ?? target, [{ table: "public.indexed" }], new Date());
  const released = (await release?.()) ?? [];
  return { problems, differing, probed, released, notRestored, loadedAs };
}

async function loaders(): Promise<string[]> {
  const where = (await sharedCluster()).connection("postgres");
  return (await query<{ name: string }>(where, "select rolname::text as name from pg_roles where rolname like 'lifeboat_load_%'")).map(
    ({ name }) => name,
  );
}

async function prepare(t: TestContext) {
  const pit = await trap(t);
  const source = await ownedBy(newRole(), hostileSql(pit.directory));
  await query(
    source,
    "create event trigger watch on ddl_command_end execute function public.on_ddl(); comment on event trigger watch is 'w'",
  );
  await pit.reset();
  const { file, fingerprint } = await drainDump(t, engine, await readable(source));
  assert.deepEqual(await pit.sprung(), [], "the backup itself ran nothing as a superuser");
  await query(source, "drop event trigger watch");
  await pit.reset();
  return { pit, source, file, fingerprint };
}

test("R57 a superuser's restore runs no code of the backup's as a superuser, and restores all of it", { skip }, async (t) => {
  const { pit, file, fingerprint } = await prepare(t);
  const target = await freshDatabase();
  const { problems, differing, probed, released, loadedAs } = await restoreInto(target, file, {}, fingerprint);
  assert.deepEqual(await pit.sprung(), []);
  assert.deepEqual([problems, differing, released], [[], [], []]);
  assert.ok(
    probed.every(({ outcome }) => outcome === "pass"),
    JSON.stringify(probed),
  );
  assert.match(loadedAs ?? "", /^lifeboat_load_/);
  assert.deepEqual(await loaders(), []);
  assert.equal((await query(target, "select 1 from pg_event_trigger")).length, 1, "a kept restore has its event triggers");
});

test("R57 the same restore told to load as superuser runs the code: the attack is a real one", { skip }, async (t) => {
  const { pit, file, fingerprint } = await prepare(t);
  await restoreInto(await freshDatabase(), file, { asSuperuser: true }, fingerprint);
  const ran = await pit.sprung();
  for (const what of ["check", "domain", "generated", "partition_key", "foreign_key_cast"]) {
    assert.ok(ran.includes(what), `${what} ran: ${ran.join()}`);
  }
  // The comparison alone would run these two, and does not read their tables as a superuser.
  for (const what of ["index_constant", "statistics"]) assert.ok(!ran.includes(what), `${what} ran: ${ran.join()}`);
});

test("R57 objects whose owner does not exist on the server are not left to a superuser", { skip }, async (t) => {
  const { pit, source, file } = await prepare(t);
  const [{ owner } = { owner: "" }] = await query<{ owner: string }>(
    source,
    "select pg_get_userbyid(relowner)::text as owner from pg_class where relname = 'checked'",
  );
  await query(source, `alter role ${owner} rename to ${owner}_gone`);
  const target = await freshDatabase();
  const { problems, notRestored } = await restoreInto(target, file, {});
  assert.deepEqual(problems, []);
  assert.deepEqual(await pit.sprung(), []);
  assert.match(notRestored.find(({ kind }) => kind === "owner")?.reason ?? "", /belongs to the role lifeboat_owner/);
  const owners = await query(
    target,
    "select distinct pg_get_userbyid(relowner)::text as owner from pg_class where relnamespace = 'public'::regnamespace",
  );
  assert.deepEqual(owners, [{ owner: "lifeboat_owner" }]);
  assert.deepEqual(await loaders(), []);
  await query(target, "drop event trigger watch");
  await query(target, "refresh materialized view public.filled");
  assert.deepEqual(await pit.sprung(), [], "later, too, it runs without special privileges");
});

test("R57 a constraint that runs a program fails by itself, the restore says so, and nothing was run", { skip }, async (t) => {
  const pit = await trap(t);
  const source = await ownedBy(
    newRole(),
    `create table public.indexed (id int primary key, note text); insert into public.indexed values (1, 'x')`,
  );
  await query(
    source,
    `${springSql(pit.directory)} create function public.strict(text) returns boolean language plpgsql as
     $f$ begin copy (select 1) to program 'touch ${pit.directory}/strict'; return true; end $f$;
     alter table public.indexed add check (public.strict(note)) not valid`,
  );
  await query(source, "update pg_constraint set convalidated = true where contype = 'c'");
  const { file, fingerprint } = await drainDump(t, engine, source);
  const { problems, differing } = await restoreInto(await freshDatabase(), file, {}, fingerprint);
  assert.match(problems.join("\n"), /external program/);
  assert.ok(differing.some(({ name, outcome }) => name === "rows of public.indexed" && outcome === "fail"));
  assert.deepEqual(await pit.sprung(), []);
});

test("R57 rows restored into existing tables run checks without superuser privileges, and no trigger", { skip }, async (t) => {
  const { pit, file } = await prepare(t);
  const target = await freshDatabase();
  await restoreInto(target, file, {});
  await query(target, "alter table public.checked enable always trigger watched; drop event trigger watch");
  await pit.reset();
  const { problems, loadedAs } = await restoreInto(target, file, { dataOnly: true, replace: true });
  assert.deepEqual(problems, []);
  assert.match(loadedAs ?? "", /^lifeboat_load_/);
  assert.deepEqual(await pit.sprung(), []);
  const [state] = await query(
    target,
    "select tgenabled::text as s, (select count(*)::int from public.checked) as n from pg_trigger where tgname = 'watched'",
  );
  assert.deepEqual(state, { s: "A", n: 3 });
  assert.deepEqual(await loaders(), []);
});

test("R57 a drill runs nothing of the source's as a superuser, fires no event trigger, and passes", { skip }, async (t) => {
  const pit = await trap(t);
  const source = await ownedBy(newRole(), hostileSql(pit.directory));
  await query(source, "create event trigger watch on ddl_command_end execute function public.on_ddl()");
  const shop = await readable(source);
  const world = await beginWorld(t, { sources: { shop }, source: 'checks: [{ sql: "select count(*) = 3 from public.checked" }]' });
  await world.expect(0, "backup", "shop");
  await pit.reset();
  const drilled = (await world.expect(0, "drill", "shop", "--json")).json().drills[0];
  assert.equal(drilled.verdict, "pass", JSON.stringify(drilled.reasons));
  assert.match(drilled.remarks.join("\n"), /watch was not restored: no event trigger/);
  assert.deepEqual(await pit.sprung(), []);
  await world.assertNothingLeft();
});

test("R57 materialized views are filled with their owners' privileges, so policies still hide rows", { skip }, async (t) => {
  const [owner, reader] = [newRole(), newRole()];
  const source = await freshDatabase();
  await query(
    source,
    `create role ${owner}; create role ${reader}; grant create on schema public to ${owner}, ${reader};
     create table public.indexed (id int primary key, who text); alter table public.indexed owner to ${owner}; insert into public.indexed values (1, '${reader}'), (2, 'x');
     alter table public.indexed enable row level security; create policy own on public.indexed using (who = current_user); grant select on public.indexed to ${reader};
     set role ${reader}; create materialized view public.mine as select * from public.indexed; reset role;
     create materialized view public.above as select (select count(*) from public.mine) as of_mine, (select count(*) from public.indexed) as of_all;
     grant select on public.above to ${reader}; create unique index on public.above (of_all)`,
  );
  const counts = "select (select count(*)::int from public.mine) as mine, of_mine::int, of_all::int from public.above";
  const before = await query(source, counts);
  assert.deepEqual(before, [{ mine: 1, of_mine: 1, of_all: 2 }]);
  const { file, fingerprint } = await drainDump(t, engine, source);
  const target = await freshDatabase();
  const { problems, differing } = await restoreInto(target, file, {}, fingerprint);
  assert.deepEqual([problems, differing], [[], []]);
  assert.deepEqual(await query(target, counts), before);
});

test("R57 code that changes what other roles own while it is loaded is seen: the comparison fails", { skip }, async (t) => {
  const source = await ownedBy(
    newRole(),
    "create table public.indexed (id int primary key, note text); insert into public.indexed values (1, 'x')",
  );
  await query(
    source,
    `create table public.another (id int primary key); create function public.safe() returns int language sql security definer as 'select 1';
     create function public.meddle(text) returns boolean language plpgsql as $f$ begin
       if session_user like 'lifeboat%' then
         execute $e$ create or replace function public.safe() returns int language sql security definer as 'select 2' $e$;
         execute 'grant select on public.another to public';
       end if; return true; end $f$;
     alter table public.indexed add check (public.meddle(note))`,
  );
  const { file, fingerprint } = await drainDump(t, engine, source);
  const { differing } = await restoreInto(await freshDatabase(), file, {}, fingerprint);
  const names = differing.filter(({ outcome }) => outcome === "fail").map(({ name }) => name);
  assert.deepEqual(names.sort(), ["definition of acl table public.another", "definition of function public.safe()"]);
});
