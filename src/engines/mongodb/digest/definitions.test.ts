import assert from "node:assert/strict";
import { test } from "node:test";
import { type Document, Double, Int32, Long, serialize } from "bson";
import { canonicalDefinitions, collectionOfDefinition } from "./definitions.ts";

const of = (options: Document, indexes: readonly Document[] = []): Record<string, string> =>
  canonicalDefinitions("users", { type: "collection", options: serialize(options), indexes: indexes.map((index) => serialize(index)) });

test("R17 definitions are equal without what a restore cannot keep: uuid, index version, order of options", () => {
  assert.deepEqual(
    of({ capped: true, size: new Int32(4096) }, [
      { v: 1, key: { a: new Double(1) }, name: "a_1", ns: "x.users", expireAfterSeconds: new Int32(60) },
    ]),
    of({ size: Long.fromNumber(4096), capped: true, uuid: "x" }, [
      { expireAfterSeconds: new Double(60), name: "a_1", key: { a: new Int32(1) }, v: 2, background: true },
    ]),
  );
});

test("R17 what has a meaning makes definitions differ", () => {
  const index = { v: 2, key: { a: 1, b: 1 }, name: "i", unique: true };
  const whole = of({ validator: { a: { $gt: 1 } } }, [index]);
  const others: readonly (readonly [string, Record<string, string>])[] = [
    ["order of an index's fields", of({ validator: { a: { $gt: 1 } } }, [{ ...index, key: { b: 1, a: 1 } }])],
    ["direction", of({ validator: { a: { $gt: 1 } } }, [{ ...index, key: { a: 1, b: -1 } }])],
    ["uniqueness", of({ validator: { a: { $gt: 1 } } }, [{ v: 2, key: { a: 1, b: 1 }, name: "i" }])],
    ["a missing index", of({ validator: { a: { $gt: 1 } } })],
    ["the validator", of({ validator: { a: { $gt: 2 } } }, [index])],
    ["its action", of({ validator: { a: { $gt: 1 } }, validationAction: "warn" }, [index])],
    ["an option", of({ validator: { a: { $gt: 1 } }, capped: true }, [index])],
    ["a fraction", of({ validator: { a: { $gt: 1.5 } } }, [index])],
  ];
  for (const [what, other] of others) assert.notDeepEqual(other, whole, what);
});

test("R17 validation by the default level and action is the same as none told", () => {
  assert.deepEqual(of({ validator: { a: 1 }, validationLevel: "strict", validationAction: "error" }), of({ validator: { a: 1 } }));
});

test("views and time series are told as such, each object by its own name", () => {
  assert.deepEqual(Object.keys(canonicalDefinitions("v", { type: "view", options: serialize({ viewOn: "users" }), indexes: [] })), [
    "view v",
  ]);
  assert.deepEqual(
    Object.keys(
      canonicalDefinitions("shop.t", {
        type: "timeseries",
        options: serialize({ timeseries: { timeField: "at" } }),
        indexes: [serialize({ v: 2, key: { m: 1 }, name: "m_1" })],
      }),
    ),
    ["timeseries shop.t", "index shop.t m_1"],
  );
});

test("the collection of a definition is found for any name", () => {
  for (const name of ["users", "shop.users", "odd name", 'with "quotes"', "with\ttab"]) {
    const lines = canonicalDefinitions(name, {
      type: "collection",
      options: serialize({ validator: { a: 1 } }),
      indexes: [serialize({ key: { a: 1 }, name: "an index" })],
    });
    assert.equal(Object.keys(lines).length, 3);
    for (const identity of Object.keys(lines)) assert.equal(collectionOfDefinition(identity), name);
  }
});
