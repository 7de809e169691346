// A document for every BSON type, for every value that is easily confused with another, and for every way to name a field.
import {
  Binary,
  BSONRegExp,
  BSONSymbol,
  Code,
  DBRef,
  Decimal128,
  type Document,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
  UUID,
} from "mongodb";
import { dateOf, dbPointer, document, doubleOfBits, element, elementsOf, stringOfBytes, undefinedValue } from "./mongo-raw.ts";

const ID = new ObjectId("6920a1f3c0ffee0123456789");
const decimal = (text: string): Decimal128 => Decimal128.fromString(text);

/** Values that the library can write, each under a name of its own. */
const VALUES: Readonly<Record<string, unknown>> = {
  "double 0": new Double(0),
  "double -0": new Double(-0),
  "double 1": new Double(1),
  "double 1.1": new Double(1.1),
  "double smallest": new Double(5e-324),
  "double largest": new Double(Number.MAX_VALUE),
  "double NaN": new Double(Number.NaN),
  "double Infinity": new Double(Number.POSITIVE_INFINITY),
  "double -Infinity": new Double(Number.NEGATIVE_INFINITY),
  "string empty": "",
  "string ascii": "lifeboat",
  "string beyond ascii": "naïve – 日本語 – עברית – \u2028",
  "string surrogate pairs": "😀👩‍👩‍👧𝒳",
  "string composed and decomposed": "é e\u0301",
  "string embedded NUL": "a\0b\0",
  "string long": "0123456789".repeat(10_000),
  "document empty": {},
  "document nested": { a: { b: [{ c: {} }] } },
  "array empty": [],
  "array mixed": [new Int32(1), new Double(1), Long.fromNumber(1), decimal("1"), "1", null, [], {}, [[[]]], true],
  "binary empty": new Binary(Buffer.alloc(0), 0),
  "binary 0": new Binary(Buffer.from([0, 255, 1, 254]), 0),
  "binary 1 function": new Binary(Buffer.from("function"), 1),
  "binary 2 old": new Binary(Buffer.from("old"), 2),
  "binary 3 old uuid": new Binary(Buffer.alloc(16, 3), 3),
  "binary 4 uuid": new UUID("0b7f3a70-31f5-4c3b-8d38-3f0f5b0a5d11"),
  "binary 5 md5": new Binary(Buffer.alloc(16, 5), 5),
  "binary 6 encrypted": new Binary(Buffer.from([0, 1, 2, 3]), 6),
  "binary 7 column": new Binary(Buffer.from([1, 2, 3]), 7),
  "binary 8 sensitive": new Binary(Buffer.from("secret"), 8),
  "binary 9 vector": Binary.fromInt8Array(new Int8Array([-128, 0, 127])),
  "binary 128 user's": new Binary(Buffer.from("mine"), 128),
  "binary 255 user's": new Binary(Buffer.from("mine"), 255),
  "binary large": new Binary(Buffer.alloc(1_000_000, 7), 0),
  objectId: ID,
  true: true,
  false: false,
  "date epoch": new Date(0),
  "date before 1970": new Date("1883-11-18T17:00:00.001Z"),
  "date far future": new Date("9999-12-31T23:59:59.999Z"),
  null: null,
  "regex plain": new BSONRegExp("^a.*z$", ""),
  "regex options": new BSONRegExp("ä/b\\d", "imsux"),
  "dbRef by convention": new DBRef("users", ID),
  "dbRef with database": new DBRef("users", ID, "shop"),
  code: new Code("function () { return '😀'; }"),
  "code with scope": new Code("x + y", { x: 1, y: { z: [new Double(1)] } }),
  "code with empty scope": new Code("1", {}),
  symbol: new BSONSymbol("symbol"),
  "int32 0": new Int32(0),
  "int32 smallest": new Int32(-2_147_483_648),
  "int32 largest": new Int32(2_147_483_647),
  timestamp: new Timestamp({ t: 1_763_700_000, i: 7 }),
  "timestamp largest": new Timestamp({ t: 0xffffffff, i: 0xffffffff }),
  "int64 1": Long.fromNumber(1),
  "int64 smallest": Long.MIN_VALUE,
  "int64 largest": Long.MAX_VALUE,
  "int64 beyond doubles": Long.fromString("9007199254740993"),
  "decimal 1.1": decimal("1.1"),
  "decimal 1.10": decimal("1.10"),
  "decimal 0": decimal("0"),
  "decimal -0": decimal("-0"),
  "decimal 0E+3": decimal("0E+3"),
  "decimal NaN": decimal("NaN"),
  "decimal Infinity": decimal("Infinity"),
  "decimal -Infinity": decimal("-Infinity"),
  "decimal smallest": decimal("1E-6176"),
  "decimal largest": decimal("9.999999999999999999999999999999999E+6144"),
  minKey: new MinKey(),
  maxKey: new MaxKey(),
};

