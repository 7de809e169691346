// The fields of stored objects. The schema of an object is beside its type; it is the only place where stored bytes become a value.
// Unknown fields are kept, because newer versions only add fields. Known fields must be valid in form and in size.
import * as z from "zod/mini";

export type Schema<T> = Pick<z.ZodMiniType<T>, "safeParse">;

const SHORT = 500;
const LONG = 100_000;
const MANY = 100_000;

export const format = z.literal(1);
/** A name or a short phrase. */
export const word = z.string().check(z.minLength(1), z.maxLength(SHORT));
/** Text of any kind. */
export const prose = z.string().check(z.maxLength(LONG));
export const maybe = <T extends z.ZodMiniType>(type: T) => z.optional(type);
export const list = <T extends z.ZodMiniType>(item: T) => z.array(item).check(z.maxLength(MANY));
export const count = z.number().check(z.int(), z.minimum(0));
export const digest = z.string().check(z.regex(/^[0-9a-f]{64}$/));
export const id = z.string().check(z.regex(/^[0-9a-z]{1,40}$/));
/** A segment of an object's name, between slashes. */
export const segment = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/));
export const instant = z.string().check(
  z.regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z$/),
  z.refine((text) => !Number.isNaN(Date.parse(text)), "is not a valid instant"),
);
export const lsn = z.string().check(z.regex(/^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/));
export const facts = z.looseObject({ sizeBytes: count, sha256: digest });
export const omission = z.looseObject({ kind: word, object: prose, reason: prose });
export const step = z.looseObject({ name: word, startedAt: instant, ms: maybe(z.number()), sizeBytes: maybe(z.number()) });
export const decision = z.looseObject({ at: instant, what: prose, why: maybe(prose) });
export const hold = z.looseObject({ by: word, at: instant, reason: maybe(prose) });

/** A record with any keys. `z.record` drops `__proto__`, which can be the name of a table. */
export const named = <T>(item: z.ZodMiniType<T>) =>
  z.custom<Readonly<Record<string, T>>>(
    (value) =>
      typeof value === "object" &&
      value !== null &&
      !Array.isArray(value) &&
      Object.values(value).every((one) => item.safeParse(one).success),
    "is not a valid list of names",
  );
/** The locator of a resource. */
export const locator = z.record(z.string().check(z.maxLength(SHORT)), prose);
