// Definitions, probes and omissions against a database that holds every feature.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import type { Fingerprint } from "../../src/core/fingerprint.ts";
import { type Client, openClient } from "../../src/engines/postgres/connect/client.ts";
import { findOmissions } from "../../src/engines/postgres/features/omissions.ts";
import { compareFingerprints } from "../../src/engines/postgres/fingerprint/compare.ts";
import { fingerprintDatabase } from "../../src/engines/postgres/fingerprint/fingerprint.ts";
import { runProbes } from "../../src/engines/postgres/probe/probes.ts";
import type { Connection } from "../../src/ports/connection.ts";
import type { Probe } from "../../src/ports/probe.ts";
import { featuresSql } from "../support/features-database.ts";
import { freshDatabase, loadSql, openApplication, query, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();

let connection: Connection;
before(async () => {
  if (skip) return;
  connection = await freshDatabase();
  const directory = await mkdtemp(join(tmpdir(), "lifeboat-sql-"));
  try {
    await writeFile(join(directory, "features.sql"), featuresSql);
    await loadSql(connection, join(directory, "features.sql"));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

async function withClient<T>(use: (client: Client) => Promise<T>): Promise<T> {
  const client = await openClient(connection);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

const schemaOf = (): Promise<Fingerprint> =>
  fingerprintDatabase(
    async () => {
      const client = await openClient(connection);
      return { query: (text, values) => client.raw.query(text, values), end: () => client.close() };
    },
    { kind: "schema" },
  );

/** A change of definition, and the object under whose name it must show. */
const CHANGES: readonly (readonly [change: string, undo: string, key: string])[] = [
  ["alter table users alter name set not null", "alter table users alter name drop not null", "column public.users.name"],
  ["alter table users alter status set default 'old'", "alter table users alter status set default 'new'", "column public.users.status"],
  [
    "alter table users enable trigger disabled_one",
    "alter table users disable trigger disabled_one",
    "trigger disabled_one on public.users",
  ],
  [
    "alter table secret_notes disable row level security",
    "alter table secret_notes enable row level security",
    "table public.secret_notes",
  ],
  [
    "alter policy mine on secret_notes to lb_team",
    "alter policy mine on secret_notes to lb_team, lb_reader, lb_owner",
    "policy mine on public.secret_notes",
  ],
  ['revoke select on logs from "lb ""odd"" rôle"', 'grant select on logs to "lb ""odd"" rôle"', "acl table public.logs"],
  ["alter table logs owner to lb_owner", "alter table logs owner to current_user", "owner table public.logs"],
  ["comment on table users is 'else'", "comment on table users is 'people, é'", "comment table public.users"],
  ["alter sequence counter cache 6", "alter sequence counter cache 5", "sequence public.counter"],
  ["alter function add_one(integer) volatile", "alter function add_one(integer) immutable", "function public.add_one(integer)"],
  ["alter domain percent set default 7", "alter domain percent drop default", "domain public.percent"],
  ["drop index logs_only", "create index logs_only on only logs (level)", "index public.logs_only"],
  ["alter index users_gin set (fastupdate = on)", "alter index users_gin set (fastupdate = off)", "index public.users_gin"],
  [
    'alter view "Odd Schema"."V 1" set (security_barrier = false)',
    'alter view "Odd Schema"."V 1" set (security_barrier = true)',
    'view "Odd Schema"."V 1"',
  ],
  [
    "alter publication everything set (publish = 'insert')",
    "alter publication everything set (publish = 'insert, update')",
    "publication everything",
  ],
  [
    "alter server \"far away\" options (set host '127.0.0.2')",
    "alter server \"far away\" options (set host '127.0.0.1')",
    'server "far away"',
  ],
  [
    "alter default privileges for role lb_owner in schema public grant insert on tables to lb_reader",
    "alter default privileges for role lb_owner in schema public revoke insert on tables from lb_reader",
    "default privileges of lb_owner in public on r",
  ],
  ["alter statistics user_stats set statistics 56", "alter statistics user_stats set statistics 55", "statistics public.user_stats"],
  ["alter event trigger watch_ddl enable", "alter event trigger watch_ddl disable", "event trigger watch_ddl"],
  ["create type mood_two as enum ('a')", "drop type mood_two", "type public.mood_two"],
  [
    "alter table users validate constraint later",
    "alter table users drop constraint later; alter table users add constraint later check (id < 1000000) not valid",
    "constraint later on public.users",
  ],
];

test("R32 every change of a definition is reported under the name of its object, and nothing else fails", { skip }, async () => {
  const application = await openApplication(connection);
  try {
    const expected = await schemaOf();
    for (const [change, undo, key] of CHANGES) {
      await application.query(change);
      const names = compareFingerprints(expected, await schemaOf())
        .filter(({ outcome }) => outcome === "fail")
        .map(({ name }) => name);
      await application.query(undo);
      assert.ok(names.includes(`definition of ${key}`), `${change}: ${names.join(", ")}`);
      assert.ok(names.length <= 3, `${change}: ${names.join(", ")}`);
    }
    assert.deepEqual(
      compareFingerprints(expected, await schemaOf()).map(({ outcome }) => outcome),
      ["pass"],
    );
  } finally {
    await application.close();
  }
});

test("R32 the version that a newer server gives a column is not part of its definition", { skip }, async () => {
  const application = await openApplication(connection);
  try {
    const expected = await schemaOf();
    // As 15.20 does by itself.
    const number = (options: string) =>
      application.query(
        `update pg_catalog.pg_attribute set attoptions = ${options} where attrelid = 'users'::regclass and attname in ('name', 'tags')`,
      );
    await number("array_append(attoptions, 'pg_attver=29747784')");
    const [after] = compareFingerprints(expected, await schemaOf());
    await number("nullif(array_remove(attoptions, 'pg_attver=29747784'), '{}')");
    assert.equal(after?.outcome, "pass");
  } finally {
    await application.close();
  }
});

test("R34 no secret of a user mapping, server or subscription is in a fingerprint", { skip }, async () => {
  assert.ok(!JSON.stringify(await schemaOf()).includes("hidden"));
});

test("what a backup does not bring back is named with the reason, in a few entries", { skip }, async () => {
  const found = await withClient((client) => findOmissions({ query: (sql, values) => client.raw.query(sql, values) }, { kind: "full" }));
  const kinds = found.map(({ kind }) => kind);
  for (const kind of ["subscriptions", "foreign tables", "materialized views", "extensions", "server settings"]) {
    assert.ok(kinds.includes(kind), `${kind} in ${kinds.join(", ")}`);
  }
  assert.ok(found.length < 20 && found.every(({ object, reason }) => object !== "" && reason.length > 20));
});

const asOf = new Date("2027-08-01T00:00:00Z");
const DAY_MS = 86_400_000;
test("R33 rows dated after the snapshot hide how old the data is, so they do not pass", { skip }, async () => {
  await withClient(async (client) => {
    const probe = { table: "logs", newest: "at", withinMs: DAY_MS };
    const early = new Date("2027-01-01T00:00:00Z");
    const checks = await runProbes({ query: (sql, values) => client.raw.query(sql, values) }, [probe], early, { path: ["public"] });
    assert.deepEqual(
      checks.map(({ outcome }) => outcome),
      ["pass", "inconclusive"],
    );
  });
});

const PROBES: readonly (readonly [outcome: string, probe: Probe, message: RegExp])[] = [
  ["pass", { table: "users", rows: { min: 300, max: 300 } }, /300 rows/],
  ["fail", { table: "users", rows: { min: 301 } }, /has 300 rows/],
  ["pass", { table: 'Odd Schema.T.a "b" ü', rows: { min: 1 } }, /20 rows/],
  ["fail", { table: "usres" }, /did you mean "users"/],
  ["inconclusive", { table: "empty_one", rows: { min: 0 } }, /nothing was covered/],
  ["fail", { table: "empty_one", rows: {} }, /0 rows/],
  ["pass", { table: "public.logs", newest: "at", withinMs: 300 * DAY_MS }, /newest row/],
  ["fail", { table: "logs", newest: "at", withinMs: DAY_MS }, /too old/],
  ["inconclusive", { table: "every_type", newest: "c_tstz", withinMs: DAY_MS }, /no age/],
  ["fail", { table: "logs", newest: "att", withinMs: DAY_MS }, /no column att; did you mean "at"/],
  ["inconclusive", { table: "logs_default", newest: "level", withinMs: DAY_MS }, /could not be asked/],
  ["pass", { table: "users", indexes: { min: 4 } }, /indexes/],
  ["fail", { table: "users", indexes: { min: 40 } }, /usable indexes/],
  ["pass", { sql: "select count(*) > 0 from users" }, /true/],
  ["fail", { sql: "select count(*) > 999 from users", name: "many" }, /false/],
  ["inconclusive", { sql: "select true where false" }, /no row/],
  ["inconclusive", { sql: "select null::boolean" }, /null/],
  ["inconclusive", { sql: "select 5" }, /neither/],
  ["inconclusive", { sql: "select nextval('untouched') > 0" }, /read-only/],
  ["inconclusive", { sql: "select true) as q; commit; delete from users; select (true" }, /syntax error|multiple commands/],
  ["pass", { sql: "select true, false -- the first column counts" }, /true/],
  ["inconclusive", { sql: "commit; delete from users; select true" }, /syntax error/],
  ["inconclusive", { sql: "select nonsense" }, /nonsense/],
];

test("R32 R33 a probe passes only when it covered something and found what was asked", { skip }, async () => {
  await withClient(async (client) => {
    for (const [outcome, probe, message] of PROBES) {
      const checks = await runProbes({ query: (sql, values) => client.raw.query(sql, values) }, [probe], asOf, { path: ["public"] });
      const last = checks.at(-1);
      assert.equal(last?.outcome, outcome, `${JSON.stringify(probe)}: ${last?.message}`);
      assert.match(last?.message ?? "", message);
    }
    assert.deepEqual(await query(connection, "select count(*)::int as n from users"), [{ n: 300 }]);
  });
});
