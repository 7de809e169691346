import assert from "node:assert/strict";
import { test } from "node:test";
import { Int32 } from "bson";
import { definitionOf } from "./definition.ts";

test("R27 rules and expiry wait, what servers keep to themselves is left out, and the rest is made at once", () => {
  const definition = definitionOf({
    options: {
      uuid: "x",
      capped: true,
      size: new Int32(4096),
      validator: { n: 1 },
      validationLevel: "moderate",
      expireAfterSeconds: new Int32(60),
      collation: { locale: "de" },
    },
    indexes: [],
  });
  assert.deepEqual(definition.create, { capped: true, size: new Int32(4096), collation: { locale: "de" } });
  assert.deepEqual(definition.later, { validator: { n: 1 }, validationLevel: "moderate" });
  assert.deepEqual(definition.last, [{ expireAfterSeconds: new Int32(60) }]);
});

test("R27 indexes are made as they were but for an expiry, which is put off; the server's own are not made", () => {
  const key = new Map([
    ["10", 1],
    ["2", 1],
  ]);
  const { indexes, last } = definitionOf({
    options: {},
    indexes: [
      { v: 2, key: { _id: 1 }, name: "_id_" },
      { v: 2, key: { _id: 1 }, name: "clustered", clustered: true, unique: true },
      { v: 2, key: { _id: "hashed" }, name: "_id_hashed" },
      { v: 2, key, name: "odd", ns: "shop.c", unique: true },
      { v: 0, key: { a: 1 }, name: "old" },
      { v: 2, key: { at: 1 }, name: "expiry", expireAfterSeconds: new Int32(60) },
      { v: 2, key: { at: -1 }, name: "never", expireAfterSeconds: new Int32(2_147_483_647) },
    ],
  });
  assert.deepEqual(indexes, [
    { v: 2, key: { _id: "hashed" }, name: "_id_hashed" },
    { v: 2, key, name: "odd", unique: true },
    { key: { a: 1 }, name: "old" },
    { v: 2, key: { at: 1 }, name: "expiry", expireAfterSeconds: 2_147_483_647 },
    { v: 2, key: { at: -1 }, name: "never", expireAfterSeconds: new Int32(2_147_483_647) },
  ]);
  assert.deepEqual(last, [{ index: { name: "expiry", expireAfterSeconds: new Int32(60) } }]);
});

test("R27 an index without a collation says so in a collection that has one", () => {
  const index = { v: 2, key: { a: 1 }, name: "a" };
  const collation = { locale: "fr" };
  const old = { ...index, v: 1 };
  const made = definitionOf({ options: { collation }, indexes: [index, { ...index, collation }, old] });
  assert.deepEqual(made.indexes, [{ ...index, collation: { locale: "simple" } }, { ...index, collation }, old]);
  assert.deepEqual(definitionOf({ options: {}, indexes: [index] }).indexes, [index]);
});
