// Chosen tables come with what they need: an empty database takes the archive, by Lifeboat and by pg_restore alone.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { databaseArgument, programEnvironment, secretsOf } from "../../src/engines/postgres/connect/programs.ts";
import { partsOf } from "../../src/engines/postgres/connect/url.ts";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { runProgram } from "../../src/process/run.ts";
import { drainDump } from "../support/dumps.ts";
import { cases, seedOf } from "../support/every.ts";
import { featuresSql } from "../support/features-database.ts";
import { freshDatabase, loadSql, postgresBin, query, sharedCluster, skipWithoutPostgres } from "../support/postgres.ts";
import { temporaryDirectory } from "../support/repository.ts";

const skip = skipWithoutPostgres();
const engine = openPostgresEngine();

/** Errors of pg_restore, as a person would run it. */
async function restoreByHand(target: Connection, file: string): Promise<string[]> {
  const name = databaseArgument(partsOf(target).database);
  const { stderr } = await runProgram(join(postgresBin(), "pg_restore"), ["--no-password", `--dbname=${name}`, file], {
    env: programEnvironment(target),
    secrets: secretsOf(target),
    timeoutMs: 120_000,
  });
  return stderr.split("\n").filter((line) => line.includes("error:"));
}

const tablesOf = async (source: Connection): Promise<string[]> =>
  (
    await query<{ name: string }>(
      source,
      `select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
         and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e') order by 1`,
    )
  ).map(({ name }) => name);

async function assertComesBack(t: TestContext, source: Connection, tables: readonly string[]): Promise<void> {
  const { file, fingerprint, dump } = await drainDump(t, engine, source, { kind: "tables", tables });
  const target = await freshDatabase();
  const { problems, notRestored } = await engine.load(target, file, { chosen: true });
  const left = notRestored.filter(({ kind }) => kind !== "foreign key");
  assert.deepEqual([problems, left], [[], []], tables.join());
  const failed = engine
    .compare(fingerprint, await engine.fingerprint(target, fingerprint.scope))
    .filter(({ outcome }) => outcome === "fail");
  assert.deepEqual(failed, [], tables.join());
  const byHand = await freshDatabase();
  const errors = await restoreByHand(byHand, file);
  const keys = dump.notIncluded.filter(({ kind }) => kind === "foreign keys").length;
  assert.deepEqual(
    errors.filter((line) => !/relation ".*" does not exist/.test(line) || keys === 0),
    [],
    tables.join(),
  );
  for (const one of [target, byHand])
    await query((await sharedCluster()).connection("postgres"), `drop database "${partsOf(one).database}"`);
}

test("R19 R22 each table of a database with every feature comes back alone, by Lifeboat and by hand", { skip }, async (t) => {
  const source = await freshDatabase();
  const file = join(await temporaryDirectory(t), "features.sql");
  writeFileSync(file, featuresSql);
  await loadSql(source, file);
  // Rows that name objects of the database need these, and no other table of it has any.
  await query(source, "update public.every_type set c_regclass = null, c_regproc = null");
  // A drawn quarter, unless all are asked for.
  const quarter = seedOf(t) % 4;
  for (const [index, table] of (await tablesOf(source)).entries()) {
    if (index % 4 !== cases(index % 4, quarter)) continue;
    await t.test(table, () => assertComesBack(t, source, [table]));
  }
});

test("R22 R32 a changed function, type or domain that came along with chosen tables fails a comparison", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    `create schema "Odd S"; create type mood as enum ('good', 'bad'); create domain "Odd S"."Amount" as numeric check (value >= 0);
     create function "Odd S"."rate it"(uuid, "Odd S"."Amount") returns int language sql immutable as 'select 1';
     create function other() returns int language sql as 'select 1';
     create aggregate total(int) (sfunc = int4pl, stype = int, initcond = '0');
     create function stamp() returns trigger language plpgsql as $$ begin perform total(1); return new; end $$;
     create table orders (id int primary key, m mood, a "Odd S"."Amount", r int generated always as ("Odd S"."rate it"(null, a)) stored);
     create trigger stamp before insert on orders for each row execute function stamp(); insert into orders values (1, 'good', 2)`,
  );
  const { file, fingerprint } = await drainDump(t, engine, source, { kind: "tables", tables: ["orders"] });
  const compared = async (copy: Connection) =>
    engine
      .compare(fingerprint, await engine.fingerprint(copy, fingerprint.scope))
      .filter(({ outcome }) => outcome !== "pass")
      .map(({ name, outcome }) => `${outcome} ${name}`);
  const restored = async (): Promise<Connection> => {
    const copy = await freshDatabase();
    assert.deepEqual((await engine.load(copy, file, { chosen: true })).problems, []);
    return copy;
  };
  const same = await restored();
  await query(same, "create or replace function other() returns int language sql as 'select 2'");
  assert.deepEqual(await compared(same), [], "what did not come along does not count");
  const changes: Readonly<Record<string, string>> = {
    "create or replace function public.stamp() returns trigger language plpgsql as $$ begin perform public.total(2); return new; end $$":
      "function public.stamp()",
    'create or replace function "Odd S"."rate it"(uuid, "Odd S"."Amount") returns int language sql immutable as \'select 2\'':
      'function "Odd S"."rate it"(uuid,"Odd S"."Amount")',
    "alter type mood add value 'ugly'": "type public.mood",
    'alter domain "Odd S"."Amount" add check (value < 100)': 'domain "Odd S"."Amount"',
    "drop aggregate total(int); create aggregate total(int) (sfunc = int4pl, stype = int, initcond = '7')":
      "aggregate definition public.total(integer)",
  };
  for (const [change, name] of Object.entries(changes)) {
    const copy = await restored();
    await query(copy, change);
    assert.deepEqual(await compared(copy), [`fail definition of ${name}`]);
  }
});
