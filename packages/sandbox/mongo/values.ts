// MongoDB's order of values, equality across number types, and what the in-memory query library wants instead of typed values.
// https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/
import {
  Binary,
  BSONRegExp,
  BSONSymbol,
  Code,
  DBRef,
  Decimal128,
  type Document,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
} from "bson";

export const isPlain = (value: unknown): value is Document =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Date) &&
  !(value instanceof RegExp) &&
  !("_bsontype" in value);

/** Rank of a value's type in MongoDB's order. Missing comes with null. */
export function rankOf(value: unknown): number {
  if (value === null || value === undefined) return 1;
  if (typeof value === "number" || typeof value === "bigint") return 2;
  if (typeof value === "string") return 3;
  if (typeof value === "boolean") return 8;
  if (Array.isArray(value)) return 5;
  if (value instanceof Date) return 9;
  if (value instanceof RegExp || value instanceof BSONRegExp) return 11;
  if (value instanceof Timestamp) return 10;
  if (value instanceof Int32 || value instanceof Double || value instanceof Long || value instanceof Decimal128) return 2;
  if (value instanceof BSONSymbol) return 3;
  if (value instanceof ObjectId) return 7;
  if (value instanceof Binary || ArrayBuffer.isView(value)) return 6;
  if (value instanceof MinKey) return 0;
  if (value instanceof MaxKey) return 14;
  if (value instanceof Code) return value.scope ? 13.5 : 13;
  if (value instanceof DBRef) return 12;
  return 4;
}

interface Decimal {
  readonly digits: bigint;
  readonly exponent: number;
}

/** A number as whole digits and a power of ten; undefined for infinities and NaN. */
function decimalOf(text: string): Decimal | undefined {
  const match = /^(-?)(\d*)(?:\.(\d*))?(?:E([+-]?\d+))?$/i.exec(text);
  if (match === null) return undefined;
  const fraction = match[3] ?? "";
  const digits = BigInt((match[2] ?? "") + fraction || "0");
  return { digits: match[1] === "-" ? -digits : digits, exponent: Number(match[4] ?? 0) - fraction.length };
}

function asText(value: unknown): string {
  if (value instanceof Int32 || value instanceof Double) return String(value.value);
  return String(value);
}

export function toNumber(value: unknown): number {
  if (typeof value === "number") return value;
  if (value instanceof Int32 || value instanceof Double) return Number(value.value);
  if (value instanceof Long) return value.toNumber();
  if (value instanceof Decimal128) return Number(value.toString());
  if (typeof value === "bigint") return Number(value);
  return Number.NaN;
}

const order = (a: number | string | bigint, b: number | string | bigint): number => (a < b ? -1 : a > b ? 1 : 0);

function compareNumbers(a: unknown, b: unknown): number {
  const [left, right] = [toNumber(a), toNumber(b)];
  if (Number.isNaN(left) || Number.isNaN(right)) return Number.isNaN(left) ? (Number.isNaN(right) ? 0 : -1) : 1;
  if (left !== right && !(a instanceof Decimal128) && !(b instanceof Decimal128)) return left < right ? -1 : 1;
  if (Math.abs(left) < 2 ** 53 && Math.abs(right) < 2 ** 53 && !(a instanceof Decimal128) && !(b instanceof Decimal128)) return 0;
  // Beyond what a double holds exactly, digits decide.
  const [x, y] = [decimalOf(exactText(a)), decimalOf(exactText(b))];
  if (x === undefined || y === undefined) return order(left, right);
  const shift = x.exponent - y.exponent;
  if (Math.abs(shift) > 7000) return order(left, right);
  return shift >= 0 ? order(x.digits * 10n ** BigInt(shift), y.digits) : order(x.digits, y.digits * 10n ** BigInt(-shift));
}

const exactText = (value: unknown): string => {
  const number = value instanceof Double || typeof value === "number" ? toNumber(value) : undefined;
  return number !== undefined && Number.isInteger(number) ? BigInt(number).toString() : asText(value);
};

function bytesOfBinary(value: unknown): { readonly type: number; readonly bytes: Uint8Array } {
  if (value instanceof Binary) return { type: value.sub_type, bytes: value.buffer.subarray(0, value.position) };
  return { type: 0, bytes: value as Uint8Array };
}

function compareBinary(a: unknown, b: unknown): number {
  const [left, right] = [bytesOfBinary(a), bytesOfBinary(b)];
  return left.bytes.length - right.bytes.length || left.type - right.type || Buffer.compare(left.bytes, right.bytes);
}