/** What the library does not write, or not so. */
const RAW_VALUES: Readonly<Record<string, (name: string) => Buffer>> = {
  undefined: undefinedValue,
  dbPointer: (name) => dbPointer(name, "shop.users", ID),
  "dbPointer beyond ascii": (name) => dbPointer(name, "läden.日本語", ID),
  "double NaN with a message": (name) => doubleOfBits(name, 0x7ff8_0000_dead_beefn),
  "double -NaN": (name) => doubleOfBits(name, 0xfff8_0000_0000_0000n),
  "date beyond what JavaScript knows": (name) => dateOf(name, 9_223_372_036_854_775_807n),
  "date before what JavaScript knows": (name) => dateOf(name, -9_223_372_036_854_775_808n),
  "undefined in an array": (name) => element(0x04, name, document(undefinedValue("0"), elementsOf({ 1: 1 }))),
  "every type in a document": (name) => element(0x03, name, document(everyValue(), undefinedValue("u"), dbPointer("p", "a.b", ID))),
};

function everyValue(): Buffer {
  const { "binary large": _, "string long": __, ...values } = VALUES;
  return elementsOf(values);
}

/** A document for every value, its `_id` says which. */
export function documentsOfTypes(): Buffer[] {
  const written = Object.entries(VALUES).map(([name, value]) => document(elementsOf({ _id: name, value })));
  const raw = Object.entries(RAW_VALUES).map(([name, write]) => document(elementsOf({ _id: name }), write("value")));
  return [...written, ...raw];
}

/** Documents that differ only in their fields' order, in how names look, or in names given twice. */
export function documentsOfNames(): Buffer[] {
  const one = new Int32(1);
  const named = (name: string): Buffer => elementsOf(Object.defineProperty({}, name, { value: one, enumerable: true }));
  const inside = (name: string, ...elements: readonly Buffer[]): Buffer => element(0x03, name, document(...elements));
  const variants: Readonly<Record<string, readonly Buffer[]>> = {
    "a, b": [named("a"), named("b")],
    "b, a": [named("b"), named("a")],
    "numbers out of order": [named("b"), named("10"), named("9"), named("a"), named("0")],
    "a name twice": [named("a"), elementsOf({ a: new Double(2) })],
    "a name thrice inside": [inside("in", named("a"), named("a"), undefinedValue("a"))],
    empty: [named(""), inside("in", named(""))],
    blank: [named(" "), named("\t"), named("\u00a0")],
    "dotted beside nested": [elementsOf({ a: { b: 1 } }), named("a.b"), named("."), named("a..b")],
    "dollar inside": [inside("in", named("$a"), named("$set"), named("a$"))],
    "names of JavaScript": [
      element(0x03, "__proto__", document(named("constructor"))),
      named("toString"),
      named("length"),
      named("_bsontype"),
    ],
    "beyond ascii": [named("ключ"), named("😀"), named("é"), named("e\u0301")],
    long: [named("n".repeat(2_000))],
    "upper and lower": [named("A"), named("a")],
    "an array's names out of order": [element(0x04, "in", document(named("1"), named("0"), named("x")))],
  };
  return Object.entries(variants).map(([id, elements]) => document(elementsOf({ _id: id }), ...elements));
}

/** Every type that an `_id` may have; not arrays, regular expressions and undefined. No two are equal to the server. */
export function documentsOfIds(): Buffer[] {
  const ids: readonly unknown[] = [
    null,
    "",
    "text",
    "a\0b",
    {},
    { a: 1, b: 2 },
    { b: 2, a: 1 },
    { a: { "": [1, { ü: null }] } },
    new Binary(Buffer.alloc(0), 0),
    new Binary(Buffer.from("id"), 0),
    new Binary(Buffer.from("id"), 128),
    new UUID("8c2f4b1e-2f44-4f5e-9a53-9b8f3f8b6a01"),
    ID,
    true,
    false,
    new Date(-1),
    new Timestamp({ t: 1, i: 1 }),
    new Int32(-7),
    new Double(0.5),
    new Double(Number.NaN),
    new Double(Number.POSITIVE_INFINITY),
    Long.fromString("9007199254740993"),
    decimal("1.10"),
    decimal("12345678901234567890.12345"),
    new Code("1"),
    new Code("1", { a: 1 }),
    new BSONSymbol("symbol"),
    new MinKey(),
    new MaxKey(),
  ];
  return ids.map((_id, at) => document(elementsOf({ _id, at: new Int32(at) })));
}

/** Documents in documents and lists in turn, that many levels deep. A server takes a hundred. */
export function deepDocument(levels: number): Document {
  let inner: unknown = [];
  for (let level = levels - 1; level > 0; level--) inner = level % 2 === 0 ? [inner] : { d: inner };
  return inner as Document;
}

/** Text that is not UTF-8: servers store it, and current clients do not write it. */
export function documentsOfBrokenText(): Buffer[] {
  const broken = [[0xff, 0xfe], [0xc3], [0x61, 0xed, 0xa0, 0x80, 0x62], [0xc0, 0x80]];
  return broken.map((bytes, at) => document(elementsOf({ _id: at }), stringOfBytes("text", Buffer.from(bytes))));
}
