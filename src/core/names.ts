// Names of restore points and of the objects that restores create: the policy's patterns, rendered in UTC, free of collisions.
import { LifeboatError } from "./errors.ts";
import { didYouMean } from "./suggest.ts";

/** The default patterns (R5). A policy may name others. */
export const NAME_PATTERNS = {
  daily: "backup-{date}",
  weekly: "weekly-{date}",
  manual: "backup-{stamp}",
  preDeploy: "pre-deploy-{feature}",
  drill: "drill-{month}",
  restore: "restore-{minute}",
  production: "production-{day}",
  rollback: "rollback-{day}",
  mainRestored: "main-restored-{day}",
} as const;

/** The longest name, short enough for every provider's branches and every file system. */
export const NAME_MAX = 100;

/** The digits of an instant, by placeholder. `Y`, `M`, `D`, `h`, `m`, `s` mean year to second. */
const INSTANTS: Readonly<Record<string, string>> = {
  date: "YYYY-MM-DD",
  stamp: "YYYYMMDD-hhmmss",
  day: "YYYYMMDD",
  minute: "YYYY-MM-DD-hhmm",
  month: "YYYY-MM",
};

/** All placeholders of a pattern. */
export const PLACEHOLDERS: readonly string[] = [...Object.keys(INSTANTS), "feature"];

export interface NameFacts {
  /** The instant in the name, in UTC. Years 1 to 9999. */
  readonly at: Date;
  /** The value of `{feature}`. Any text; it is made into a slug. */
  readonly feature?: string | undefined;
  /** The names in use. They are compared case-insensitively, because some storage ignores case. */
  readonly taken?: Iterable<string> | undefined;
  /** How many leading characters must be unique. Default: all. */
  readonly distinctLength?: number | undefined;
}

/**
 * Renders the pattern. When the name is taken, it appends the first free of `-2`, `-3`, … (within the leading characters that must be
 * unique). The same facts give the same name. Throws NAME_INVALID when the pattern is invalid or requires a feature that was not given.
 */
export function renderName(pattern: string, facts: NameFacts): string {
  validatePattern(pattern);
  const longest = Math.min(NAME_MAX, facts.distinctLength ?? NAME_MAX);
  const beginning = (name: string): string => name.slice(0, longest).toLowerCase();
  const taken = new Set([...(facts.taken ?? [])].map(beginning));
  const name = pattern.replace(/\{(\w+)\}/g, (_, key: string) => {
    const shape = INSTANTS[key];
    return shape === undefined ? slugOf(facts.feature, pattern) : renderInstant(shape, facts.at);
  });
  for (let count = 1; ; count++) {
    const suffix = count === 1 ? "" : `-${count}`;
    const candidate = name.slice(0, (count === 1 ? NAME_MAX : longest) - suffix.length) + suffix;
    if (!taken.has(beginning(candidate))) return validateName(candidate);
  }
}

function renderInstant(shape: string, at: Date): string {
  const iso = at.toISOString();
  const digits: Readonly<Record<string, string>> = {
    YYYY: iso.slice(0, 4),
    MM: iso.slice(5, 7),
    DD: iso.slice(8, 10),
    hh: iso.slice(11, 13),
    mm: iso.slice(14, 16),
    ss: iso.slice(17, 19),
  };
  return shape.replace(/YYYY|MM|DD|hh|mm|ss/g, (unit) => digits[unit] ?? unit);
}

/** Returns the suffix of a table that is restored beside the live one: `_restored_202611211030`, UTC. */
export const restoredSuffix = (at: Date): string => `_restored_${renderInstant("YYYYMMDDhhmm", at)}`;

/** The longest name of a PostgreSQL database, in bytes. */
const DATABASE_NAME_BYTES = 63;

/** Returns the name under which a replaced database is kept: `shop_before_20261121103000`, UTC. Long names are truncated to fit the server. */
export function beforeName(database: string, at: Date): string {
  const suffix = `_before_${renderInstant("YYYYMMDDhhmmss", at)}`;
  const letters = [...database];
  while (new TextEncoder().encode(letters.join("") + suffix).length > DATABASE_NAME_BYTES) letters.pop();
  return letters.join("") + suffix;
}

/**
 * Reduces a text to lower-case letters, digits, dots and underscores, with single dashes for the rest: `feature/Größe v1.5` becomes
 * `feature-grosse-v1.5`. Empty when no character remains.
 */
