// The types of single option values.
import { validateCron } from "./cron.ts";
import { parseDuration, parseKeep } from "./duration.ts";
import { LifeboatError } from "./errors.ts";
import { validatePattern } from "./names.ts";
import { Mismatch, type Scalar, type Type } from "./option.ts";
import { parseReference } from "./references.ts";
import { didYouMean } from "./suggest.ts";
import { isTimeZone } from "./time-zone.ts";

type Read<T> = (...args: Parameters<Scalar["read"]>) => T;

function scalar<T>(word: string, json: Scalar["json"], read: Read<T>): Type<T> {
  return { shape: "scalar", word, json, read };
}

/** A value that is written as text, without the spaces around it. */
export function written<T>(word: string, json: Scalar["json"], read: (text: string, absolute: (path: string) => string) => T): Type<T> {
  return scalar(word, { type: "string", ...json }, (raw, absolute) => read(String(raw).trim(), absolute));
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
export function integer(min = 0, max?: number): Type<number> {
  const range = max === undefined ? `of at least ${min}` : `from ${min} to ${max}`;
  return scalar("whole number", { type: "integer", minimum: min, ...(max !== undefined && { maximum: max }) }, (raw) => {
    const value = typeof raw === "number" ? raw : typeof raw === "string" && /^-?\d+$/.test(raw) ? Number(raw) : Number.NaN;
    if (!Number.isSafeInteger(value) || value < min || value > (max ?? value)) throw new Mismatch(`must be a whole number ${range}`);
    return value;
  });
}

/** A port to connect to. */
export const port = integer(1, 65535);
/** A port to listen at; 0 takes one that is free. */
export const ownPort = integer(0, 65535);

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

/** Reads with a function of the core, whose errors say what is wrong. */
const reading =
  <T>(read: (raw: string) => T) =>
  (raw: string): T => {
    try {
      return read(raw);
    } catch (error) {
      if (error instanceof LifeboatError) throw new Mismatch(`is wrong: ${error.message}`, { cause: error });
      throw error;
    }
  };

const DURATION = "(\\d+(mo|[smhdwy])\\s*)+";

/** Milliseconds. */
export const duration = written("duration", { pattern: `^${DURATION}$` }, reading(parseDuration));

/** Milliseconds, at most `longest`. */
export const atMost = (longest: string): Type<number> =>
  written(
    "duration",
    { pattern: `^${DURATION}$` },
    reading((raw) => {
      const given = parseDuration(raw);
      if (given > parseDuration(longest)) throw new Mismatch(`must be at most ${longest}`);
      return given;
    }),
  );

/** Seconds, as objectives are kept. */
export const durationInSeconds = written(
  "duration",
  { pattern: `^${DURATION}$` },
  reading((raw) => parseDuration(raw) / 1000),
);

/** Milliseconds, or `forever`. */
export const keep = written("duration or `forever`", { pattern: `^(${DURATION}|forever)$` }, reading(parseKeep));

/** A reference between two sources. */
export const reference = written("reference", {}, reading(parseReference));

/** Five fields of cron, in UTC unless a time zone follows; `0#1` is the first Sunday. */
export const cron = written("cron schedule", {}, reading(validateCron));

/** A zone by its IANA name. */
export const timeZone = written("time zone", {}, (raw) => {
  if (!isTimeZone(raw)) throw new Mismatch(`must be the name of a time zone, such as Europe/Berlin or UTC, not "${raw}"`);
  return raw;
});

/** A pattern of names, such as `backup-{date}`. */
export const namePattern = written("name pattern", {}, reading(validatePattern));

/** An aggregation pipeline, in extended JSON. */
export const pipeline = written("pipeline in JSON", {}, (raw) => {
  const stages = parsed(raw);
  const isStage = (stage: unknown): boolean => typeof stage === "object" && stage !== null && !Array.isArray(stage);
  if (!Array.isArray(stages) || !stages.every(isStage)) throw new Mismatch(`must be a pipeline in JSON, such as '[{ "$match": { … } }]'`);
  return raw;
});

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The address of a server, by how it may begin. */
export const addressOf = (schemes: readonly string[]): Type<string> =>
  written("connection string", {}, (text) => {
    if (!schemes.some((scheme) => text.startsWith(scheme)))
      throw new Mismatch(`must be a connection string that starts with ${schemes.join(" or ")}`);
    return text;
  });
