import assert from "node:assert/strict";
import { test } from "node:test";
import { Double, Int32, Long } from "bson";
import { validatesSchema } from "./json-schema.ts";

const ada = { name: "Ada", age: new Int32(36), tags: ["a", "b"], address: { zip: "12345" }, height: new Double(1.7) };

test("R54 schemas accept what fits and refuse what does not, keyword by keyword", () => {
  const cases: readonly (readonly [object, boolean])[] = [
    [{ bsonType: "object", required: ["name", "age"] }, true],
    [{ required: ["missing"] }, false],
    [{ properties: { age: { bsonType: "int" } } }, true],
    [{ properties: { age: { bsonType: "long" } } }, false],
    [{ properties: { age: { bsonType: ["long", "number"] } } }, true],
    [{ properties: { missing: { bsonType: "int" } } }, true],
    [{ properties: { age: { minimum: 36 } } }, true],
    [{ properties: { age: { minimum: 36, exclusiveMinimum: true } } }, false],
    [{ properties: { age: { maximum: 35 } } }, false],
    [{ properties: { age: { multipleOf: 12 } } }, true],
    [{ properties: { name: { minLength: 3, maxLength: 3, pattern: "^A" } } }, true],
    [{ properties: { name: { pattern: "^B" } } }, false],
    [{ properties: { name: { enum: ["Eve", "Ada"] } } }, true],
    [{ properties: { name: { enum: ["Eve"] } } }, false],
    [{ properties: { tags: { minItems: 2, uniqueItems: true, items: { bsonType: "string" } } } }, true],
    [{ properties: { tags: { maxItems: 1 } } }, false],
    [{ properties: { tags: { items: { enum: ["a"] } } } }, false],
    [{ properties: { address: { required: ["zip"], additionalProperties: false, properties: { zip: {} } } } }, true],
    [{ properties: { address: { additionalProperties: false } } }, false],
    [{ patternProperties: { "^(name|zip)$": { bsonType: "string" } } }, true],
    [{ patternProperties: { "^age$": { bsonType: "string" } } }, false],
    [{ minProperties: 5, maxProperties: 5 }, true],
    [{ anyOf: [{ required: ["x"] }, { required: ["age"] }] }, true],
    [{ oneOf: [{ required: ["name"] }, { required: ["age"] }] }, false],
    [{ allOf: [{ required: ["name"] }, { not: { required: ["x"] } }] }, true],
    [{ title: "words", description: "only" }, true],
  ];
  for (const [schema, fits] of cases) assert.equal(validatesSchema(ada, schema), fits, JSON.stringify(schema));
  assert.equal(validatesSchema({ n: Long.fromNumber(3) }, { properties: { n: { minimum: new Int32(4) } } }), false);
});
