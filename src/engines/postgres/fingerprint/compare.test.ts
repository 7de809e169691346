import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fingerprint } from "../../../core/fingerprint.ts";
import { judge } from "../../../core/verdict.ts";
import type { CompareOptions } from "../../../ports/compare.ts";
import { compareFingerprints } from "./compare.ts";

const base: Fingerprint = {
  algorithm: "pg-rows-1",
  scope: { kind: "full" },
  tables: { "public.users": { rows: 2, digest: "11" }, "public.empty": { rows: 0, digest: "0" } },
  sequences: { "public.users_id_seq": "2,true" },
  schema: { "table public.users": "", "column public.users.id": "integer not null #1", "owner table public.users": "anna" },
  largeObjects: { count: 1, digest: "5" },
  outside: [],
  unhashed: [],
};

const verdict = (changes: Partial<Fingerprint>, source: Partial<Fingerprint> = {}, options: CompareOptions = {}) =>
  judge(compareFingerprints({ ...base, ...source }, { ...base, ...changes }, options)).verdict;

test("R32 equal fingerprints pass", () => {
  assert.equal(verdict({}), "pass");
});

const tables = base.tables;
const DIFFERENCES: Readonly<Record<string, Partial<Fingerprint>>> = {
  "a changed value": { tables: { ...tables, "public.users": { rows: 2, digest: "12" } } },
  "a missing row": { tables: { ...tables, "public.users": { rows: 1, digest: "11" } } },
  "a table without its rows": { tables: { ...tables, "public.users": { rows: 0, digest: "0" } } },
  "a missing table": { tables: { "public.users": { rows: 2, digest: "11" } } },
  "a table too many": { tables: { ...tables, "public.more": { rows: 0, digest: "0" } } },
  "a sequence behind": { sequences: { "public.users_id_seq": "1,true" } },
  "a missing sequence": { sequences: {} },
  "another definition": { schema: { ...base.schema, "column public.users.id": "bigint not null #1" } },
  "a missing definition": { schema: { "table public.users": "", "owner table public.users": "anna" } },
  "another owner": { schema: { ...base.schema, "owner table public.users": "ben" } },
  "another large object": { largeObjects: { count: 1, digest: "6" } },
  "a missing large object": { largeObjects: { count: 0, digest: "0" } },
};
for (const [what, changes] of Object.entries(DIFFERENCES)) {
  test(`R32 ${what} fails`, () => assert.equal(verdict(changes), "fail"));
}

const UNCLEAR: Readonly<Record<string, readonly [Partial<Fingerprint>, Partial<Fingerprint>]>> = {
  "another algorithm": [{ algorithm: "pg-rows-2" }, {}],
  "another scope": [{ scope: { kind: "data" } }, {}],
  "a source without tables": [{ tables: {} }, { tables: {} }],
  "a source without rows": [
    { tables: { "public.empty": { rows: 0, digest: "0" } } },
    { tables: { "public.empty": { rows: 0, digest: "0" } } },
  ],
  "a table that could not be read": [{ unhashed: [{ kind: "table", object: "public.users", reason: "locked" }] }, {}],
  "a source table that could not be read": [{}, { unhashed: [{ kind: "table", object: "public.users", reason: "locked" }] }],
  "no definitions at all": [{ schema: {} }, { schema: {} }],
  "large objects that only one side looked at": [{ largeObjects: undefined }, {}],
  "another version of an extension": [
    { schema: { ...base.schema, "extension version hstore": "1.8" } },
    { schema: { ...base.schema, "extension version hstore": "1.7" } },
  ],
};
for (const [what, [actual, expected]] of Object.entries(UNCLEAR)) {
  test(`R33 ${what} is inconclusive`, () => assert.equal(verdict(actual, expected), "inconclusive"));
}

test("R32 owners left out on purpose are not compared, everything else is", () => {
  const schema = { ...base.schema, "owner table public.users": "ben" };
  assert.equal(verdict({ schema }, {}, { ignoreOwners: true }), "pass");
  assert.equal(verdict({ schema: { ...schema, "table public.users": "unlogged" } }, {}, { ignoreOwners: true }), "fail");
});

test("R32 of a thousand differing tables a hundred are named and the rest counted", () => {
  const many = (digest: string) => Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`public.t${i}`, { rows: 2, digest }]));
  const failing = compareFingerprints({ ...base, tables: many("1") }, { ...base, tables: many("2") }).filter(
    ({ outcome }) => outcome === "fail",
  );
  assert.deepEqual([failing.length, failing.at(-1)?.message], [101, "and 900 more"]);
  const passing = compareFingerprints({ ...base, tables: many("1") }, { ...base, tables: many("1") });
  assert.ok(passing.length < 60);
  assert.equal(
    passing.reduce((sum, { rows = 0 }) => sum + rows, 0),
    2000,
  );
});

const AHEAD: readonly (readonly [source: string, copy: string, definition: string, verdict: string])[] = [
  ["2,true", "34,true", "bigint start 1 by 1 from 1 to 9 cache 1", "pass"],
  ["2,true", "2,true", "bigint start 1 by 1 from 1 to 9 cache 1", "pass"],
  ["1,false", "33,true", "bigint start 1 by 1 from 1 to 9 cache 1", "pass"],
  ["-10,true", "-170,true", "bigint start -5 by -5 from -9 to -1 cache 1", "pass"],
  ["2,true", "36,true", "bigint start 1 by 1 from 1 to 9 cache 1", "fail"],
  ["2,true", "1,true", "bigint start 1 by 1 from 1 to 9 cache 1", "fail"],
  ["-10,true", "-5,true", "bigint start -5 by -5 from -9 to -1 cache 1", "fail"],
  ["2,true", "34,false", "bigint start 1 by 1 from 1 to 9 cache 1", "fail"],
];
for (const [source, copy, definition, expected] of AHEAD) {
  test(`R32 a sequence at ${source} that a replay of the log left at ${copy} is a ${expected}`, () => {
    const schema = { ...base.schema, "sequence public.users_id_seq": definition };
    const [before, after] = [source, copy].map((state) => ({ schema, sequences: { "public.users_id_seq": state } }));
    assert.equal(verdict(after ?? {}, before, { replayed: true }), expected);
    if (source !== copy) assert.equal(verdict(after ?? {}, before), "fail", "a dump brings the very state");
  });
}
