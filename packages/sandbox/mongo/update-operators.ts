// Update operators over typed documents. https://www.mongodb.com/docs/manual/reference/operator/update/
import { Decimal128, type Document, Double, Int32, Long, Timestamp } from "bson";
import { CommandError } from "./errors.ts";
import { compileFilter, compilePredicate } from "./match.ts";
import { sortTyped } from "./sort.ts";
import { type PathContext, type Place, placesOf } from "./update-paths.ts";
import { compareValues, isPlain, rankOf, toNumber } from "./values.ts";

interface UpdateContext extends PathContext {
  /** It makes a document that was not there: `$setOnInsert` counts. */
  readonly inserting: boolean;
}

type Operator = (place: Place, argument: unknown) => void;

const listAt = (place: Place, name: string): unknown[] => {
  const value = place.get();
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new CommandError(2, `The field must be an array for ${name}`);
  return value;
};

const isEqual = (a: unknown, b: unknown): boolean => compareValues(a, b) === 0;

function push(place: Place, argument: unknown): void {
  const list = [...listAt(place, "$push")];
  const modifiers = isPlain(argument) && Object.hasOwn(argument, "$each") ? argument : { $each: [argument] };
  const position = modifiers.$position === undefined ? list.length : toNumber(modifiers.$position);
  list.splice(position, 0, ...(modifiers.$each as unknown[]));
  const ordered = modifiers.$sort === undefined ? list : sortList(list, modifiers.$sort);
  const slice = modifiers.$slice === undefined ? undefined : toNumber(modifiers.$slice);
  place.set(slice === undefined ? ordered : slice < 0 ? ordered.slice(slice) : ordered.slice(0, slice));
}

const sortList = (list: unknown[], order: unknown): unknown[] =>
  isPlain(order) ? sortTyped(list as Document[], order) : [...list].sort((a, b) => compareValues(a, b) * toNumber(order));

function pull(place: Place, condition: unknown): void {
  if (place.get() === undefined) return;
  const isFilter = isPlain(condition) && !Object.keys(condition)[0]?.startsWith("$");
  const filter = isFilter ? compileFilter(condition) : undefined;
  const predicate = isFilter ? undefined : compilePredicate(condition);
  const goes = (each: unknown): boolean => (predicate === undefined ? isPlain(each) && (filter?.(each) ?? true) : predicate([each]));
  place.set(listAt(place, "$pull").filter((each) => !goes(each)));
}

const better =
  (side: 1 | -1): Operator =>
  (place, argument) => {
    const known = place.get();
    if (known === undefined || compareValues(argument, known) * side > 0) place.set(argument);
  };

/** A zero of the type that the other factor has. */
const zeroLike = (value: unknown): unknown => (value instanceof Double ? new Double(0) : product(value, new Int32(0)));

const OPERATORS: Readonly<Record<string, Operator>> = {
  $set: (place, argument) => place.set(argument),
  $setOnInsert: (place, argument) => place.set(argument),
  $unset: (place) => place.remove(),
  $inc: (place, argument) => place.set(place.get() === undefined ? argument : sum(place.get(), argument)),
  $mul: (place, argument) => place.set(place.get() === undefined ? zeroLike(argument) : product(place.get(), argument)),
  $min: better(-1),
  $max: better(1),
  $bit: (place, argument) => place.set(bits(place.get() ?? new Int32(0), argument as Document)),
  $push: push,
  $pull: pull,
  $pullAll: (place, argument) => {
    if (place.get() === undefined) return;
    place.set(listAt(place, "$pullAll").filter((each) => !(argument as unknown[]).some((other) => isEqual(each, other))));
  },
  $addToSet: (place, argument) => {
    const list = [...listAt(place, "$addToSet")];
    const added = isPlain(argument) && Object.hasOwn(argument, "$each") ? (argument.$each as unknown[]) : [argument];
    for (const each of added) if (!list.some((other) => isEqual(each, other))) list.push(each);
    place.set(list);
  },
  $pop: (place, argument) => {
    if (place.get() === undefined) return;
    const list = listAt(place, "$pop");
    place.set(toNumber(argument) < 0 ? list.slice(1) : list.slice(0, -1));
  },
  $currentDate: (place, argument) => {
    const wantsTimestamp = isPlain(argument) && argument.$type === "timestamp";
    place.set(wantsTimestamp ? new Timestamp({ t: Math.floor(Date.now() / 1000), i: 1 }) : new Date());
  },
};

