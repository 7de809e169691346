// Probes: questions asked of a restored database, against a real one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import type { Probe } from "../../src/ports/probe.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();
const asOf = new Date("2026-11-21T03:00:00Z");
const HOUR_MS = 3_600_000;

const SHOP = `
create table users (id int primary key, email text unique, created_at timestamptz);
insert into users select i, 'u' || i, timestamptz '2026-11-21 02:30Z' - i * interval '1 minute' from generate_series(1, 10) i;
create table "Odd Table" (id int);
create table empty_one (id int, created_at timestamptz);
create schema sales; create table sales.orders (id int); insert into sales.orders values (1);
create view recent as select * from users; create materialized view counted as select count(*) from users;
create domain moment as timestamptz check (value > '2000-01-01'); create type instant as enum ('2026-11-21 02:30Z');
create table odd_types (m moment, i instant); insert into odd_types values ('2026-11-21 02:30Z', '2026-11-21 02:30Z');
create foreign data wrapper nowhere; create server far foreign data wrapper nowhere;
create table parted (id int) partition by range (id); create foreign table part partition of parted for values from (0) to (9) server far;`;

const CASES: readonly (readonly [string, Probe, "pass" | "fail" | "inconclusive", RegExp?])[] = [
  ["a table that is there exists", { table: "users", exists: true }, "pass"],
  ["a table of another schema and one with an odd name are found", { table: "sales.orders", rows: { min: 1 } }, "pass"],
  ["a table that is not there fails, with the nearest name", { table: "userz" }, "fail", /users/],
  ["enough rows pass", { table: "users", rows: { min: 10, max: 10 } }, "pass"],
  ["too few rows fail", { table: "users", rows: { min: 11 } }, "fail"],
  ["too many rows fail", { table: "users", rows: { max: 9 } }, "fail"],
  ["a newest row within the time passes", { table: "users", newest: "created_at", withinMs: HOUR_MS }, "pass"],
  ["a newest row that is too old fails", { table: "users", newest: "created_at", withinMs: 60_000 }, "fail"],
  ["enough indexes pass", { table: "users", indexes: { min: 2 } }, "pass"],
  ["a missing index fails", { table: "users", indexes: { min: 3 } }, "fail"],
  ["a query that says true passes", { sql: "select count(*) > 0 from users" }, "pass"],
  ["a query that says false fails", { sql: "select count(*) > 99 from users" }, "fail"],
  [
    "R57 a view exists, and is not counted: counting it would run code of the database's",
    { table: "recent", rows: {} },
    "inconclusive",
    /view.*`sql`/,
  ],
  ["R57 nor is a table with a part on another server", { table: "parted", rows: {} }, "inconclusive", /public\.part is on another server/],
  ["a view that is only to exist passes", { table: "recent", exists: true }, "pass"],
  ["a materialized view is counted", { table: "counted", rows: { min: 1 } }, "pass"],
  ["the newest of a domain over a time passes", { table: "odd_types", newest: "m", withinMs: HOUR_MS }, "pass"],
  ["R57 the newest of a type of the database's is not asked", { table: "odd_types", newest: "i" }, "inconclusive", /type .*instant/],
  ["R33 a query without a result proves nothing", { sql: "select null::boolean" }, "inconclusive"],
  ["R33 a query without a row proves nothing", { sql: "select true from users where false" }, "inconclusive"],
];

for (const [what, probe, outcome, message] of CASES) {
  test(`R32 ${what}`, { skip }, async () => {
    const database = await freshDatabase();
    await query(database, SHOP);
    const checks = await openPostgresEngine().probe(database, [probe], asOf);
    assert.ok(checks.length > 0);
    const worst = checks.find((check) => check.outcome === "fail") ?? checks.find((check) => check.outcome === "inconclusive") ?? checks[0];
    assert.equal(worst?.outcome, outcome, JSON.stringify(checks));
    if (message) assert.match(worst?.message ?? "", message);
  });
}

test("R33 the newest row of an empty table never passes", { skip }, async () => {
  const database = await freshDatabase();
  await query(database, SHOP);
  const checks = await openPostgresEngine().probe(database, [{ table: "empty_one", newest: "created_at", withinMs: HOUR_MS }], asOf);
  assert.ok(
    checks.some((check) => check.outcome !== "pass"),
    JSON.stringify(checks),
  );
});

test("R32 a probe cannot write, however it is phrased", { skip }, async () => {
  const database = await freshDatabase();
  await query(database, SHOP);
  const attempts = [
    "with gone as (delete from users returning 1) select true",
    "select true; delete from users",
    "commit; delete from users; select true",
  ];
  for (const sql of attempts) {
    const checks = await openPostgresEngine().probe(database, [{ sql }], asOf);
    assert.ok(
      checks.every((check) => check.outcome !== "pass"),
      JSON.stringify(checks),
    );
  }
  assert.deepEqual(await query(database, "select count(*)::int as n from users"), [{ n: 10 }]);
});
