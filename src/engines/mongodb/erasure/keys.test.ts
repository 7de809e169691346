import assert from "node:assert/strict";
import { test } from "node:test";
import { Binary, Double, Long, ObjectId, serialize, UUID } from "bson";
import { isLifeboatError } from "../../../core/errors.ts";
import { hashOfKey } from "../../../ports/erasure.ts";
import { elementNamed } from "../bson/bson.ts";
import { keysOf, keyText, matcherOf, readingsOf } from "./keys.ts";

const textOf = (value: unknown): string => {
  const element = elementNamed(serialize({ v: value }), "v");
  assert.ok(element !== undefined);
  return keyText(element);
};

test("R61 a key of MongoDB has one text for all types of a number", () => {
  for (const value of [42, Long.fromNumber(42), new Double(42)]) assert.equal(textOf(value), "42");
  assert.equal(textOf("42"), '"42"');
  assert.equal(textOf(Long.fromString("9007199254740993")), '{"$numberLong":"9007199254740993"}');
  const id = new ObjectId();
  assert.equal(textOf(id), `{"$oid":"${id}"}`);
  assert.equal(textOf({ b: 1, a: "x" }), '{"b":{"$numberInt":"1"},"a":"x"}');
});

test("R61 a plain word is read in every way, extended JSON in one", () => {
  assert.deepEqual(readingsOf("42"), ['"42"', "42"]);
  assert.deepEqual(readingsOf('"42"'), ['"42"']);
  assert.deepEqual(readingsOf('{"$numberLong":"42"}'), ["42"]);
  assert.deepEqual(readingsOf("ada@example.com"), ['"ada@example.com"']);
  const id = new ObjectId().toHexString();
  assert.ok(readingsOf(id).includes(textOf(new ObjectId(id))) && readingsOf(id).includes(`"${id}"`));
  const uuid = new UUID();
  assert.ok(readingsOf(uuid.toHexString()).includes(textOf(uuid.toBinary())));
  assert.ok(readingsOf(uuid.toHexString()).includes(textOf(new Binary(uuid.buffer, 4))));
  assert.throws(
    () => readingsOf('{"secret'),
    (error: unknown) => isLifeboatError(error, "USAGE") && !error.message.includes("secret"),
  );
});

test("R61 keys are found in fields of documents within, in arrays, and of several fields together", () => {
  const document = serialize({ _id: 1, user: { mail: "a@x" }, members: [{ id: 7 }, { id: 8 }], region: "eu" });
  assert.deepEqual(keysOf(document, ["user.mail"]), [['"a@x"']]);
  assert.deepEqual(keysOf(document, ["members.id", "region"]), [
    ["7", '"eu"'],
    ["8", '"eu"'],
  ]);
  assert.deepEqual(keysOf(document, ["missing"]), []);
  const isErased = matcherOf([{ table: "t", columns: ["members.id"], salt: "s", hashes: [hashOfKey("s", ["8"])] }]);
  assert.deepEqual([isErased(document), isErased(serialize({ members: [{ id: 9 }] }))], [true, false]);
});
