// Comparisons of a filter: each makes a test over the values that a field leads to.
import { BSONRegExp, type Document } from "bson";
import { CommandError } from "./errors.ts";
import { typeMatches } from "./types.ts";
import { compareValues, keyOf, rankOf, toNumber } from "./values.ts";

export type Predicate = (values: readonly unknown[]) => boolean;
type Maker = (wanted: unknown, siblings: Document) => Predicate;

const equal = (value: unknown, wanted: unknown): boolean => compareValues(value, wanted) === 0;
const isEqualTo =
  (wanted: unknown): Predicate =>
  (values) =>
    values.some((value) => equal(value, wanted));

/** Only values of the same kind are held against each other; MinKey and MaxKey against all. */
const ordered =
  (accepts: (order: number) => boolean): Maker =>
  (wanted) => {
    const rank = rankOf(wanted);
    const anyKind = rank === 0 || rank === 14;
    const wantsNaN = rank === 2 && Number.isNaN(toNumber(wanted));
    return (values) =>
      values.some((value) => {
        if (!anyKind && rankOf(value) !== rank) return false;
        if (rank === 2 && Number.isNaN(toNumber(value)) !== wantsNaN) return false;
        return accepts(compareValues(value, wanted));
      });
  };

const isIn: Maker = (wanted) => {
  if (!Array.isArray(wanted)) throw new CommandError(2, "$in needs an array");
  const keys = new Set(wanted.filter((each) => !(each instanceof BSONRegExp)).map(keyOf));
  const tests = wanted.filter((each) => each instanceof BSONRegExp).map((each) => regex(each, {}));
  return (values) => values.some((value) => keys.has(keyOf(value))) || tests.some((test) => test(values));
};

const regex: Maker = (wanted, siblings) => {
  const [pattern, own] = wanted instanceof BSONRegExp ? [wanted.pattern, wanted.options] : [String(wanted), ""];
  const options = String(siblings.$options ?? own).replace(/[^imsu]/g, "");
  const expression = new RegExp(pattern, options);
  return (values) =>
    values.some((value) =>
      typeof value === "string"
        ? expression.test(value)
        : wanted instanceof BSONRegExp && value instanceof BSONRegExp && equal(value, wanted),
    );
};

const not =
  (make: Maker): Maker =>
  (wanted, siblings) => {
    const test = make(wanted, siblings);
    return (values) => !test(values);
  };

export const OPERATORS: Readonly<Record<string, Maker>> = {
  $eq: isEqualTo,
  $ne: not(isEqualTo),
  $gt: ordered((order) => order > 0),
  $gte: ordered((order) => order >= 0),
  $lt: ordered((order) => order < 0),
  $lte: ordered((order) => order <= 0),
  $in: isIn,
  $nin: not(isIn),
  $regex: regex,
  $exists: (wanted) => {
    const expected = Boolean(typeof wanted === "object" && wanted !== null ? toNumber(wanted) : wanted);
    return (values) => values.some((value) => value !== undefined) === expected;
  },
  $type: (wanted) => {
    const types = Array.isArray(wanted) ? wanted : [wanted];
    return (values) => values.some((value) => types.some((type) => typeMatches(value, type)));
  },
  $size: (wanted) => (values) => values.some((value) => Array.isArray(value) && value.length === toNumber(wanted)),
  $mod: (wanted) => {
    const [divisor, remainder] = (wanted as unknown[]).map(toNumber) as [number, number];
    return (values) => values.some((value) => rankOf(value) === 2 && Math.trunc(toNumber(value)) % divisor === remainder);
  },
};
