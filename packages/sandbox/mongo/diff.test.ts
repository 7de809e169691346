import assert from "node:assert/strict";
import { test } from "node:test";
import type { Document } from "bson";
import fc from "fast-check";
import { applyDiff, diffOf } from "./diff.ts";
import { encode, rawOf, typedOf } from "./raw.ts";

const copy = (document: Document): Document => typedOf(rawOf(encode(document)));

test("R54 a difference says what was removed, changed and added, nested fields included", () => {
  const filling = "x".repeat(200);
  const before = copy({ a: 1, b: { c: 1, d: [1, 2, 3], filling }, gone: true, filling });
  const after = copy({ a: 2, b: { c: 1, d: [1, 9], filling }, filling, added: "y" });
  const diff = diffOf(before, after);
  assert.deepEqual(diff, copy({ d: { gone: false }, u: { a: 2 }, i: { added: "y" }, sb: { sd: { a: true, l: 2, u1: 9 } } }));
  assert.deepEqual(encode(applyDiff(copy(before), diff as Document)), encode(after));
});

test("R54 a difference leads from one document to the other byte for byte, or there is none", () => {
  const name = fc.constantFrom("a", "b", "c", "d");
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.integer({ min: 0, max: 5 }),
      fc.string({ maxLength: 3 }),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(name, tie("value"), { noNullPrototype: true }),
    ),
  }));
  const document = fc
    .dictionary(name, value, { noNullPrototype: true })
    .map((fields) => ({ _id: 1, filling: "x".repeat(400), ...fields }) as Document);
  let found = 0;
  fc.assert(
    fc.property(document, document, (one, other) => {
      const diff = diffOf(copy(one), copy(other));
      if (diff === undefined) return;
      found++;
      assert.ok(encode(applyDiff(copy(one), copy(diff))).equals(encode(copy(other))));
    }),
    { numRuns: 300 },
  );
  assert.ok(found > 100, `only ${found} differences`);
});
