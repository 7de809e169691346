import assert from "node:assert/strict";
import { test } from "node:test";
import { Binary, type Document, deserialize, Int32, Long, serialize } from "bson";
import { applyDiff } from "./diff.ts";

const after = (document: Document, diff: Document): Document =>
  deserialize(applyDiff(serialize(document), serialize(diff)), { promoteLongs: false });

test("R28 an update's difference changes fields in place, adds them at the end, and removes them", () => {
  const changed = after({ _id: 1, a: 1, b: 2, c: 3 }, { d: { a: false }, u: { b: 20 }, i: { z: 9, c: 30 } });
  assert.deepEqual(Object.entries(changed), [
    ["_id", 1],
    ["b", 20],
    ["z", 9],
    ["c", 30],
  ]);
});

test("R28 a difference reaches into documents and arrays, and lengthens or cuts arrays", () => {
  const before = { _id: 1, deep: { x: 1, y: { z: 1 } }, list: [1, { n: 1 }, 3, 4] };
  const diff = { sdeep: { u: { x: 2 }, sy: { i: { w: 5 } } }, slist: { a: true, l: 3, u0: 10, s1: { u: { n: 2 } } } };
  assert.deepEqual(after(before, diff), { _id: 1, deep: { x: 2, y: { z: 1, w: 5 } }, list: [10, { n: 2 }, 3] });
  assert.deepEqual(after({ _id: 1, list: [1] }, { slist: { a: true, u3: "x" } }), { _id: 1, list: [1, null, null, "x"] });
});

test("R28 values keep their type, down to the byte", () => {
  const before = serialize({ _id: 1, big: Long.fromNumber(5), small: new Int32(5), n: 1 });
  const result = applyDiff(before, serialize({ u: { n: 2 } }));
  assert.deepEqual(Buffer.from(result), Buffer.from(serialize({ _id: 1, big: Long.fromNumber(5), small: new Int32(5), n: 2 })));
});

test("R28 a difference that no longer fits leaves the field as it is, for a later entry sets it right", () => {
  assert.deepEqual(after({ _id: 1, a: 5 }, { sa: { u: { x: 1 } } }), { _id: 1, a: 5 });
  assert.deepEqual(after({ _id: 1, a: { x: 1 } }, { sa: { a: true, u0: 1 } }), { _id: 1, a: { x: 1 } });
});

test("R28 the bytes of a binary change from an offset on", () => {
  const changed = after(
    { _id: 1, bin: new Binary(Buffer.from("abcdef"), 7) },
    { b: { bin: { o: 3, d: new Binary(Buffer.from("XY"), 7) } } },
  );
  assert.equal(changed.bin.toString("latin1"), "abcXY");
  assert.equal(changed.bin.sub_type, 7);
});

test("R28 a difference that is done twice is the same as once", () => {
  const before = { _id: 1, a: 1, list: [1, 2, 3] };
  const diff = serialize({ d: { a: false }, i: { b: 2 }, slist: { a: true, l: 2, u1: 9 } });
  const once = applyDiff(serialize(before), diff);
  assert.deepEqual(applyDiff(once, diff), once);
});

test("R28 an unknown kind of difference is refused", () => {
  assert.throws(() => applyDiff(serialize({ _id: 1 }), serialize({ q: { a: 1 } })), { code: "LOG_INVALID" });
});

test("R28 names of fields keep their bytes: a byte order mark, and bytes that are not UTF-8", () => {
  const named = (name: Uint8Array, value: number): Buffer => {
    const fields = Buffer.concat([Uint8Array.of(0x10), name, Uint8Array.of(0, value, 0, 0, 0), serialize({ n: value }).subarray(4, -1)]);
    const head = Buffer.alloc(4);
    head.writeInt32LE(fields.length + 5, 0);
    return Buffer.concat([head, fields, Uint8Array.of(0)]);
  };
  const change = serialize({ u: { n: 2 } });
  const marks = ["\ufeffid", "\ufeffa name that is longer than a short one", "plain\ufffd"].map((name) => Buffer.from(name, "utf8"));
  for (const name of [...marks, Buffer.from("caf\xe9", "latin1"), Buffer.from("\xff\xfe and much more of such letters", "latin1")]) {
    const before = named(name, 1);
    const expected = Buffer.from(before);
    expected.set(serialize({ n: 2 }).subarray(4, -1), before.length - 1 - serialize({ n: 2 }).subarray(4, -1).length);
    assert.deepEqual(Buffer.from(applyDiff(before, change)), expected, name.toString("latin1"));
  }
});

test("R56 an update of a few bytes that makes an array of a thousand million elements is refused", () => {
  for (const list of [
    { a: true, l: 1_000_000_000 },
    { a: true, l: -1 },
    { a: true, u999999999: 1 },
    { a: true, s999999999: { u: { x: 1 } } },
  ]) {
    assert.throws(() => after({ _id: 1, list: [1] }, { slist: list }), { code: "LOG_INVALID", message: /elements/ });
  }
});
