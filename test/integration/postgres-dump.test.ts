import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { test } from "node:test";
import { readContents } from "../../src/engines/postgres/archive/contents.ts";
import { connectionFromParts, partsOf } from "../../src/engines/postgres/connect/url.ts";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import { differences, drainDump } from "../support/dumps.ts";
import { dataSet, freshDatabase, loadSql, openApplication, query, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();
const engine = openPostgresEngine();

for (const name of ["chinook.sql", "pagila.sql"]) {
  test(`R19 R22 ${name} comes back with an equal fingerprint`, {
    skip: skip || (dataSet(name) ? false : `${name} is not here`),
  }, async (t) => {
    const source = await freshDatabase();
    await loadSql(source, dataSet(name) ?? "");
    const { file, fingerprint, dump } = await drainDump(t, engine, source);
    assert.ok(Object.keys(fingerprint.tables).length > 5);
    assert.deepEqual(fingerprint.unhashed, []);
    assert.ok(dump.notIncluded.some(({ kind }) => kind === "server settings"));
    const target = await freshDatabase();
    const { problems, notRestored } = await engine.load(target, file, {});
    assert.deepEqual([problems, notRestored], [[], []]);
    assert.deepEqual(differences(engine, fingerprint, await engine.fingerprint(target, fingerprint.scope)), []);
  });
}

test("R19 a backup of chosen tables holds these tables alone, under odd names too, and their sequences", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    `create schema "Odd.Schema"; create table "Odd.Schema"."Ta*ble ""x" (id serial primary key, v text);
     insert into "Odd.Schema"."Ta*ble ""x" (v) select 'v' || i from generate_series(1, 100) i;
     create table public."Ta" (id int); create table public.other (id int)`,
  );
  const { file, fingerprint } = await drainDump(t, engine, source, { kind: "tables", tables: ['"Odd.Schema"."Ta*ble ""x"'] });
  assert.deepEqual(Object.keys(fingerprint.tables), ['"Odd.Schema"."Ta*ble ""x"']);
  assert.deepEqual(Object.values(fingerprint.sequences), ["100,true"]);
  const target = await freshDatabase();
  assert.deepEqual((await engine.load(target, file, {})).problems, []);
  assert.deepEqual(differences(engine, fingerprint, await engine.fingerprint(target, fingerprint.scope)), []);
});

test("R19 R22 a backup of chosen tables holds the types, functions and definitions that they need", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    `create schema app; create schema lib; create schema away; create extension citext schema lib; create extension hstore schema away;
     create type app.mood as enum ('good', 'bad'); create type app.place as (street text, mood app.mood); create domain app.positive as int check (value > 0);
     create function lib.twice(i int) returns int language sql immutable as 'select i * 2';
     create function lib.odd(i int) returns int language plpgsql immutable as 'begin return lib.twice(i) + 1; end';
     create sequence lib.ids start 100; create table app.members (who name); create table app.users (id int primary key);
     create table app.notes (id bigint default nextval('lib.ids') primary key, m app.mood, p app.place, n app.positive, c lib.citext, user_id int references app.users,
       odd int generated always as (lib.odd(3)) stored check (lib.twice(odd) = 14));
     create index on app.notes (lib.twice(odd)); create statistics app.both on m, n from app.notes; alter table app.notes enable row level security;
     create policy mine on app.notes using (exists (select from app.members where who = current_user));
     create function app.touch() returns trigger language plpgsql as 'begin insert into app.audit values (new.id); return new; end'; create table app.audit (id bigint);
     insert into app.users values (1); insert into app.notes (m, p, n, c, user_id) values ('bad', row('x', 'good'), 5, 'Xy', 1);
     create trigger touch after insert on app.notes for each row execute function app.touch();
     create table app.base (id int); create table app.child (v text) inherits (app.base); insert into app.base values (1); insert into app.child values (2, 'two');
     create table app.parts (id int, at date) partition by range (at); create index on app.parts (id);
     create table app.part_1 partition of app.parts for values from ('2020-01-01') to ('2021-01-01'); create table app.part_2 partition of app.parts default;
     insert into app.parts values (1, '2020-02-02'), (2, '2030-02-02');
     create table away.bag (h away.hstore); create function away.bags() returns setof away.bag language sql as 'select * from away.bag'`,
  );
  const { file, fingerprint, dump } = await drainDump(t, engine, source, {
    kind: "tables",
    tables: ["app.notes", "app.child", "app.part_1"],
  });
  assert.deepEqual(Object.keys(fingerprint.tables), ["app.child", "app.notes", "app.part_1"]);
  assert.deepEqual(fingerprint.sequences, { "lib.ids": "100,true" });
  const { entries } = await readContents(createReadStream(file));
  assert.deepEqual(
    entries
      .filter(({ hasData }) => hasData)
      .map(({ name }) => name)
      .sort(),
    ["child", "notes", "part_1"],
  );
  assert.deepEqual(
    entries.filter(({ kind }) => kind === "EXTENSION").map(({ name }) => name),
    ["citext"],
  );
  assert.ok(!entries.some(({ name, schema }) => [name, schema].includes("away") || ["users", "part_2", "audit"].includes(name)));
  const without = new Map(dump.notIncluded.map(({ kind, object }) => [kind, object]));
  assert.equal(without.get("rows"), "app.base, app.members, app.parts");
  assert.equal(without.get("foreign keys"), "app.notes notes_user_id_fkey (to app.users)");
  assert.equal(without.get("mentioned relations"), "app.audit (in app.touch())");

  const target = await freshDatabase();
  const { problems, notRestored } = await engine.load(target, file, { chosen: true });
  assert.deepEqual([problems, notRestored.map(({ object }) => object)], [[], ["app.notes notes_user_id_fkey"]]);
  assert.deepEqual(differences(engine, fingerprint, await engine.fingerprint(target, fingerprint.scope)), []);
});

