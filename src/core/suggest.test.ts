import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { didYouMean, editDistance, suggest } from "./suggest.ts";

test("the nearest valid word is suggested, and nothing when none is near", () => {
  assert.equal(suggest("usres", ["orders", "users"]), "users");
  assert.equal(suggest("retentoin", ["retention", "recipients"]), "retention");
  assert.equal(suggest("USERS", ["users"]), "users");
  assert.equal(suggest("pol", ["policy", "provider"]), "policy");
  assert.equal(suggest("p", ["policy", "provider"]), undefined);
  assert.equal(suggest("xyz", ["daily", "weekly"]), undefined);
  assert.equal(suggest("a", ["b"]), undefined);
  assert.equal(suggest(" ", ["b"]), undefined);
  assert.equal(suggest("users", []), undefined);
  assert.equal(didYouMean("usres", ["users"]), '; did you mean "users"?');
  assert.equal(didYouMean("xyz", ["users"]), "");
});

test("each of the four edits costs one", () => {
  for (const [from, to] of [
    ["dump", "dumps"],
    ["dumps", "dump"],
    ["dump", "jump"],
    ["dump", "udmp"],
  ] as const)
    assert.equal(editDistance(from, to), 1);
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(editDistance("ca", "abc"), 3);
});

test("edit distance is zero only for equal words, symmetric, and at most the length of the longer word", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c", "ä"), maxLength: 8 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b);
      assert.equal(distance === 0, a === b);
      assert.equal(distance, editDistance(b, a));
      assert.ok(distance <= Math.max(a.length, b.length) && distance >= Math.abs(a.length - b.length));
    }),
  );
});

test("a word with one mistake finds its original among different ones", () => {
  const words = ["provider", "repository", "objectives", "schedule", "retention"];
  fc.assert(
    fc.property(fc.constantFrom(...words), fc.nat(), fc.constantFrom("insert", "delete", "replace", "exchange"), (word, seed, edit) => {
      const at = seed % (word.length - 1);
      const [head, tail] = [word.slice(0, at), word.slice(at)];
      const wrong = {
        insert: `${head}x${tail}`,
        delete: head + tail.slice(1),
        replace: `${head}x${tail.slice(1)}`,
        exchange: `${head}${tail[1]}${tail[0]}${tail.slice(2)}`,
      }[edit];
      assert.equal(suggest(wrong, words), word);
    }),
  );
});
