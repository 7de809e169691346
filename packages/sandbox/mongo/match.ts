// Filters over typed documents, so that every number type compares as the server compares it. Unknown operators are left to mingo.
import type { Document } from "bson";
import { CommandError } from "./errors.ts";
import { validatesSchema } from "./json-schema.ts";
import { OPERATORS, type Predicate } from "./match-operators.ts";
import { queryTest } from "./mingo.ts";
import { candidates } from "./paths.ts";
import { isPlain, promoteDocument } from "./values.ts";

export type Matcher = (document: Document) => boolean;

const IGNORED = new Set(["$comment"]);

/** Compiles a filter; undefined when every document passes. Throws BadValue for an invalid one. */
export function compileFilter(filter: Document | undefined): Matcher | undefined {
  if (filter === undefined || filter === null) return undefined;
  const tests: Matcher[] = [];
  for (const [name, condition] of Object.entries(filter)) {
    if (IGNORED.has(name)) continue;
    tests.push(name.startsWith("$") ? logical(name, condition) : field(name, condition));
  }
  if (tests.length === 0) return undefined;
  if (tests.length === 1) return tests[0];
  return (document) => tests.every((test) => test(document));
}

const always: Matcher = () => true;

function logical(name: string, condition: unknown): Matcher {
  if (name === "$and" || name === "$or" || name === "$nor") {
    if (!Array.isArray(condition) || condition.length === 0) throw new CommandError(2, `${name} must be a nonempty array`);
    const tests = condition.map((each) => compileFilter(each) ?? always);
    if (name === "$and") return (document) => tests.every((test) => test(document));
    const some: Matcher = (document) => tests.some((test) => test(document));
    return name === "$or" ? some : (document) => !some(document);
  }
  if (name === "$jsonSchema") return (document) => validatesSchema(document, condition as Document);
  if (name === "$expr" || name === "$where") {
    const test = queryTest({ [name]: promoteDocument({ condition }).condition });
    return (document) => test(promoteDocument(document));
  }
  throw new CommandError(2, `unknown top level operator: ${name}`);
}

const hasOperators = (condition: unknown): condition is Document =>
  isPlain(condition) && Object.keys(condition)[0]?.startsWith("$") === true;

function field(name: string, condition: unknown): Matcher {
  const parts = name.split(".");
  const test = compilePredicate(condition);
  return (document) => test(candidates(document, parts));
}

/** Compiles the conditions on the values of one field. */
export function compilePredicate(condition: unknown): Predicate {
  if (!hasOperators(condition) || "$ref" in condition) {
    const isRegex = typeof condition === "object" && condition !== null && "_bsontype" in condition && condition._bsontype === "BSONRegExp";
    return operator(isRegex || condition instanceof RegExp ? "$regex" : "$eq", condition, {});
  }
  const tests = Object.entries(condition)
    .filter(([name]) => name !== "$options" && !IGNORED.has(name))
    .map(([name, value]) => operator(name, value, condition));
  return (values) => tests.every((test) => test(values));
}

function operator(name: string, value: unknown, siblings: Document): Predicate {
  if (name === "$not") {
    const test = compilePredicate(value);
    return (values) => !test(values);
  }
  if (name === "$all") {
    const tests = (value as unknown[]).map((each) => (hasOperators(each) ? compilePredicate(each) : operator("$eq", each, {})));
    return (values) => tests.length > 0 && tests.every((test) => test(values));
  }
  if (name === "$elemMatch") return elemMatch(value as Document);
  const make = OPERATORS[name];
  if (make === undefined) throw new CommandError(2, `unknown operator: ${name}`);
  return make(value, siblings);
}

function elemMatch(condition: Document): Predicate {
  const first = Object.keys(condition)[0];
  const isValue = first?.startsWith("$") === true && !["$and", "$or", "$nor", "$expr"].includes(first);
  const value = isValue ? compilePredicate(condition) : undefined;
  const test = isValue ? undefined : (compileFilter(condition) ?? always);
  const element = (each: unknown): boolean => (value === undefined ? isPlain(each) && (test as Matcher)(each) : value([each]));
  return (values) => values.some((each) => Array.isArray(each) && each.some(element));
}
