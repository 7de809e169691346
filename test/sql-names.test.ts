// No name in our SQL is left to a search path, and no name is put between quotes but in one place; violations are planted first.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ownQuoting, unqualifiedNames } from "./support/sql-names.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const FOLDERS = ["src/engines/postgres", "src/providers"];
const QUOTING = "src/engines/postgres/connect/quote.ts";

const PLANTED: readonly (readonly [sql: string, said: RegExp | undefined])[] = [
  ["select now()", /function now has no schema/],
  ["select pg_catalog.now(), count (*)", /function count has no schema/],
  ["select oid from pg_class", /relation pg_class has no schema/],
  ["select 1 from pg_catalog.pg_class c join pg_type t on true", /relation pg_type has no schema/],
  ["select 1 from pg_catalog.pg_class c, lateral pg_catalog.unnest(c.reloptions) o, pg_am where true", /relation pg_am has no schema/],
  ["select x::text", /type text has no schema/],
  ['select x::"char"', /type "char" has no schema/],
  ['select x collate "C"', /collation "C" has no schema/],
  ["select 1 from lateral unnest($1::int[]) u", /function unnest has no schema/],
  ["select 1 from rows from (pg_catalog.unnest($1::int[]), pg_catalog.unnest($2::int[])) as w(a, b)", undefined],
  ["with q as (select 1) select * from q, pg_catalog.pg_class", undefined],
  ["with recursive q(a) as (select 1::int) select coalesce(a, 1) from q", undefined],
  ["select extract(epoch from at)::numeric(20, 6), x is distinct from y from pg_catalog.unnest($1::pg_catalog.text[]) as u(x)", undefined],
  [`select 'now()', "count"  from only \${table}`, undefined],
  ["the table is empty (it was not filled)", undefined],
];

test("R57 each kind of name without a schema is seen in a statement, and nothing else is", () => {
  for (const [sql, said] of PLANTED) {
    const found = unqualifiedNames("a.ts", `const sql = \`${sql}\`;`);
    if (said === undefined) assert.deepEqual(found, [], sql);
    else assert.match(found.join("\n"), said, sql);
  }
  assert.match(unqualifiedNames("a.ts", "\n\nconst sql = `select 1,\n now()`;").join(), /^a\.ts:4: /);
  assert.equal(ownQuoting("a.ts", `const q = name.replaceAll('"', '""');\nconst t = text.replaceAll("'", "''");`).length, 2);
});

const files = globSync(
  FOLDERS.map((folder) => `${folder}/**/*.ts`),
  { cwd: root },
).filter((path) => !/\.test\.ts$|\/testing\.ts$/.test(path));
const read = (path: string): string => readFileSync(join(root, path), "utf8");

test("R57 no name in our SQL is left to a search path", () => {
  assert.ok(files.length > 100);
  assert.deepEqual(files.flatMap((path) => unqualifiedNames(path, read(path))).sort(), []);
});

test("R52 names and texts are quoted for SQL in one place", () => {
  assert.deepEqual(
    files.filter((path) => path !== QUOTING).flatMap((path) => ownQuoting(path, read(path))),
    [],
  );
});
