// Patterns for pg_dump: each excluded name is matched, no kept one is, and a few kept names take a few patterns.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { patternsBetween } from "./arguments.ts";

const matches = (pattern: string, name: string): boolean => {
  const [, quoted = "", rest] = /^"((?:[^"]|"")*)"(\*?)$/.exec(pattern) ?? [];
  const text = quoted.replaceAll('""', '"');
  return rest === "*" ? name.startsWith(text) : name === text;
};

test("R19 patterns for pg_dump match every excluded name and none that is kept", () => {
  const name = fc
    .array(fc.constantFrom("a", "b", "_", '"', "😀", "😁", "é"), { minLength: 1, maxLength: 6 })
    .map((letters) => letters.join(""));
  fc.assert(
    fc.property(fc.uniqueArray(name), fc.uniqueArray(name), (names, kept) => {
      const excluded = names.filter((one) => !kept.includes(one));
      const patterns = patternsBetween(excluded, kept);
      for (const one of excluded)
        assert.ok(
          patterns.some((pattern) => matches(pattern, one)),
          `${one} of ${patterns}`,
        );
      for (const one of kept) assert.ok(!patterns.some((pattern) => matches(pattern, one)), `${one} by ${patterns}`);
      for (const pattern of patterns) assert.ok(pattern.isWellFormed());
    }),
  );
  const many = Array.from({ length: 50_000 }, (_, i) => `orders_${i}`);
  assert.ok(patternsBetween(many, ["orders", "users", "orders_123x"]).length < 60);
});
