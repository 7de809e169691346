// Rows and tables brought into a database that is in use: all of it or nothing, and never what its keys forbid.
import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { isLifeboatError } from "../../src/core/errors.ts";
import type { TocEntry } from "../../src/engines/postgres/archive/contents.ts";
import { openClient } from "../../src/engines/postgres/connect/client.ts";
import { connectionFromParts, partsOf } from "../../src/engines/postgres/connect/url.ts";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import { setTablesAside } from "../../src/engines/postgres/load/before.ts";
import type { Connection } from "../../src/ports/connection.ts";
import type { LoadOptions } from "../../src/ports/engine.ts";
import { drainDump } from "../support/dumps.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();
const engine = openPostgresEngine();

const SHOP = `
create table public.orders (id bigserial primary key, total numeric);
create table public.items (id bigserial primary key, order_id bigint references public.orders on delete cascade, sku text);
insert into public.orders (total) select g from generate_series(1, 100) g;
insert into public.items (order_id, sku) select 1 + g % 100, 's' || g from generate_series(1, 300) g`;

const EMPTY_ENTRY: TocEntry = {
  ...{
    dumpId: 1,
    classOid: 0,
    oid: 0,
    hasData: false,
    kind: "TABLE",
    schema: "",
    name: "",
    owner: "",
    section: 2,
    definition: "",
    dropStatement: "",
  },
  ...{ copyStatement: "", tablespace: "", dependencies: [], offsetFieldAt: 0, dataAt: undefined },
};

interface Shop {
  readonly shop: Connection;
  readonly file: string;
  load(options: LoadOptions): Promise<readonly { readonly name: string; readonly outcome: string }[]>;
}

/** A database with a dump of it, which each load takes a copy of. */
async function beginShop(t: TestContext, more = "", role?: string): Promise<Shop> {
  const database = await freshDatabase();
  const shop = role === undefined ? database : connectionFromParts({ ...partsOf(database), user: role, password: "x" });
  if (role !== undefined) {
    const there = await query(database, `select from pg_roles where rolname = '${role}'`);
    if (there.length === 0) await query(database, `create role ${role} login password 'x'`);
    const name = partsOf(database).database;
    await query(database, `grant all on schema public to ${role}; grant create on database ${name} to ${role}`);
  }
  await query(shop, `${SHOP}; ${more}`);
  const { file, fingerprint } = await drainDump(t, engine, shop);
  let copies = 0;
  return {
    shop,
    file,
    async load(options) {
      const copy = `${file}-${copies++}`;
      copyFileSync(file, copy);
      const { problems, release, reader } = await engine.load(shop, copy, options);
      assert.deepEqual(problems, []);
      const { tables, dataOnly } = options;
      const actual = await engine.fingerprint(shop, tables === undefined ? fingerprint.scope : { kind: "tables", tables }, { reader });
      const checks = engine.compare(fingerprint, actual, { tables, dataOnly });
      await release?.();
      return checks.filter(({ outcome }) => outcome !== "pass");
    },
  };
}

const counts = async (shop: Connection) =>
  (
    await query(
      shop,
      `select (select count(*)::int from public.orders) as orders, (select count(*)::int from public.items) as items,
       (select last_value::int from public.items_id_seq) as next`,
    )
  )[0];

const refused = (message: RegExp) => (error: unknown) => isLifeboatError(error, "LOAD_FAILED") && message.test(error.message);
const roles = [undefined, "ordinary"] as const;

for (const role of roles) {
  const as = role === undefined ? "a superuser" : "an ordinary role";

  test(`R22 rows that violate a foreign key of the live database are refused, and nothing changes, as ${as}`, { skip }, async (t) => {
    const { shop, load } = await beginShop(t, "", role);
    await query(shop, "delete from public.orders where id > 50");
    await assert.rejects(
      load({ tables: ["items"], dataOnly: true, replace: true }),
      refused(/foreign key|refer to no row of public\.orders/),
    );
    assert.deepEqual(await counts(shop), { orders: 50, items: 150, next: 300 });
    assert.deepEqual(await load({ tables: ["items", "orders"], dataOnly: true, replace: true }), []);
    assert.deepEqual(await counts(shop), { orders: 100, items: 300, next: 300 });
  });

  test(`R22 a load of rows that fails in its middle leaves rows and sequences of the live table alone, as ${as}`, { skip }, async (t) => {
    const { shop, load } = await beginShop(t, "", role);
    await query(shop, "delete from public.items where id < 300; select setval('public.items_id_seq', 500)");
    await assert.rejects(load({ tables: ["items"], dataOnly: true }), refused(/duplicate key/));
    assert.deepEqual(await counts(shop), { orders: 100, items: 1, next: 500 });
    await query(shop, "delete from public.items");
    assert.deepEqual(await load({ tables: ["items"], dataOnly: true }), [], "a sequence that advanced is not a difference");
    assert.deepEqual(await counts(shop), { orders: 100, items: 300, next: 500 });
  });

  test(`R22 tables that cannot come back whole are as they were, with rows, keys and sequences, as ${as}`, { skip }, async (t) => {
    const { shop, load } = await beginShop(t, "create table public.notes (id int primary key, item bigint references public.items)", role);
    const tables = ["items", "notes"];
    await query(shop, "drop table public.notes; delete from public.orders where id > 50; insert into public.items (sku) values ('new')");
    await assert.rejects(load({ tables, replace: true }), refused(/left as it was: .*foreign key/));
    assert.deepEqual(await counts(shop), { orders: 50, items: 151, next: 301 });
    const left = await query(
      shop,
      "select to_regclass('public.notes') as notes, count(*)::int as n from pg_namespace where nspname ~ '^lifeboat'",
    );
    assert.deepEqual(left, [{ notes: null, n: 0 }]);
    await assert.rejects(query(shop, "insert into public.items (order_id) values (77)"), /foreign key/);
    await query(shop, "insert into public.orders (id) select g from generate_series(51, 100) g");
    assert.deepEqual(await load({ tables, replace: true }), []);
    assert.deepEqual(await counts(shop), { orders: 100, items: 300, next: 302 });
    assert.deepEqual(await query(shop, "select nspname::text as n from pg_namespace where nspname ~ '^lifeboat'"), []);
  });
}