const regexText = (value: unknown): string =>
  value instanceof BSONRegExp ? `${value.pattern}\0${value.options}` : `${(value as RegExp).source}\0${(value as RegExp).flags}`;

function compareLists(a: readonly unknown[], b: readonly unknown[]): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const result = compareValues(a[index], b[index]);
    if (result !== 0) return result;
  }
  return a.length - b.length;
}

function compareObjects(a: Document, b: Document): number {
  const [left, right] = [Object.entries(a), Object.entries(b)];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const [[name, value], [other, against]] = [left[index] as [string, unknown], right[index] as [string, unknown]];
    const result = rankOf(value) - rankOf(against) || order(name, other) || compareValues(value, against);
    if (result !== 0) return result;
  }
  return left.length - right.length;
}

/** Negative when `a` comes first. Text is compared by its UTF-8 bytes, as without a collation. */
export function compareValues(a: unknown, b: unknown): number {
  const rank = rankOf(a);
  const difference = rank - rankOf(b);
  if (difference !== 0) return difference;
  if (rank === 1 || rank === 0 || rank === 14) return 0;
  if (rank === 2) return compareNumbers(a, b);
  if (rank === 3) return compareText(String(a), String(b));
  if (rank === 4) return compareObjects(a as Document, b as Document);
  if (rank === 5) return compareLists(a as unknown[], b as unknown[]);
  if (rank === 6) return compareBinary(a, b);
  if (rank === 7) return order((a as ObjectId).toHexString(), (b as ObjectId).toHexString());
  if (rank === 8) return Number(a) - Number(b);
  if (rank === 9) return (a as Date).getTime() - (b as Date).getTime();
  if (rank === 10) return order((a as Timestamp).toBigInt(), (b as Timestamp).toBigInt());
  if (rank === 11) return order(regexText(a), regexText(b));
  return order(JSON.stringify(a), JSON.stringify(b));
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  // Code units and UTF-8 bytes differ in order only where surrogates stand.
  return /[\ud800-\udfff]/.test(a) || /[\ud800-\udfff]/.test(b) ? Buffer.compare(Buffer.from(a), Buffer.from(b)) : order(a, b);
}

function numberKey(value: unknown): string {
  const number = toNumber(value);
  if (Number.isSafeInteger(number) && !(value instanceof Decimal128)) return `n${number}`;
  const exact = decimalOf(exactText(value));
  if (exact === undefined) return `n${number}`;
  let { digits, exponent } = exact;
  while (digits !== 0n && digits % 10n === 0n) {
    digits /= 10n;
    exponent++;
  }
  if (digits === 0n) return "n0";
  return exponent >= 0 && exponent < 40 ? `n${digits * 10n ** BigInt(exponent)}` : `n${digits}e${exponent}`;
}

/** A text that is the same for equal values, for any types of their numbers. */
export function keyOf(value: unknown): string {
  const rank = rankOf(value);
  if (rank === 1) return "0";
  if (rank === 2) return numberKey(value);
  if (rank === 3) return `s${String(value)}`;
  if (rank === 4)
    return `{${Object.entries(value as Document)
      .map(([name, each]) => `${JSON.stringify(name)}:${JSON.stringify(keyOf(each))}`)
      .join()}}`;
  if (rank === 5) return `[${(value as unknown[]).map((each) => JSON.stringify(keyOf(each))).join()}]`;
  if (rank === 6) return `b${bytesOfBinary(value).type}:${Buffer.from(bytesOfBinary(value).bytes).toString("latin1")}`;
  if (rank === 7) return `o${(value as ObjectId).toHexString()}`;
  if (rank === 8) return value ? "t" : "f";
  if (rank === 9) return `d${(value as Date).getTime()}`;
  if (rank === 10) return `T${(value as Timestamp).toString()}`;
  if (rank === 11) return `r${regexText(value)}`;
  return `${rank}${JSON.stringify(value)}`;
}

/** Typed values as plain ones: what the query library computes with. Types of numbers are lost. */
export function promote(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(promote);
  if (value instanceof Int32 || value instanceof Double) return value.value;
  if (value instanceof Timestamp || value instanceof Date) return value;
  if (value instanceof Long) return Number.isSafeInteger(value.toNumber()) ? value.toNumber() : value;
  if (value instanceof BSONRegExp) return new RegExp(value.pattern, value.options.replace(/[^imsu]/g, ""));
  if (value instanceof BSONSymbol) return value.value;
  if (!isPlain(value)) return value;
  return promoteDocument(value);
}

export function promoteDocument(document: Document): Document {
  const plain: Document = {};
  for (const [name, value] of Object.entries(document)) plain[name] = promote(value);
  return plain;
}
