// A drill of each kind of backup expects the contents of that kind, so that a good backup of any source can turn green.
import assert from "node:assert/strict";
import { test } from "node:test";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

test("R30 what only a superuser may own, and values that name roles, leave a drill green", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(
    shop,
    `create role "an Owner"; create table public.log (tag text); create table public.t (i int primary key, who regrole, what regclass);
     insert into public.t values (1, '"an Owner"', 'public.log'), (2, 'pg_monitor', 'pg_class'), (3, null, null), (4, '-', '-'); insert into public.log values ('x');
     create function public.log_ddl() returns event_trigger language plpgsql as $$ begin insert into public.log values (tg_tag); end $$;
     create event trigger et on ddl_command_end execute function public.log_ddl();
     create extension file_fdw; create foreign data wrapper mine handler file_fdw_handler validator file_fdw_validator;
     create publication everything for all tables;
     create subscription sb connection 'host=127.0.0.1 port=1 dbname=nope' publication p with (create_slot = false, connect = false, slot_name = none);
     create view public.v_roles as select rolname from pg_authid`,
  );
  const world = await beginWorld(t, { sources: { shop } });
  await world.expect(0, "backup", "shop");
  const { verdict, reasons } = (await world.run("drill", "shop", "--json")).json().drills[0];
  assert.equal(verdict, "pass", JSON.stringify(reasons));
});

test("R30 a drill of schema, data or chosen tables asks for what that kind of backup holds, and no more", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(
    shop,
    `create table public.a (id int generated always as identity primary key, b int, c text); insert into public.a (b, c) select g, 'c' || g from generate_series(1, 50) g;
     create statistics public.of_a on b, c from public.a; create table public.other (id int references public.a); insert into public.other values (1);
     do $$ begin execute format('comment on large object %s is %L', lo_from_bytea(0, 'large'), 'a picture'); end $$`,
  );
  const world = await beginWorld(t, { sources: { shop } });
  const ids: Record<string, string> = {};
  for (const [kind, args] of Object.entries({ schema: ["--kind", "schema"], data: ["--kind", "data"], tables: ["--tables", "public.a"] }))
    ids[kind] = (await world.expect(0, "backup", "shop", ...args, "--json")).json().made[0].id;
  const tables = (await world.expect(0, "drill", "shop", "--to", ids.tables ?? "", "--json")).json().drills[0];
  assert.equal(tables.verdict, "pass", JSON.stringify(tables.reasons));
  // Definitions alone prove no data. Rows alone are loaded into the definitions of the backup before them.
  const schema = (await world.expect(3, "drill", "shop", "--to", ids.schema ?? "", "--json")).json().drills[0];
  assert.ok(schema.checks.some(({ name, outcome }: { name: string; outcome: string }) => name === "definitions" && outcome === "pass"));
  const data = (await world.expect(0, "drill", "shop", "--to", ids.data ?? "", "--json")).json().drills[0];
  assert.equal(data.verdict, "pass", JSON.stringify(data.reasons));
});

test("R30 R33 a source whose configuration protects some tables is drilled and judged by backups of these", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table public.a (n int); insert into public.a values (1), (2); create table public.other (n int)");
  const world = await beginWorld(t, { sources: { shop }, source: "tables: [public.a], objectives: { rpo: 1h }" });
  const [made] = (await world.expect(0, "backup", "shop", "--json")).json().made;
  assert.equal(made.kind, "tables");
  const [drilled] = (await world.expect(0, "drill", "shop", "--json")).json().drills;
  assert.deepEqual([drilled.verdict, drilled.point.id], ["pass", made.id]);
  const status = await world.run("status", "--json");
  const [source] = status.json().sources;
  const codes = source.reasons.map(({ code }: { code: string }) => code);
  assert.ok(!codes.includes("NO_BACKUP") && !codes.includes("NEVER_DRILLED"), JSON.stringify(source));
});

test("R30 a materialized view that the load may not refresh makes a drill inconclusive, never a failure", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(
    shop,
    `create role mv_owner; create table public.t (i int); insert into public.t values (1); create table public.secret (i int); grant all on schema public to mv_owner;
     grant select on public.secret to mv_owner; create materialized view public.of_superuser as select rolname, rolpassword from pg_authid;
     create materialized view public.revoked as select i from public.secret; alter materialized view public.revoked owner to mv_owner;
     create unique index on public.of_superuser (rolname); revoke select on public.secret from mv_owner; create materialized view public.fine as select i from public.t`,
  );
  const world = await beginWorld(t, { sources: { shop } });
  await world.expect(0, "backup", "shop");
  const { verdict, checks } = (await world.expect(3, "drill", "shop", "--json")).json().drills[0];
  assert.equal(verdict, "inconclusive");
  const open = checks.filter((one: { outcome: string }) => one.outcome !== "pass").map((one: { name: string }) => one.name);
  assert.deepEqual(open.sort(), ["rows of materialized view public.of_superuser", "rows of materialized view public.revoked"]);
});

test("R30 R57 code that would reach another server leaves a drill inconclusive, as no fault of the backup", { skip }, async (t) => {
  const shop = await freshDatabase();
  const asking = (body: string): string =>
    `create or replace function public.ask(n int) returns int immutable language plpgsql as $$ begin ${body} return n; end $$`;
  await query(
    shop,
    `create extension postgres_fdw; create server away foreign data wrapper postgres_fdw options (host '127.0.0.1', port '1', dbname 'x');
     create user mapping for public server away options (user 'u', password 'p'); create foreign table public.f (i int) server away; ${asking("")};
     create table public.t (i int); insert into public.t values (1); create index ix on public.t (public.ask(i));
     create table public.c (i int check (public.ask(i) > 0)); insert into public.c values (1), (2)`,
  );
  await query(shop, asking("perform i from public.f;"));
  const world = await beginWorld(t, { sources: { shop } });
  await world.expect(0, "backup", "shop");
  const { verdict, checks } = (await world.expect(3, "drill", "shop", "--json")).json().drills[0];
  assert.equal(verdict, "inconclusive", JSON.stringify(checks));
  const open = checks.filter(({ outcome }: { outcome: string }) => outcome !== "pass").map(({ name }: { name: string }) => name);
  assert.deepEqual(open.sort(), ["index public.ix", "rows of table public.c"]);
});
