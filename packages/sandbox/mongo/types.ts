// Names and numbers of BSON types, as `$type` and schemas use them. https://www.mongodb.com/docs/manual/reference/bson-types/
import { Binary, BSONRegExp, BSONSymbol, Code, DBRef, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp } from "bson";
import { toNumber } from "./values.ts";

const NUMBERS: Readonly<Record<number, string>> = {
  1: "double",
  2: "string",
  3: "object",
  4: "array",
  5: "binData",
  6: "undefined",
  7: "objectId",
  8: "bool",
  9: "date",
  10: "null",
  11: "regex",
  12: "dbPointer",
  13: "javascript",
  14: "symbol",
  15: "javascriptWithScope",
  16: "int",
  17: "timestamp",
  18: "long",
  19: "decimal",
  [-1]: "minKey",
  127: "maxKey",
};

/** The type's alias; undefined for what is missing. */
export function typeName(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (value === null) return "null";
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "double";
  if (Array.isArray(value)) return "array";
  if (value instanceof Date) return "date";
  if (value instanceof Int32) return "int";
  if (value instanceof Double) return "double";
  if (value instanceof Timestamp) return "timestamp";
  if (value instanceof Long) return "long";
  if (value instanceof Decimal128) return "decimal";
  if (value instanceof ObjectId) return "objectId";
  if (value instanceof Binary) return "binData";
  if (value instanceof BSONRegExp || value instanceof RegExp) return "regex";
  if (value instanceof Code) return value.scope ? "javascriptWithScope" : "javascript";
  if (value instanceof BSONSymbol) return "symbol";
  if (value instanceof DBRef) return "dbPointer";
  if (value instanceof MinKey) return "minKey";
  if (value instanceof MaxKey) return "maxKey";
  return "object";
}

const NUMERIC = new Set(["int", "long", "double", "decimal"]);

/** Whether a value is of a type given by alias or number; `number` stands for all of its kind. */
export function typeMatches(value: unknown, wanted: unknown): boolean {
  const name = typeName(value);
  if (name === undefined) return false;
  const alias = typeof wanted === "string" ? wanted : NUMBERS[toNumber(wanted)];
  return alias === "number" ? NUMERIC.has(name) : alias === name;
}
