import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { serialize } from "bson";
import fc from "fast-check";
import { DigestSum } from "./sum.ts";

const documents = fc.array(
  fc.dictionary(fc.string({ maxLength: 5 }), fc.oneof(fc.string(), fc.integer(), fc.boolean())).map((value) => serialize(value)),
  { maxLength: 20 },
);

/** The definition, with integers as large as they come. */
function slow(all: readonly Uint8Array[]): string {
  const sum = all.reduce((total, one) => total + BigInt(`0x${createHash("sha256").update(one).digest("hex")}`), 0n);
  return (sum % 2n ** 256n).toString(16).padStart(64, "0");
}

test("R17 the digest is the sum of the SHA-256 of every document modulo 2^256, in any order", () => {
  fc.assert(
    fc.property(documents, (all) => {
      const sum = new DigestSum();
      sum.addAll(Buffer.concat(all.toReversed()));
      assert.equal(sum.hex(), slow(all));
      assert.equal(sum.rows, all.length);
    }),
  );
});

test("R17 one changed field, one missing document and one that is there twice each change the digest", () => {
  const all = Array.from({ length: 50 }, (_, n) => serialize({ _id: n, name: `user ${n}`, balance: n * 10 }));
  const digest = (some: readonly Uint8Array[]): string => {
    const sum = new DigestSum();
    sum.addAll(Buffer.concat(some));
    return sum.hex();
  };
  const whole = digest(all);
  assert.notEqual(digest(all.slice(1)), whole);
  assert.notEqual(digest(all.with(7, serialize({ _id: 7, name: "user 7", balance: 71 }))), whole);
  assert.notEqual(digest([...all, all[3] as Uint8Array, all[3] as Uint8Array]), whole);
  assert.notEqual(digest(all.with(7, serialize({ _id: 7, balance: 70, name: "user 7" }))), whole, "the order of fields is part of it");
});

test("documents that are cut off or have a wrong length are refused", () => {
  const bytes = serialize({ a: 1 });
  assert.throws(() => new DigestSum().addAll(bytes.subarray(0, -1)), { code: "INTEGRITY" });
  assert.throws(() => new DigestSum().addAll(Uint8Array.of(4, 0, 0, 0)), { code: "INTEGRITY" });
});
