// The fingerprint against real servers: what it must see, and what it must not mistake for a difference.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { judge } from "../../src/core/verdict.ts";
import { openClient } from "../../src/engines/postgres/connect/client.ts";
import { programEnvironment, secretsOf } from "../../src/engines/postgres/connect/programs.ts";
import { compareFingerprints } from "../../src/engines/postgres/fingerprint/compare.ts";
import { type FingerprintOptions, fingerprintDatabase } from "../../src/engines/postgres/fingerprint/fingerprint.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { runProgram } from "../../src/process/run.ts";
import { featureRolesSql, featuresSql, otherOidsSql } from "../support/features-database.ts";
import { dataSet, freshDatabase, loadSql, postgresBin, query, skipWithoutPostgres, testCluster } from "../support/postgres.ts";

const skip = skipWithoutPostgres();

const fingerprintOf = (
  connection: Connection,
  options: FingerprintOptions = {},
  scope: { kind: "full" | "tables"; tables?: string[] } = { kind: "full" },
) =>
  fingerprintDatabase(
    async () => {
      const client = await openClient(connection);
      return { query: (text, values) => client.raw.query(text, values), end: () => client.close() };
    },
    scope,
    options,
  );

const program = async (name: string, connection: Connection, args: readonly string[]): Promise<void> => {
  const result = await runProgram(join(postgresBin(), name), args, {
    env: programEnvironment(connection),
    secrets: secretsOf(connection),
    timeoutMs: 120_000,
  });
  assert.equal(result.status, 0, `${name}: ${result.end}`);
};

