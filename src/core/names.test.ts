import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isLifeboatError } from "./errors.ts";
import { NAME_MAX, NAME_PATTERNS, PLACEHOLDERS, parseName, renderName, slug, validateName, validatePattern } from "./names.ts";

const at = new Date("2026-11-21T23:59:07.999Z");

test("R5 every default pattern is rendered, in UTC", () => {
  const names = Object.fromEntries(
    Object.entries(NAME_PATTERNS).map(([key, pattern]) => [key, renderName(pattern, { at, feature: "billing" })]),
  );
  assert.deepEqual(names, {
    daily: "backup-2026-11-21",
    weekly: "weekly-2026-11-21",
    manual: "backup-20261121-235907",
    preDeploy: "pre-deploy-billing",
    drill: "drill-2026-11",
    restore: "restore-2026-11-21-2359",
    production: "production-20261121",
    rollback: "rollback-20261121",
    mainRestored: "main-restored-20261121",
  });
});

test("R5 a taken name gets the first free number, regardless of case", () => {
  assert.equal(renderName("backup-{date}", { at, taken: ["backup-2026-11-20"] }), "backup-2026-11-21");
  assert.equal(renderName("backup-{date}", { at, taken: ["BACKUP-2026-11-21", "backup-2026-11-21-3"] }), "backup-2026-11-21-2");
});

test("R5 where only leading characters are unique, the number is within them", () => {
  const at = new Date("2026-11-21T10:30:00Z");
  const taken: string[] = [];
  for (let i = 0; i < 12; i++) taken.push(renderName(NAME_PATTERNS.restore, { at, taken, distinctLength: 23 }));
  assert.equal(taken[0], "restore-2026-11-21-1030");
  assert.equal(new Set(taken.map((name) => name.slice(0, 23))).size, taken.length);
});

test("features become slugs", () => {
  assert.equal(slug("feature/Größe v1.5!"), "feature-grosse-v1.5");
  assert.equal(slug("  --Crème brûlée--  "), "creme-brulee");
  assert.equal(slug("../../etc/passwd"), "etc-passwd");
  assert.equal(slug("…"), "");
});

const refuses = (run: () => unknown, message: RegExp): void =>
  assert.throws(run, (error) => isLifeboatError(error, "NAME_INVALID") && message.test(error.message));

test("an invalid name or pattern is refused with the reason", () => {
  refuses(() => renderName("pre-deploy-{feature}", { at }), /requires a feature/);
  refuses(() => renderName("pre-deploy-{feature}", { at, feature: "!!" }), /no letter or digit/);
  refuses(() => validatePattern("backup-{dat}"), /\{dat\}; did you mean "date"\?/);
  refuses(() => validatePattern("backup-{date"), /contains "\{"/);
  refuses(() => validatePattern("backup {date}"), /contains " "/);
  refuses(() => validatePattern("-{date}"), /starts with "-"/);
  refuses(() => validatePattern("{constructor}"), /unknown placeholder/);
  refuses(() => validateName(""), /empty/);
  refuses(() => validateName("a".repeat(NAME_MAX + 1)), /101 characters/);
  refuses(() => validateName("naïve"), /contains "ï"/);
  refuses(() => validateName("../up"), /starts with "\."/);
  assert.equal(validateName("Backup_1.0-final"), "Backup_1.0-final");
});

const instants = fc.date({ min: new Date(0), max: new Date("9999-12-31T23:59:59.999Z"), noInvalidDate: true });
const literal = fc.stringMatching(/^[A-Za-z0-9._-]{0,30}$/);
const placeholder = fc.constantFrom(...PLACEHOLDERS.map((key) => `{${key}}`));
const patterns = fc
  .tuple(fc.stringMatching(/^[a-z0-9]$/), fc.array(fc.oneof(literal, placeholder), { maxLength: 5 }))
  .map(([first, parts]) => (first + parts.join("")).slice(0, 90))
  .filter((pattern) => !/\{[^}]*$/.test(pattern));
const features = fc.string().filter((text) => slug(text) !== "");

test("R5 a rendered name never collides, is always valid, and depends only on the arguments", () => {
  fc.assert(
    fc.property(patterns, instants, features, fc.integer({ min: 1, max: 12 }), (pattern, instant, feature, count) => {
      const taken: string[] = [];
      for (let i = 0; i < count; i++) {
        const name = renderName(pattern, { at: instant, feature, taken });
        assert.equal(validateName(name), name);
        assert.ok(!taken.includes(name));
        assert.equal(name, renderName(pattern, { at: instant, feature, taken: taken.toReversed() }));
        taken.push(name);
      }
    }),
  );
});

test("the instant and number of a rendered name can be parsed back", () => {
  const starts: readonly [string, (iso: string) => string][] = [
    ["backup-{date}", (iso) => `${iso.slice(0, 10)}T00:00:00.000Z`],
    ["weekly.{day}", (iso) => `${iso.slice(0, 10)}T00:00:00.000Z`],
    ["backup-{stamp}", (iso) => `${iso.slice(0, 19)}.000Z`],
    ["restore-{minute}", (iso) => `${iso.slice(0, 16)}:00.000Z`],
    ["drill-{month}", (iso) => `${iso.slice(0, 7)}-01T00:00:00.000Z`],
  ];
  fc.assert(
    fc.property(fc.constantFrom(...starts), instants, fc.integer({ min: 1, max: 30 }), ([pattern, start], instant, count) => {
      const taken: string[] = [];
      for (let i = 1; i < count; i++) taken.push(renderName(pattern, { at: instant, taken }));
      const parsed = parseName(pattern, renderName(pattern, { at: instant, taken }));
      assert.deepEqual(parsed, { at: new Date(start(instant.toISOString())), feature: undefined, count });
    }),
  );
});

test("a long name is truncated, but its number is not", () => {
  const pattern = "x".repeat(NAME_MAX);
  const second = renderName(pattern, { at, taken: [pattern] });
  assert.equal(second, `${"x".repeat(NAME_MAX - 2)}-2`);
  assert.equal(renderName(pattern, { at, taken: [pattern, second] }), `${"x".repeat(NAME_MAX - 2)}-3`);
});

test("of several instants in a name the most precise one counts", () => {
  for (const pattern of ["{month}.{date}", "{date}.{month}"]) {
    assert.deepEqual(parseName(pattern, renderName(pattern, { at }))?.at, new Date("2026-11-21T00:00:00Z"));
  }
});

test("a name that was not made from the pattern is not recognised", () => {
  for (const name of [
    "backup-2026-02-30",
    "backup-2026-11-21-1",
    "backup-2026-11-21-02",
    "backup-20261121",
    "my-backup-2026-11-21",
    "backup-2026-11-21x",
  ]) {
    assert.equal(parseName("backup-{date}", name), undefined, name);
  }
  assert.equal(parseName("weekly.{date}", "weekly-2026-11-21"), undefined);
  assert.equal(parseName("pre-deploy-{feature}", "pre-deploy-billing-2")?.feature, "billing-2");
});
