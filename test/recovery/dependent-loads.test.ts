// Tables, domains and indexes whose code reads other tables: a restore has those tables first.
import assert from "node:assert/strict";
import { test } from "node:test";
import { psql, query, sharedCluster, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

/** Larger tables are loaded first, so that the small one is read while it is empty. */
const ROWS = "from generate_series(1, 20000) g";
const KINDS = "create table public.zkinds (k text primary key, n int); insert into public.zkinds values ('a', 7), ('b', 8);";
/** Its rows come slowly: what does not wait for them finds none. */
const SLOW = KINDS.replace("n int)", "n int check (pg_sleep(0.3) is not null))");
const KNOWN =
  "create function public.known(t text) returns bool language sql stable as 'select exists (select from public.zkinds where k = t)';";
const NUMBER = (language: string, body: string): string =>
  `create function public.number_of(t text) returns int language ${language} immutable as '${body}';`;

const SHAPES: Readonly<Record<string, string>> = {
  checked: `${KINDS} ${KNOWN}
    create table public.items (id int primary key, k text check (public.known(k))); insert into public.items select g, 'a' ${ROWS};
    create table public.afters (id int primary key, n int references public.items, check (public.known(case when n > 0 then 'b' end)));
    insert into public.afters select g, g ${ROWS}`,
  by_domain: `${KINDS} ${KNOWN} create domain public.kind as text check (public.known(value)); create type public.pair as (one int, two public.kind);
    create table public.items (id int primary key, p public.pair, a public.kind[]); insert into public.items select g, row(g, 'a')::public.pair, '{a,b}' ${ROWS}`,
  generated: `${SLOW} ${NUMBER("plpgsql", "begin return (select n from public.zkinds where k = t); end")}
    create table public.items (id int primary key, k text, n int generated always as (public.number_of(k)) stored); insert into public.items select g, 'a' ${ROWS}`,
  inlined: `${KINDS} ${NUMBER("sql", "select n from public.zkinds where k = t")}
    create table public.items (id int primary key, k text, n int generated always as (public.number_of(k)) stored); insert into public.items select g, 'a' ${ROWS};
    create view public.both as select id, k, z.n from public.items join public.zkinds z using (k); comment on column public.items.n is 'of its kind'`,
  indexed: `${SLOW} ${NUMBER("plpgsql", "begin return (select n from public.seen where k = t); end")} create view public.seen as select * from public.zkinds;
    create table public.items (id int primary key, k text); insert into public.items select g, 'a' ${ROWS};
    create index by_number on public.items (public.number_of(k), id); create unique index of_seven on public.items (id) where public.number_of(k) = 7`,
  partitioned: `${KINDS} ${NUMBER("plpgsql", "begin return (select n from public.zkinds where k = t); end")}
    create table public.items (id int, k text) partition by range (public.number_of(k)); create table public.part partition of public.items for values from (7) to (8);
    insert into public.items select g, 'a' ${ROWS}`,
  // Names without a schema, and names that no text holds: what failed is loaded again, after all the rest, with the database's own path.
  unqualified: `create schema app; alter database unqualified set search_path = app, public; set search_path = app, public; create table app.kinds (k text primary key); insert into app.kinds values ('a');
    create function public.is_known(t text) returns bool language plpgsql stable as 'begin return exists (select from kinds where k = t); end';
    create table public.items (id int primary key, k text check (public.is_known(k))); insert into public.items select g, 'a' ${ROWS};
    create table public.orders (id int primary key, item int references public.items); insert into public.orders select g, g ${ROWS};
    create materialized view public.counted as select count(*) as n from public.items`,
  unnamed: `${KINDS} create function public.is_known(t text) returns bool language plpgsql stable as
      'declare found bool; begin execute ''select exists (select from public.z'' || ''kinds where k = $1)'' into found using t; return found; end';
    create table public.items (id int primary key, k text check (public.is_known(k))); insert into public.items select g, 'a' ${ROWS}`,
};

test("R32 R33 tables whose constraints, columns and indexes read other tables are restored equal", { skip }, async (t) => {
  const cluster = await sharedCluster();
  for (const [name, contents] of Object.entries(SHAPES)) {
    await query(cluster.connection("postgres"), `create database ${name}`);
    await query(cluster.connection(name), contents);
  }
  const world = await beginWorld(t, { sources: Object.fromEntries(Object.keys(SHAPES).map((name) => [name, cluster.connection(name)])) });
  for (const name of Object.keys(SHAPES)) {
    await t.test(name, async () => {
      await world.expect(0, "backup", name);
      const checked = (await world.run("check", name, "--json")).stdout;
      assert.equal(/ALTER FUNCTION public.is_known\(text\) SET search_path = app, pg_temp/.test(checked), name === "unqualified", checked);
      const drilled = (await world.run("drill", name, "--json")).json().drills[0];
      assert.equal(drilled.verdict, "pass", JSON.stringify(drilled.reasons));
      const restored = (await world.run("restore", name, "--into", `${name}_new`, "--json")).json();
      assert.equal(restored.verdict, "pass", JSON.stringify(restored.reasons));
    });
  }
  // Neither is refused or compared: an index that was built too early finds nothing, a column that was computed too early holds nothing.
  const counted = await psql(cluster.connection("indexed_new"), [
    ...["-c", "set enable_seqscan = off", "-c", "select count(id) from public.items where public.number_of(k) = 7"],
  ]);
  assert.equal(counted.trim(), "20000");
  for (const name of ["generated_new", "inlined_new"])
    assert.deepEqual(await query(cluster.connection(name), "select distinct n from public.items"), [{ n: 7 }]);
});
