import assert from "node:assert/strict";
import { test } from "node:test";
import { Binary, BSONRegExp, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, serialize, Timestamp } from "bson";
import fc from "fast-check";
import { type OrderedDocument, toEjson } from "./ejson.ts";
import { readMetadata, writeMetadata } from "./metadata.ts";

const hex = (document: unknown): string => Buffer.from(serialize(document as Record<string, unknown>)).toString("hex");

test("R27 options and indexes of every BSON type come back byte for byte", () => {
  const every = {
    int: new Int32(1),
    long: Long.fromString("9007199254740993"),
    double: new Double(1),
    huge: new Double(1e300),
    zero: new Double(-0),
    nothing: null,
    text: 'a "quoted" text, ü, \u2028, {"$numberInt":"1"}',
    id: new ObjectId("0123456789abcdef01234567"),
    date: new Date("2026-11-21T10:00:00.123Z"),
    binary: new Binary(Buffer.from([1, 2, 3]), 5),
    uuid: new Binary(Buffer.alloc(16, 7), 4),
    regex: new BSONRegExp("^a.*", "i"),
    decimal: Decimal128.fromString("1.10"),
    stamp: new Timestamp({ t: 1, i: 2 }),
    min: new MinKey(),
    max: new MaxKey(),
    query: { $regex: "^x", $options: "i" },
    list: [new Int32(1), { a: [true, false] }, []],
    empty: {},
  };
  const metadata = readMetadata(
    writeMetadata({
      collection: "c",
      type: "collection",
      options: serialize({ validator: every }),
      indexes: [serialize({ v: 2, key: { a: 1, b: -1 }, name: "a_1_b_-1", partialFilterExpression: every })],
      uuid: "00112233445566778899aabbccddeeff",
    }),
  );
  assert.equal(metadata.uuid, "00112233445566778899aabbccddeeff");
  assert.equal(hex(metadata.options), hex({ validator: every }));
  const [index] = metadata.indexes as { key: OrderedDocument; partialFilterExpression: OrderedDocument }[];
  assert.equal(hex(index?.partialFilterExpression), hex(every));
  assert.equal(hex(index?.key), hex({ a: new Int32(1), b: new Int32(-1) }));
});

test("R27 the order of fields stays as it was, those called like numbers too", () => {
  const key = new Map<string, unknown>([
    ["z", 1],
    ["10", 1],
    ["2", -1],
  ]);
  const metadata = readMetadata(
    writeMetadata({ collection: "c", type: "collection", options: serialize({}), indexes: [serialize({ key: key, name: "n" })] }),
  );
  assert.deepEqual([...((metadata.indexes[0] as Record<string, unknown>).key as Map<string, unknown>).keys()], ["z", "10", "2"]);
  assert.equal(hex(metadata.indexes[0]), hex({ key, name: "n" }));
});

test("any document goes into extended JSON and back unchanged", () => {
  const leaf = fc.oneof(fc.string(), fc.integer(), fc.double({ noNaN: true }), fc.boolean(), fc.constant(null));
  // A name that begins with a dollar may make an object one of extended JSON's own, which no server accepts as a field.
  const name = fc.string({ maxLength: 4 }).filter((text) => !text.startsWith("$") && !text.includes("\0") && text !== "__proto__");
  const { document } = fc.letrec((tie) => ({
    document: fc.dictionary(name, fc.oneof({ depthSize: "small" }, leaf, fc.array(leaf, { maxLength: 3 }), tie("document"))),
  }));
  fc.assert(
    fc.property(document, (value) => {
      const options = serialize(value as Record<string, unknown>);
      const text = `{"options":${toEjson(options)},"indexes":[]}`;
      assert.equal(hex(readMetadata(text).options), Buffer.from(options).toString("hex"));
    }),
  );
});

test("malformed metadata is refused", () => {
  for (const text of ["{", "[]", '{"options":1}', '{"indexes":{}}', '{"indexes":[]} x', '{"a":}', '{"a" 1}']) {
    assert.throws(() => readMetadata(text), { code: "INTEGRITY" }, text);
  }
});

test("R56 metadata that is nested deeper than any server allows is damaged, and is not followed", () => {
  const nested = (levels: number): string => `{"options":{"a":${"[".repeat(levels)}${"]".repeat(levels)}}}`;
  assert.ok(readMetadata(nested(190)));
  for (const levels of [300, 1_000_000]) assert.throws(() => readMetadata(nested(levels)), { code: "INTEGRITY" });
});