/** Dumps and restores with PostgreSQL's own programs. */
async function copy(from: Connection, to: Connection): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "lifeboat-copy-"));
  try {
    await program("pg_dump", from, ["-Fc", "-f", join(directory, "dump")]);
    // pg_restore takes no database from the environment.
    const name = (await query<{ name: string }>(to, "select current_database()::text as name"))[0]?.name;
    await program("pg_restore", to, ["--exit-on-error", "-d", `${name}`, join(directory, "dump")]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function load(connection: Connection, sql: string): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "lifeboat-sql-"));
  try {
    const file = join(directory, "script.sql");
    await writeFile(file, sql);
    await loadSql(connection, file);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const different = (checks: readonly { name: string; outcome: string }[]) =>
  checks.filter(({ outcome }) => outcome !== "pass").map(({ name }) => name);

/** The database, its copy in a cluster with other OIDs, and the copy of the copy must all be equal. */
async function survivesTwoRestores(
  prepare: (source: Connection) => Promise<void>,
  check?: (copy: Connection) => Promise<void>,
): Promise<void> {
  const elsewhere = await testCluster();
  try {
    const source = await freshDatabase();
    await prepare(source);
    await load(elsewhere.connection("postgres"), otherOidsSql + featureRolesSql);
    const first = await freshDatabase("first", elsewhere);
    const second = await freshDatabase("second", elsewhere);
    await copy(source, first);
    await copy(first, second);
    const expected = await fingerprintOf(source);
    assert.ok(Object.keys(expected.schema).length > 50);
    for (const restored of [first, second]) {
      const checks = compareFingerprints(expected, await fingerprintOf(restored));
      assert.deepEqual(different(checks), []);
      assert.equal(judge(checks).verdict, "pass");
    }
    await check?.(first);
  } finally {
    await elsewhere.stop();
  }
}

test("R32 a database with all features equals its restored copy, and a copy of that, with other OIDs", { skip }, () =>
  survivesTwoRestores((source) => load(source, featuresSql)),
);

for (const name of ["chinook.sql", "pagila.sql"]) {
  const file = dataSet(name);
  test(`R32 ${name} is equal to its restored copy and to the copy of that`, { skip: skip || (file ? false : `${name} is not here`) }, () =>
    survivesTwoRestores((source) => loadSql(source, String(file))),
  );
}

const CHANGES: readonly { readonly what: string; readonly type: string; readonly from: string; readonly to: string }[] = [
  { what: "one changed byte", type: "bytea", from: "'\\x0001ff'", to: "'\\x0001fe'" },
  { what: "case in citext", type: "citext", from: "'Anna'", to: "'anna'" },
  { what: "case under a collation that ignores it", type: 'text collate "nocase"', from: "'Anna'", to: "'anna'" },
  { what: "scale of a numeric", type: "numeric", from: "1.10", to: "1.1" },
  { what: "scale inside of jsonb", type: "jsonb", from: `'{"a": 1.10}'`, to: `'{"a": 1.1}'` },
  { what: "scale inside of an array", type: "numeric[]", from: "'{1.10}'", to: "'{1.1}'" },
  { what: "the sign of zero", type: "float8", from: "'-0'", to: "'0'" },
  { what: "the sign of a short zero", type: "float4", from: "'-0'", to: "'0'" },
  { what: "a month and thirty days", type: "interval", from: "'1 mon'", to: "'30 days'" },
  { what: "the width of bits", type: "varbit", from: "'10'", to: "'100'" },
  { what: "the padding of char", type: "bpchar", from: "'a'::bpchar", to: "'a  '::char(3)" },
  { what: "NULL and the empty text", type: "text", from: "null", to: "''" },
  { what: "bigints whose halves agree", type: "bigint", from: "1", to: "4294967296" },
  { what: "the layout of json", type: "json", from: `'{"a":1}'`, to: `'{"a": 1}'` },
  { what: "an element of an array and its place", type: "text[]", from: "'{a,b}'", to: "'{b,a}'" },
  { what: "a microsecond", type: "timestamptz", from: "'2025-01-01 00:00:00.000001+00'", to: "'2025-01-01 00:00:00+00'" },
  { what: "infinity", type: "timestamp", from: "'infinity'", to: "'-infinity'" },
  { what: "a label of an enum", type: "mood", from: "'sad'", to: "'ok'" },
  { what: "a table named by a regclass", type: "regclass", from: "'pg_catalog.pg_class'", to: "'pg_catalog.pg_proc'" },
  { what: "money", type: "money", from: "'1.10'", to: "'1.11'" },
  { what: "a point", type: "point", from: "'(1,2)'", to: "'(1,2.0000000000000004)'" },
];

const DISTINCTION = `create extension citext; create type mood as enum ('sad', 'ok');
create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);`;

for (const algorithm of ["pg-rows-1", "pg-rows-text-1"]) {
  test(`R32 ${algorithm} sees every change of one value that equality or a loose hash would hide`, { skip }, async () => {
    const connection = await freshDatabase();
    const make = (suffix: string, value: "from" | "to") =>
      CHANGES.map(
        (change, i) =>
          `create table ${suffix}.t${i} (v ${change.type}, k int); insert into ${suffix}.t${i} values (${change[value]}, 1), (null, 2);`,
      );
    await query(connection, [DISTINCTION, "create schema a; create schema b;", ...make("a", "from"), ...make("b", "to")].join("\n"));
    const { tables, algorithm: used } = await fingerprintOf(connection, { algorithm });
    assert.equal(used, algorithm);
    for (const [i, { what }] of CHANGES.entries()) assert.notEqual(tables[`a.t${i}`]?.digest, tables[`b.t${i}`]?.digest, what);
  });
}

test("R32 rows in another order are equal; a missing row, a duplicate and swapped values are not", { skip }, async () => {
  const connection = await freshDatabase();
  const rows = (order: string) => `select g as a, g * 7 % 1000 as b, 'x' || g as c from generate_series(1, 1000) g ${order}`;
  await query(
    connection,
    `create table same as ${rows("")}; create table other_order as ${rows("order by c desc")};
     create table missing as ${rows("")}; delete from missing where a = 500;
     create table doubled as ${rows("")}; delete from doubled where a = 500; insert into doubled select * from doubled where a = 499;
     create table swapped as ${rows("")}; update swapped set b = case a when 10 then 20 * 7 % 1000 else 10 * 7 % 1000 end where a in (10, 20);
     create table dropped as select 1 as gone, * from (${rows("")}) r; alter table dropped drop column gone;`,
  );
  const { tables } = await fingerprintOf(connection);
  const digest = (name: string) => tables[`public.${name}`]?.digest;
  assert.equal(digest("same"), digest("other_order"));
  assert.equal(digest("same"), digest("dropped"), "a dropped column is not content");
  for (const name of ["missing", "doubled", "swapped"]) assert.notEqual(digest("same"), digest(name), name);
  assert.deepEqual([tables["public.doubled"]?.rows, tables["public.missing"]?.rows], [1000, 999]);
});

test("R33 a table with forced row security is named and makes the comparison inconclusive", {
  skip,
}, async () => {
  const connection = await freshDatabase();
  const role = `r_${connection.url.match(/t_[0-9a-f]+/)?.[0]}`;
  await query(
    connection,
    `create role ${role} login; create table hidden (id int); insert into hidden values (1), (2); alter table hidden owner to ${role};
     create table open (id int); insert into open values (1); grant select on open to ${role};
     alter table hidden enable row level security; alter table hidden force row level security; create policy p on hidden using (id = 1);`,
  );
  const limited = await fingerprintDatabase(
    async () => {
      const client = await openClient(connection);
      await client.raw.query(`set role ${role}`);
      return { query: (text, values) => client.raw.query(text, values), end: () => client.close() };
    },
    { kind: "full" },
  );
  assert.deepEqual(Object.keys(limited.tables), ["public.open"]);
  assert.match(limited.unhashed[0]?.reason ?? "", /row-level security/);
  assert.equal(judge(compareFingerprints(limited, limited)).verdict, "inconclusive");
});

test("R32 chosen tables include partitions and sequences, and a name without a match is inconclusive", { skip }, async () => {
  const connection = await freshDatabase();
  await query(
    connection,
    `create table logs (id int) partition by range (id); create table logs_1 partition of logs for values from (0) to (10); insert into logs values (1);
     create table users (id serial); insert into users values (default); create table others (id int);`,
  );
  const scope = { kind: "tables" as const, tables: ["logs", "public.user?"] };
  const { tables, sequences, unhashed } = await fingerprintOf(connection, { path: ["public"] }, scope);
  assert.deepEqual(
    [Object.keys(tables), Object.keys(sequences), unhashed],
    [["public.logs_1", "public.users"], ["public.users_id_seq"], []],
  );
  const nothing = await fingerprintOf(connection, { path: ["public"] }, { kind: "tables", tables: ["users", "nowhere"] });
  assert.equal(judge(compareFingerprints(nothing, nothing)).verdict, "inconclusive");
});