/** Operators that add no missing field. */
const ONLY_EXISTING = new Set(["$unset", "$pull", "$pullAll", "$pop"]);

/** Applies the operators to the document in place, and returns it. */
export function applyOperators(document: Document, operators: Document, context: UpdateContext): Document {
  for (const [name, fields] of Object.entries(operators)) {
    if (name === "$setOnInsert" && !context.inserting) continue;
    if (name === "$rename") {
      rename(document, fields, context);
      continue;
    }
    const operator = OPERATORS[name];
    if (operator === undefined)
      throw new CommandError(
        9,
        `Unknown modifier: ${name}. Expected a valid update modifier or pipeline-style update specified as an array`,
      );
    if (!isPlain(fields)) throw new CommandError(9, `Modifiers operate on fields but we found another type for ${name}`);
    for (const [path, argument] of Object.entries(fields)) {
      for (const place of placesOf(document, path, context, !ONLY_EXISTING.has(name))) operator(place, argument);
    }
  }
  return document;
}

function rename(document: Document, fields: Document, context: UpdateContext): void {
  for (const [from, to] of Object.entries(fields)) {
    const [place] = placesOf(document, from, context, false);
    const value = place?.get();
    if (place === undefined || value === undefined) continue;
    place.remove();
    for (const target of placesOf(document, String(to), context, true)) target.set(value);
  }
}

/** What an upsert's document begins with: the equalities of its filter. */
export function fieldsOfFilter(filter: Document): Document {
  const made: Document = {};
  const context: PathContext = { filter: {}, arrayFilters: [] };
  const put = (path: string, value: unknown): void => {
    for (const place of placesOf(made, path, context, true)) place.set(value);
  };
  for (const [name, condition] of Object.entries(filter)) {
    if (name === "$and")
      for (const each of condition as Document[]) for (const [path, value] of Object.entries(fieldsOfFilter(each))) put(path, value);
    else if (name.startsWith("$")) continue;
    else if (!isPlain(condition) || !Object.keys(condition)[0]?.startsWith("$")) put(name, condition);
    else if (Object.hasOwn(condition, "$eq")) put(name, condition.$eq);
  }
  return made;
}

// Arithmetic that keeps the types of numbers as the server does: int becomes long when it must, double wins over both, decimal over all.

const isWhole = (value: unknown): boolean =>
  value instanceof Int32 || value instanceof Long || (typeof value === "number" && Number.isInteger(value));
const wholeOf = (value: unknown): bigint => BigInt(value instanceof Long ? value.toString() : toNumber(value));

function compute(a: unknown, b: unknown, whole: (x: bigint, y: bigint) => bigint, real: (x: number, y: number) => number): unknown {
  if (rankOf(a) !== 2 || rankOf(b) !== 2) throw new CommandError(14, "Cannot apply an arithmetic operator to a value of non-numeric type");
  if (a instanceof Decimal128 || b instanceof Decimal128) return Decimal128.fromString(String(real(toNumber(a), toNumber(b))));
  if (!isWhole(a) || !isWhole(b)) return new Double(real(toNumber(a), toNumber(b)));
  const result = whole(wholeOf(a), wholeOf(b));
  const small = result >= -(2n ** 31n) && result < 2n ** 31n;
  return small && !(a instanceof Long) && !(b instanceof Long) ? new Int32(Number(result)) : Long.fromBigInt(BigInt.asIntN(64, result));
}

export const sum = (a: unknown, b: unknown): unknown =>
  compute(
    a,
    b,
    (x, y) => x + y,
    (x, y) => x + y,
  );
export const product = (a: unknown, b: unknown): unknown =>
  compute(
    a,
    b,
    (x, y) => x * y,
    (x, y) => x * y,
  );

export function bits(value: unknown, { and, or, xor }: { and?: unknown; or?: unknown; xor?: unknown }): unknown {
  let result = wholeOf(value);
  if (and !== undefined) result &= wholeOf(and);
  if (or !== undefined) result |= wholeOf(or);
  if (xor !== undefined) result ^= wholeOf(xor);
  return value instanceof Long ? Long.fromBigInt(result) : new Int32(Number(result));
}
