import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cases } from "../../test/support/every.ts";
import { CHANGE_LIMITS, type ContentAt, contentReasons } from "./content.ts";

const at = (tables: Readonly<Record<string, number>>, change: Partial<ContentAt> = {}): ContentAt => ({
  content: Object.entries(tables).map(([table, rows]) => ({ table, rows })),
  complete: true,
  accepted: false,
  ...change,
});
const found = (...backups: readonly ContentAt[]): string[] => contentReasons(backups).map(({ message }) => message);
const users = (...rows: readonly number[]): ContentAt[] => rows.map((count) => at({ users: count, other: 10 }));

test("R65 a table that was emptied is found at the next backup, until the rows are back or it is accepted", () => {
  assert.deepEqual(found(...users(5000)), []);
  assert.deepEqual(found(...users(5000, 0)), ["table users has 0 rows; it had at least 5000 in the backup before"]);
  assert.equal(found(...users(5000, 0, 10, 20, 30, 40, 50, 60, 70, 80)).length, 1, "small counts do not become normal by waiting");
  assert.deepEqual(found(...users(5000, 0, 5001)), []);
  assert.deepEqual(found(...users(5000), at({ users: 0 }, { accepted: true }), ...users(3, 9, 0)), []);
});

test("R65 after three backups the loss of half of the rows is out of proportion, before only almost all", () => {
  assert.deepEqual(found(...users(5000, 5000, 2400)), []);
  assert.deepEqual(found(...users(5000, 5000, 5000, 2400)), ["table users has 2400 rows; it had at least 5000 in the 3 backups before"]);
  assert.deepEqual(found(...users(5000, 5000, 5000, 2600)), []);
  const strict = contentReasons(users(5000, 5000, 5000, 4400), { ...CHANGE_LIMITS, percent: 10 });
  assert.equal(strict.length, 1);
  assert.deepEqual(contentReasons(users(5000, 0), { ...CHANGE_LIMITS, ignore: ["users"] }), []);
});

test("R65 a table that is gone is found, unless it was renamed, is one of a series, or was small", () => {
  assert.deepEqual(found(at({ users: 5000, a: 1 }), at({ a: 1 })), ["table users is gone; it had at least 5000 rows"]);
  assert.deepEqual(found(at({ users: 5000, a: 1 }), at({ people: 5010, a: 1 })), []);
  assert.deepEqual(found(at({ e_2026_10: 5000, e_2026_11: 4000 }), at({ e_2026_11: 4000, e_2026_12: 5 })), []);
  assert.deepEqual(found(at({ users: 999, a: 1 }), at({ a: 1 })), []);
  assert.deepEqual(found(at({ users: 5000 }), at({ a: 1 }, { complete: false })), [], "not every table is recorded");
  assert.deepEqual(found(at({ users: 5000 }), at({ a: 1 }), at({ a: 1, users: 5000 })), [], "and it came back");
});

test("R65 a column that lost its distinct values is found, although every row is there", () => {
  const people = (email: number, country = 40): ContentAt => ({
    ...at({}),
    content: [{ table: "people", rows: 5000, distinct: { id: 5000, email, country } }],
  });
  assert.deepEqual(found(people(4990), people(4800), people(1)), ["table people has 1 distinct values in column email; it had about 4800"]);
  assert.deepEqual(found(people(4990), people(3000)), [], "an estimate varies");
  assert.deepEqual(found(people(4990, 40), people(4990, 1)), [], "few values say little");
  assert.deepEqual(found(people(4990), at({ people: 5000 })), [], "without statistics nothing is known");
});

/** Counts of one table from backup to backup, as tables of real applications change. */
const growth = fc
  .record({ start: fc.integer({ min: 0, max: 100_000 }), changes: fc.array(fc.integer({ min: -8, max: 60 }), { maxLength: 30 }) })
  .map(({ start, changes }) => {
    const counts = [start];
    for (const percent of changes) counts.push(Math.round((counts.at(-1) ?? 0) * (1 + percent / 100)));
    return counts;
  });
const small = fc.array(fc.integer({ min: 0, max: 999 }), { minLength: 1, maxLength: 30 });
/** A queue, or a table of sessions: empty every few backups. */
const queue = fc
  .array(fc.integer({ min: 0, max: 50_000 }), { minLength: 3, maxLength: 12 })
  .map((counts) => [...counts.flatMap((count) => [0, count])]);
/** Kept for some days: as much is deleted each day as was added then. */
const rolling = fc
  .record({ daily: fc.integer({ min: 100, max: 5000 }), days: fc.integer({ min: 7, max: 30 }) })
  .map(({ daily, days }) => Array.from({ length: 40 }, (_, day) => daily * Math.min(day + 1, days)));

test("R65 growth, decline, queues, small tables and rolling deletion raise no alarm over any history", () => {
  const histories = fc.oneof(growth, small, queue, rolling);
  fc.assert(
    fc.property(fc.array(histories, { minLength: 1, maxLength: 5 }), (tables) => {
      const length = Math.max(...tables.map((counts) => counts.length));
      const backups = Array.from({ length }, (_, n) =>
        at(Object.fromEntries(tables.map((counts, index) => [`t${"x".repeat(index)}`, counts[Math.min(n, counts.length - 1)] ?? 0]))),
      );
      assert.deepEqual(contentReasons(backups), []);
    }),
    { numRuns: cases(5000, 150) },
  );
});

test("R65 with any history of a stable table, emptying it is found in the next backup", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1000, max: 1_000_000 }), { minLength: 1, maxLength: 20 }),
      fc.double({ min: 0, max: 0.05, noNaN: true }),
      (counts, share) => {
        const steady = [counts[0] ?? 0, ...counts.map((count) => Math.max(count, counts[0] ?? 0))];
        const left = Math.floor(Math.min(...steady.slice(-7)) * share);
        assert.equal(contentReasons(users(...steady, left)).length, 1);
      },
    ),
    { numRuns: cases(5000, 150) },
  );
});
