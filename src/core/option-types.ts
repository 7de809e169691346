// The types of single option values.
import { didYouMean } from "../core/suggest.ts";
import { Mismatch, type Scalar, type Type } from "./option.ts";

function scalar<T>(word: string, json: Scalar["json"], read: Scalar["read"] & ((...args: Parameters<Scalar["read"]>) => T)): Type<T> {
  return { shape: "scalar", word, json, read };
}

export const text = scalar("text", { type: "string" }, (raw) => {
  const value = String(raw);
  if (value.trim() === "") throw new Mismatch("must be text, not empty");
  return value;
});

/** A path; absolute when loaded. */
export const path = scalar("path", { type: "string" }, (raw, absolute) => {
  if (typeof raw !== "string" || raw.trim() === "") throw new Mismatch("must be a path");
  return absolute(raw);
});

export const flag = scalar("true or false", { type: "boolean" }, (raw) => {
  if (raw === true || raw === "true") return true;
  if (raw === false || raw === "false") return false;
  throw new Mismatch("must be true or false");
});

/** Only `true`, for an option that cannot be switched off. */
export const always = scalar("`true`", { const: true }, (raw) => {
  if (raw !== true) throw new Mismatch("must be true, or left out");
  return true as const;
});

/** A whole number of at least `min`. */
export function integer(min = 0): Type<number> {
  return scalar("whole number", { type: "integer", minimum: min }, (raw) => {
    const value = typeof raw === "number" ? raw : typeof raw === "string" && /^-?\d+$/.test(raw) ? Number(raw) : Number.NaN;
    if (!Number.isSafeInteger(value) || value < min) throw new Mismatch(`must be a whole number of at least ${min}`);
    return value;
  });
}

const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 };

/** A size such as `8GB`. Units are powers of 1024, as in PostgreSQL. */
export const bytes = scalar("amount of bytes", { type: "string", pattern: "^\\d+(B|KB|MB|GB|TB)$" }, (raw) => {
  const [, count, unit = ""] = /^(\d+)(B|KB|MB|GB|TB)$/.exec(String(raw)) ?? [];
  if (count === undefined) throw new Mismatch("must be a size such as 512MB or 8GB");
  return Number(count) * (UNITS[unit] ?? 1);
});

/** One of the given words. */
export function oneOf<const W extends string>(words: readonly W[]): Type<W> {
  return scalar(words.map((word) => `\`${word}\``).join(", "), { enum: words }, (raw) => {
    const found = words.find((word) => word === raw);
    if (found !== undefined) return found;
    const choice = words.length === 1 ? `${words[0]}, the only one that this version knows,` : `one of ${words.join(", ")},`;
    throw new Mismatch(`must be ${choice} not "${raw}"${didYouMean(String(raw), words)}`);
  });
}

/** The number of a format: exactly this one. */
export function exactly<const N extends number>(number: N): Type<N> {
  return scalar(`\`${number}\``, { const: number }, (raw) => {
    if (raw !== number) throw new Mismatch(`must be ${number}, the only format that this version of Lifeboat supports`);
    return number;
  });
}
