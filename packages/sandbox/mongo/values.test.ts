import assert from "node:assert/strict";
import { test } from "node:test";
import { Binary, BSONRegExp, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp } from "bson";
import fc from "fast-check";
import { compareValues, keyOf } from "./values.ts";

const ORDERED: readonly unknown[] = [
  new MinKey(),
  null,
  new Double(Number.NaN),
  new Double(Number.NEGATIVE_INFINITY),
  Long.MIN_VALUE,
  new Int32(-1),
  new Double(0.1),
  Decimal128.fromString("0.2"),
  new Int32(1),
  Long.fromString("9007199254740992"),
  Decimal128.fromString("9007199254740992.5"),
  Long.fromString("9007199254740993"),
  Long.MAX_VALUE,
  Decimal128.fromString("1E+40"),
  new Double(Number.POSITIVE_INFINITY),
  "",
  "a",
  "\uffff",
  "\u{10000}",
  {},
  { a: new Int32(1) },
  { a: new Int32(1), b: null },
  { a: "x" },
  [],
  [new Int32(1)],
  new Binary(Buffer.from([255]), 0),
  new Binary(Buffer.from([0, 0]), 0),
  new Binary(Buffer.from([0, 0]), 4),
  new ObjectId("000000000000000000000001"),
  new ObjectId("ff0000000000000000000000"),
  false,
  true,
  new Date(-1),
  new Date(1),
  new Timestamp({ t: 1, i: 5 }),
  new Timestamp({ t: 4_000_000_000, i: 1 }),
  new BSONRegExp("a", ""),
  new BSONRegExp("a", "i"),
  new MaxKey(),
];

test("R54 values of all types sort in MongoDB's order, numbers by their exact value", () => {
  for (const [index, value] of ORDERED.entries()) {
    for (const [other, against] of ORDERED.entries()) {
      assert.equal(Math.sign(compareValues(value, against)), Math.sign(index - other), `${index} against ${other}`);
    }
  }
});

test("R54 keys are the same exactly for values that compare as equal", () => {
  const equal = [new Int32(2), new Double(2), Long.fromNumber(2), Decimal128.fromString("2.00"), Decimal128.fromString("20E-1"), 2];
  assert.deepEqual(new Set(equal.map(keyOf)), new Set([keyOf(2)]));
  assert.equal(keyOf(new Double(-0)), keyOf(new Int32(0)));
  assert.equal(keyOf(Long.fromString("100000000000000000000000".slice(0, 18))), keyOf(Decimal128.fromString("1E+17")));
  assert.equal(new Set(ORDERED.map(keyOf)).size, ORDERED.length);
});

test("R54 numbers of different types compare by value, and share a key only when they are equal", () => {
  const number = fc.oneof(
    fc.integer().map((value) => ({ value, as: new Int32(value) })),
    fc.maxSafeInteger().map((value) => ({ value, as: Long.fromNumber(value) })),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => ({ value, as: new Double(value) })),
    fc.maxSafeInteger().map((value) => ({ value, as: Decimal128.fromString(String(value)) })),
  );
  fc.assert(
    fc.property(number, number, (a, b) => {
      assert.equal(Math.sign(compareValues(a.as, b.as)), a.value < b.value ? -1 : a.value > b.value ? 1 : 0);
      assert.equal(keyOf(a.as) === keyOf(b.as), a.value === b.value);
    }),
    { numRuns: 300 },
  );
});
