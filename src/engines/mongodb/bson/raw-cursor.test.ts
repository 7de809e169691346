import assert from "node:assert/strict";
import { test } from "node:test";
import { serialize } from "bson";
import fc from "fast-check";
import { documentsOf } from "./bson.ts";
import { gatherDocuments } from "./raw-cursor.ts";

/** The array of a reply: a view of the bytes of the whole reply. */
function arrayOf(values: readonly unknown[]): Uint8Array {
  return serialize({ a: values }).slice(7, -1);
}

test("the documents of a reply come out unchanged, for any number of digits of their index", () => {
  fc.assert(
    fc.property(fc.array(fc.dictionary(fc.string({ maxLength: 3 }), fc.integer()), { maxLength: 130 }), (values) => {
      const { documents, count } = gatherDocuments(arrayOf(values));
      assert.equal(count, values.length);
      assert.deepEqual(
        documentsOf(documents).map((one) => Buffer.from(one).toString("hex")),
        values.map((value) => Buffer.from(serialize(value)).toString("hex")),
      );
    }),
    { numRuns: 50 },
  );
});

test("a reply with anything but whole documents is refused", () => {
  assert.throws(() => gatherDocuments(arrayOf([{}, 1])), { code: "INTEGRITY" });
  const cut = arrayOf([{ a: 1 }]);
  cut[7] = 200;
  assert.throws(() => gatherDocuments(cut), { code: "INTEGRITY" });
  const open = arrayOf([{ a: 1 }]);
  open[open.length - 2] = 1;
  assert.throws(() => gatherDocuments(open), { code: "INTEGRITY" });
});
