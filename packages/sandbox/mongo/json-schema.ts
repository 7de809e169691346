// `$jsonSchema`, as far as validators in use need it. https://www.mongodb.com/docs/manual/reference/operator/query/jsonSchema/
import type { Document } from "bson";
import { typeMatches, typeName } from "./types.ts";
import { compareValues, isPlain, rankOf, toNumber } from "./values.ts";

type Rule = (value: unknown, wanted: unknown, schema: Document) => boolean;

const isNumber = (value: unknown): boolean => rankOf(value) === 2;
const list = (wanted: unknown): unknown[] => (Array.isArray(wanted) ? wanted : [wanted]);
const JSON_TYPES: Readonly<Record<string, string>> = { boolean: "bool" };
const isTrue = (value: unknown): boolean => value === true;

const hasType: Rule = (value, wanted) => list(wanted).some((type) => typeMatches(value, JSON_TYPES[String(type)] ?? type));

/** A keyword says nothing about values of another kind, as in every JSON schema. */
const RULES: Readonly<Record<string, Rule>> = {
  bsonType: hasType,
  type: hasType,
  enum: (value, wanted) => list(wanted).some((each) => compareValues(each, value) === 0),
  required: (value, wanted) => !isPlain(value) || list(wanted).every((name) => Object.hasOwn(value, String(name))),
  properties: (value, wanted) =>
    !isPlain(value) ||
    Object.entries(wanted as Document).every(([name, schema]) => !Object.hasOwn(value, name) || validatesSchema(value[name], schema)),
  patternProperties: (value, wanted) =>
    !isPlain(value) ||
    Object.entries(wanted as Document).every(([pattern, schema]) =>
      Object.keys(value).every((name) => !new RegExp(pattern).test(name) || validatesSchema(value[name], schema)),
    ),
  additionalProperties: (value, wanted, schema) => {
    if (!isPlain(value) || wanted === true) return true;
    const patterns = Object.keys(schema.patternProperties ?? {}).map((pattern) => new RegExp(pattern));
    const others = Object.keys(value).filter(
      (name) => !Object.hasOwn(schema.properties ?? {}, name) && !patterns.some((pattern) => pattern.test(name)),
    );
    return wanted === false ? others.length === 0 : others.every((name) => validatesSchema(value[name], wanted as Document));
  },
  minProperties: (value, wanted) => !isPlain(value) || Object.keys(value).length >= toNumber(wanted),
  maxProperties: (value, wanted) => !isPlain(value) || Object.keys(value).length <= toNumber(wanted),
  minimum: (value, wanted, schema) => !isNumber(value) || compareValues(value, wanted) >= (isTrue(schema.exclusiveMinimum) ? 1e-300 : 0),
  maximum: (value, wanted, schema) => !isNumber(value) || compareValues(value, wanted) <= (isTrue(schema.exclusiveMaximum) ? -1e-300 : 0),
  multipleOf: (value, wanted) => !isNumber(value) || toNumber(value) % toNumber(wanted) === 0,
  minLength: (value, wanted) => typeof value !== "string" || [...value].length >= toNumber(wanted),
  maxLength: (value, wanted) => typeof value !== "string" || [...value].length <= toNumber(wanted),
  pattern: (value, wanted) => typeof value !== "string" || new RegExp(String(wanted)).test(value),
  minItems: (value, wanted) => !Array.isArray(value) || value.length >= toNumber(wanted),
  maxItems: (value, wanted) => !Array.isArray(value) || value.length <= toNumber(wanted),
  uniqueItems: (value, wanted) =>
    !Array.isArray(value) ||
    wanted !== true ||
    value.every((each, index) => !value.slice(0, index).some((other) => compareValues(each, other) === 0)),
  items: (value, wanted) =>
    !Array.isArray(value) ||
    (Array.isArray(wanted)
      ? wanted.every((schema, index) => index >= value.length || validatesSchema(value[index], schema))
      : value.every((each) => validatesSchema(each, wanted as Document))),
  allOf: (value, wanted) => list(wanted).every((schema) => validatesSchema(value, schema as Document)),
  anyOf: (value, wanted) => list(wanted).some((schema) => validatesSchema(value, schema as Document)),
  oneOf: (value, wanted) => list(wanted).filter((schema) => validatesSchema(value, schema as Document)).length === 1,
  not: (value, wanted) => !validatesSchema(value, wanted as Document),
};

/** Whether a typed value satisfies a schema. Keywords that only describe are passed over. */
export function validatesSchema(value: unknown, schema: Document): boolean {
  if (typeName(value) === undefined) return true;
  return Object.entries(schema).every(([keyword, wanted]) => RULES[keyword]?.(value, wanted, schema) ?? true);
}
