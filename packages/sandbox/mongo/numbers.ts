// Arithmetic that keeps the types of numbers as the server does: int becomes long when it must, double wins over both, decimal over all.
import { Decimal128, Double, Int32, Long } from "bson";
import { MongoFault } from "./errors.ts";
import { rankOf, toNumber } from "./values.ts";

const isWhole = (value: unknown): boolean =>
  value instanceof Int32 || value instanceof Long || (typeof value === "number" && Number.isInteger(value));
const wholeOf = (value: unknown): bigint => BigInt(value instanceof Long ? value.toString() : toNumber(value));

function compute(a: unknown, b: unknown, whole: (x: bigint, y: bigint) => bigint, real: (x: number, y: number) => number): unknown {
  if (rankOf(a) !== 2 || rankOf(b) !== 2) throw new MongoFault(14, "Cannot apply an arithmetic operator to a value of non-numeric type");
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
