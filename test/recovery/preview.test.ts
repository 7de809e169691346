// Preview: what was there at a restore point, without restoring over anything, and a query that can only read.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError } from "../../src/core/errors.ts";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();
type Difference = { readonly object: string; readonly change: string };

test("R58 a preview shows counts and changed definitions from the fingerprint, and queries a scratch copy", {
  skip,
}, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table items (n int primary key, price int); insert into items select g, g * 2 from generate_series(1, 20) g");
  const world = await beginWorld(t, { sources: { shop } });
  const { id } = (await world.expect(0, "backup", "shop", "--json")).json().made[0];
  await query(shop, "delete from items where n > 5; alter table items add column note text; create table later (n int)");

  const seen = (await world.expect(0, "preview", id.slice(0, 10), "--json")).json();
  assert.deepEqual([seen.readFrom, seen.tables, seen.answer], ["fingerprint", [{ name: "public.items", rows: 20 }], null]);
  const changes = seen.differences.map(({ object, change }: Difference) => `${change}: ${object}`);
  assert.ok(changes.includes("only now: column public.items.note"), changes.join("\n"));
  assert.match((await world.expect(0, "preview", id)).stdout, /public\.items +20\n[\s\S]*only now +column public\.items\.note/);
  assert.deepEqual((await world.expect(0, "jobs", "--json")).json().jobs.length, 1, "no further job");

  const asked = ["preview", "shop", "--to", "latest", "--query", "select count(*) as n, min(price), true as yes from items", "--json"];
  const { readFrom, answer, warnings } = (await world.expect(0, ...asked)).json();
  assert.deepEqual([readFrom, answer], ["copy", { columns: ["n", "min", "yes"], rows: [["20", 2, true]], truncated: false }]);
  assert.deepEqual(warnings, []);
  const some = (await world.expect(0, "preview", id, "--query", "table items", "--rows", "3", "--json")).json().answer;
  assert.deepEqual([some.rows.length, some.truncated], [3, true]);
  const refused = await world.expect(2, "preview", id, "--query", "delete from items returning n", "--json");
  assert.equal(refused.code, "QUERY_REFUSED");
  await world.assertNothingLeft();
});

test("R58 a query of a preview only reads, as a role that may only read, within its time and size", { skip }, async () => {
  const scratch = await freshDatabase();
  await query(scratch, "create table items (n int); insert into items values (1); create sequence s");
  const engine = openPostgresEngine();
  const limits = { rows: 10, sizeBytes: 10_000, timeoutMs: 1000 };
  const ask = (sql: string) => engine.ask(scratch, { sql }, limits);
  const role = await ask("select current_user = session_user as own, rolsuper, rolcreaterole from pg_roles where rolname = current_user");
  assert.deepEqual([role.rows, role.warnings], [[[true, false, false]], []]);
  for (const sql of [
    "select 1; drop table items",
    "insert into items values (2) returning n",
    "with gone as (delete from items returning n) select * from gone",
    "select nextval('s')",
    "select pg_read_file('/etc/passwd')",
    "select set_config('role', 'postgres', false), lo_create(0)",
    "select pg_sleep(60)",
    "select set_config('statement_timeout', '0', false), pg_sleep(60)",
    "select repeat('x', 100000000)",
    "items",
  ])
    await assert.rejects(ask(sql), (error) => isLifeboatError(error, "QUERY_REFUSED"), sql);
  assert.deepEqual(await query(scratch, "select count(*)::int as n from items"), [{ n: 1 }]);
  assert.deepEqual(await query(scratch, "select from pg_roles where rolname like 'lifeboat_read_%'"), []);
});