export function slug(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .replaceAll("ß", "ss")
    .toLowerCase()
    .replace(/[^a-z0-9._]+/g, "-")
    .replace(/-{2,}/g, "-")
    .slice(0, 60)
    .replace(/^[-._]+|[-._]+$/g, "");
}

function slugOf(feature: string | undefined, pattern: string): string {
  if (feature === undefined) throw invalid(`the name pattern "${pattern}" requires a feature, and none was given`);
  const text = slug(feature);
  if (text === "") throw invalid(`"${feature}" has no letter or digit for a name`);
  return text;
}

/** Returns the name when it is valid: letters, digits, `.`, `-`, `_`, a letter or digit first, at most 100 characters. Throws NAME_INVALID. */
export function validateName(name: string): string {
  if (name === "") throw invalid("a name must not be empty");
  if (name.length > NAME_MAX)
    throw invalid(`the name "${name.slice(0, 20)}…" has ${name.length} characters; at most ${NAME_MAX} are allowed`);
  if (!/^[A-Za-z0-9]/.test(name)) throw invalid(`the name "${name}" starts with "${[...name][0]}"`);
  const wrong = /[^A-Za-z0-9._-]/u.exec(name);
  if (wrong !== null) throw invalid(`the name "${name}" contains "${wrong[0]}"`);
  return name;
}

/** Returns the pattern when it is valid. Throws NAME_INVALID with the nearest placeholder. */
export function validatePattern(pattern: string): string {
  for (const [whole, key = ""] of pattern.matchAll(/\{([^{}]*)\}/g)) {
    if (!PLACEHOLDERS.includes(key)) {
      throw invalid(`the name pattern "${pattern}" has an unknown placeholder ${whole}${didYouMean(key, PLACEHOLDERS)}`, {
        hint: `the placeholders are ${PLACEHOLDERS.map((name) => `{${name}}`).join(", ")}`,
      });
    }
  }
  // The value of every placeholder begins with a letter or digit and holds only characters that a name may have.
  validateName(pattern.replace(/\{\w+\}/g, "0"));
  return pattern;
}

export interface ParsedName {
  /** The instant in the name, to the precision of the name (start of its second, minute, day or month, UTC). */
  readonly at?: Date | undefined;
  readonly feature?: string | undefined;
  /** 1 for the plain name, 2 for `-2`, and so on. A number at the end of a feature counts as part of the feature. */
  readonly count: number;
}

/** Parses a name by its pattern. Returns undefined when it does not match. Truncated names are not recognised. */
export function parseName(pattern: string, name: string): ParsedName | undefined {
  validatePattern(pattern);
  const keys: string[] = [];
  const source = pattern.replace(/\{(\w+)\}|[.]/g, (whole, key: string | undefined) => {
    if (key === undefined) return `\\${whole}`;
    keys.push(key);
    const shape = INSTANTS[key];
    return shape === undefined ? "([a-z0-9._-]+)" : `(${shape.replace(/[YMDhms]/g, "\\d")})`;
  });
  const match = new RegExp(`^${source}(?:-([1-9]\\d*))?$`).exec(name);
  if (match === null) return undefined;
  const count = match[keys.length + 1] === undefined ? 1 : Number(match[keys.length + 1]);
  if (match[keys.length + 1] !== undefined && count < 2) return undefined;
  let at: Date | undefined;
  let feature: string | undefined;
  for (const [index, key] of keys.entries()) {
    const text = match[index + 1] ?? "";
    if (INSTANTS[key] === undefined) feature = text;
    else {
      const instant = parseInstant(text);
      if (instant === undefined) return undefined;
      if (at === undefined || instant > at) at = instant; // the most precise of several
    }
  }
  return { at, feature, count };
}

function parseInstant(text: string): Date | undefined {
  const digits = text.replaceAll("-", "").padEnd(6, "0");
  const [year, month, day, hour, minute, second] = [0, 4, 6, 8, 10, 12].map((start, index) =>
    digits.slice(start, start + (index === 0 ? 4 : 2)),
  );
  const iso = `${year}-${month}-${day || "01"}T${hour || "00"}:${minute || "00"}:${second || "00"}.000Z`;
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) || at.toISOString() !== iso ? undefined : at;
}

const invalid = (message: string, options: { readonly hint?: string } = {}): LifeboatError =>
  new LifeboatError("NAME_INVALID", message, options);