test("a table pattern that matches nothing is refused with the nearest name, before any byte flows", { skip }, async () => {
  const source = await freshDatabase();
  await query(source, "create table public.users (id int)");
  await assert.rejects(engine.beginDump(source, { kind: "tables", tables: ["usres"] }), {
    code: "TABLE_UNKNOWN",
    message: /did you mean "users"/,
  });
});

test("R19 schema and data backups together bring back the whole", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    `create table parent (id int primary key); create table child (id int generated always as identity, p int references parent);
     insert into parent select generate_series(1, 50); insert into child (p) select generate_series(1, 50);
     select lo_from_bytea(4242, 'large')`,
  );
  const definitions = await drainDump(t, engine, source, { kind: "schema" });
  const data = await drainDump(t, engine, source, { kind: "data" });
  const target = await freshDatabase();
  assert.deepEqual((await engine.load(target, definitions.file, {})).problems, []);
  assert.deepEqual((await engine.load(target, data.file, {})).problems, []);
  const whole = await engine.fingerprint(source, { kind: "full" });
  assert.deepEqual(differences(engine, whole, await engine.fingerprint(target, { kind: "full" })), []);
  // A second time, over what is there: replaced, not doubled. Large objects keep their numbers and cannot come twice.
  await query(target, "select lo_unlink(4242)");
  assert.deepEqual((await engine.load(target, data.file, { replace: true })).problems, []);
  assert.deepEqual(differences(engine, whole, await engine.fingerprint(target, { kind: "full" })), []);
});

test("a user who may not read every table is refused with their names before any byte flows", { skip }, async () => {
  const source = await freshDatabase();
  const role = `r_${partsOf(source).database}`;
  await query(
    source,
    `create table open_one (id int); create table secret_one (id int); create role ${role} login password 'x'; grant select on open_one to ${role}`,
  );
  const reader = connectionFromParts({ ...partsOf(source), user: role, password: "x" });
  await assert.rejects(engine.beginDump(reader, { kind: "full" }), { code: "SOURCE_PERMISSION", message: /public\.secret_one/ });
  await query(
    source,
    `grant select on secret_one to ${role}; alter table secret_one enable row level security; create policy p on secret_one using (id > 0)`,
  );
  await assert.rejects(engine.beginDump(reader, { kind: "full" }), {
    code: "SOURCE_PERMISSION",
    message: /row-level security would hide rows of public\.secret_one/,
  });
  await query(source, `drop owned by ${role}; drop role ${role}`);
});