test("R22 rows of a table that others refer to are replaced, and what those refer to must still be there", { skip }, async (t) => {
  const { shop, load } = await beginShop(t);
  await query(shop, "update public.orders set total = -1");
  assert.deepEqual(await load({ tables: ["orders"], dataOnly: true, replace: true }), []);
  assert.deepEqual(await counts(shop), { orders: 100, items: 300, next: 300 });
  await query(shop, "insert into public.orders (id) values (101); insert into public.items (order_id) values (101)");
  await assert.rejects(
    load({ tables: ["orders"], dataOnly: true, replace: true }),
    refused(/1 rows of public\.items would refer to no row of public\.orders/),
  );
  assert.deepEqual(await counts(shop), { orders: 101, items: 301, next: 301 });
});

test("R22 hash partitions by an enumeration are restored, also rows alone, and compared as one table", {
  skip,
}, async (t) => {
  const { load } = await beginShop(
    t,
    `create type public.mood as enum ('sad', 'glad', 'calm'); create table public.by_mood (m public.mood not null, n int) partition by hash (m);
     create table public.by_mood_0 partition of public.by_mood for values with (modulus 2, remainder 0);
     create table public.by_mood_1 partition of public.by_mood for values with (modulus 2, remainder 1);
     insert into public.by_mood select (array['sad', 'glad', 'calm'])[1 + g % 3]::public.mood, g from generate_series(1, 99) g`,
  );
  assert.deepEqual(await load({ tables: ["by_mood"], dataOnly: true, replace: true }), []);
  assert.deepEqual(await load({ tables: ["by_mood"], replace: true }), []);
});

test("R22 partitions, odd names and keys of several columns are checked like any other", { skip }, async (t) => {
  const { shop, load } = await beginShop(
    t,
    `create schema "Odd Schema"; create table "Odd Schema"."P t" (a int, "b b" varchar(9), v text, primary key (a, "b b")) partition by list (a);
     create table "Odd Schema".one partition of "Odd Schema"."P t" for values in (1); create table "Odd Schema".two partition of "Odd Schema"."P t" for values in (2);
     insert into "Odd Schema"."P t" select 1 + g % 2, 'b' || g, 'v' from generate_series(1, 20) g;
     create table public.child (id int generated always as identity, a int, b text, foreign key (a, b) references "Odd Schema"."P t" match full);
     insert into public.child (a, b) values (1, 'b2'), (2, 'b3'), (null, null)`,
  );
  await query(shop, `update "Odd Schema"."P t" set v = 'changed'`);
  assert.deepEqual(await load({ tables: [`"Odd Schema"."P t"`], dataOnly: true, replace: true }), []);
  assert.deepEqual(await query(shop, `select distinct v from "Odd Schema"."P t"`), [{ v: "v" }]);
  await query(shop, `insert into "Odd Schema".one values (1, 'later'); insert into public.child (a, b) values (1, 'later')`);
  await assert.rejects(
    load({ tables: [`"Odd Schema"."P t"`], dataOnly: true, replace: true }),
    refused(/1 rows of public\.child would refer/),
  );
  await query(shop, `delete from public.child where a = 1; delete from "Odd Schema".one`);
  await assert.rejects(
    load({ tables: ["child"], dataOnly: true, replace: true }),
    refused(/1 rows of public\.child would refer to no row/),
  );
});

test("R22 the clean-up puts back live tables that a dead job had renamed, by the job's mark only", { skip }, async (t) => {
  const { shop } = await beginShop(t);
  const client = await openClient(shop);
  const keeper = { jobId: "job1", mark: "lifeboat job1 proof" };
  const tables = ["orders", "items"].map((name) => ({ ...EMPTY_ENTRY, schema: "public", name }));
  await setTablesAside(client, tables, keeper);
  await client.query("create table public.items (half int)");
  await client.close();
  await assert.rejects(counts(shop));
  const server = connectionFromParts({ ...partsOf(shop), database: "postgres" });
  assert.equal(await engine.dropLoader?.(server, "job1", { mark: "another" }), "absent");
  assert.equal(await engine.dropLoader?.(server, "job1", { mark: keeper.mark }), "removed");
  assert.deepEqual(await counts(shop), { orders: 100, items: 300, next: 300 });
  await assert.rejects(query(shop, "insert into public.items (order_id) values (777)"), /foreign key/);
});