test("tables truncated, rewritten or dropped while a dump begins are neither lost nor green by accident", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    `create table a (id int, v text); insert into a select i, repeat('x', 100) from generate_series(1, 1000) i;
     create table b (id int); insert into b select generate_series(1, 10)`,
  );
  const writer = await openApplication(source);
  let stop = false;
  // At every committed instant `a` holds 1000 rows and `b` 10, in ever new storage.
  const race = (async () => {
    for (let turn = 0; !stop; turn++) {
      await writer.query(`begin; truncate a; insert into a select i, repeat('x', 100) from generate_series(1, 1000) i; commit`);
      if (turn % 3 === 0) await writer.query(`alter table a alter column id type ${turn % 2 === 0 ? "bigint" : "int"}`);
      await writer.query(`begin; drop table if exists b; create table b (id int); insert into b select generate_series(1, 10); commit`);
      await new Promise((resolve) => setTimeout(resolve, (turn * 137) % 600));
    }
  })();
  try {
    for (let round = 0, proven = 0; proven < 2; round++) {
      assert.ok(round < 20, "some dumps must come through");
      const { file, fingerprint } = await drainDump(t, engine, source).catch((error: unknown) => {
        assert.equal((error as { code?: string }).code, "SOURCE_CHANGED", String(error));
        return { file: undefined, fingerprint: undefined };
      });
      if (file === undefined) continue;
      if (!("public.a" in fingerprint.tables && "public.b" in fingerprint.tables) || fingerprint.unhashed.length > 0) continue;
      const target = await freshDatabase();
      assert.deepEqual((await engine.load(target, file, {})).problems, []);
      const [row] = await query(target, "select (select count(*) from a)::int as a, (select count(*) from b)::int as b");
      assert.deepEqual(row, { a: 1000, b: 10 });
      assert.deepEqual(differences(engine, fingerprint, await engine.fingerprint(target, fingerprint.scope)), []);
      proven += 1;
    }
  } finally {
    stop = true;
    await race;
    await writer.close();
  }
});

test("R22 chosen tables are restored with indexes, keys, defaults and sequences; dangling keys are named", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    `create type mood as enum ('sad', 'ok'); create schema s;
     create table users (id serial primary key, m mood default 'ok'); create index users_m on users (m);
     create table s.orders (id int generated always as identity primary key, u int references users, p int) ; create table pay (id int references s.orders);
     create table other (id int); comment on column s.orders.u is 'who';
     insert into users (m) select 'sad' from generate_series(1, 30); insert into s.orders (u) select generate_series(1, 30)`,
  );
  const { file, fingerprint } = await drainDump(t, engine, source);
  const target = await freshDatabase();
  const { problems, notRestored, release } = await engine.load(target, file, { tables: ["s.orders", "users"] });
  assert.deepEqual({ problems, notRestored, released: await release?.() }, { problems: [], notRestored: [], released: [] });
  const there = await engine.fingerprint(target, { kind: "full" });
  assert.deepEqual(Object.keys(there.tables).sort(), ["public.users", "s.orders"]);
  for (const name of ["public.users", "s.orders"]) assert.deepEqual(there.tables[name], fingerprint.tables[name]);
  assert.deepEqual(there.sequences["public.users_id_seq"], "30,true");
  const [{ n } = {}] = await query(target, "select count(*)::int as n from pg_constraint where contype = 'f'");
  assert.equal(n, 1);
  await assert.rejects(engine.load(target, file, { tables: ["users"] }), { code: "RESTORE_TARGET_NOT_EMPTY" });
  await assert.rejects(engine.load(target, file, { tables: ["users"], replace: true }), { code: "LOAD_FAILED", message: /depend/ });
  const alone = await freshDatabase();
  const partial = await engine.load(alone, file, { tables: ["s.orders"] });
  assert.deepEqual(partial.problems, []);
  assert.match(partial.notRestored.map(({ object, reason }) => `${object} ${reason}`).join(), /orders.*public\.users is not here/);
  await assert.rejects(engine.load(alone, file, { tables: ["ordres"] }), { code: "TABLE_UNKNOWN", message: /did you mean/ });
});

test("a restored database takes the name of another, with its owner, settings and privileges", { skip }, async () => {
  const old = await freshDatabase();
  const name = partsOf(old).database;
  await query(
    old,
    `create table gone (id int); alter database ${name} set work_mem to '7MB'; alter database ${name} set search_path to "$user", 'odd, one', public; revoke connect on database ${name} from public`,
  );
  const finished = `${name}_new`;
  const server = connectionFromParts({ ...partsOf(old), database: "postgres" });
  const mark = "lifeboat job 1";
  const made = await engine.createDatabase(server, finished, { mark });
  await query(made, "create table came (id int)");
  await engine.takeName(server, finished, name);
  const [row] = await query(
    old,
    `select to_regclass('gone') is null as gone, to_regclass('came') is not null as came, current_setting('work_mem') as mem,
    current_setting('search_path') as path, has_database_privilege('pg_monitor', current_database(), 'connect') as open,
    (select count(*)::int from pg_database where datname = '${finished}_old') as kept`,
  );
  assert.deepEqual(row, { gone: true, came: true, mem: "7MB", path: '"$user", "odd, one", public', open: false, kept: 1 });
  assert.deepEqual((await engine.stateOf(engine.resolveTarget(server, name))).occupants, ["public.came"]);
  await assert.rejects(engine.dropDatabase(server, name, { mark }), /left as it is: .* holds public.came/);
  assert.equal((await engine.stateOf(engine.resolveTarget(server, name))).exists, true);
});
