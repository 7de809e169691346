// Declarations of options. Parser, editor schema, documentation and redaction are derived from them.

/** A single value: its parser, and the JSON schema for editors. */
export interface Scalar {
  readonly shape: "scalar";
  /** Its name in the documentation. */
  readonly word: string;
  /** The JSON schema of the written form. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Parses the written form. Throws Mismatch. `absolute` resolves a path relative to the folder of the file. */
  read(raw: string | number | boolean, absolute: (path: string) => string): unknown;
}

export interface List {
  readonly shape: "list";
  readonly word: string;
  readonly item: Shape;
}

/** Entries with names that the user chooses. */
export interface Named {
  readonly shape: "named";
  readonly word: string;
  readonly item: Shape;
}

export interface Section {
  readonly shape: "section";
  readonly word: string;
  readonly table: OptionTable;
  /** A rule over several options. Returns what is wrong as a sentence, or undefined. It sees the written form; `keys` holds the options that the file sets. */
  readonly rule?: Rule | undefined;
}

export type Rule = (written: Readonly<Record<string, unknown>>, keys: readonly string[]) => string | Misplaced | undefined;

/** What is wrong with one option of the section, or of a section below. It is reported at the option's value. */
export interface Misplaced {
  readonly path: readonly string[];
  readonly message: string;
}

/** The variable that gives the value, by the value of another option of the section. */
export interface EnvBy {
  readonly option: string;
  readonly names: Readonly<Record<string, string>>;
  /** When the file sets one of these options, the variable is not read. */
  readonly unless?: readonly string[];
}

export type Shape = Scalar | List | Named | Section;

/** A shape, and the type of its loaded value (`gives` is never set). */
export type Type<T> = Shape & { readonly gives?: T };

/** Thrown by `read`. The message ends a sentence that begins with the option's name ("must be …"). It never repeats a secret. */
export class Mismatch extends Error {}

export interface Option<T = unknown> {
  readonly type: Type<T>;
  /** What it does, in one line. */
  readonly help: string;
  /** The name of the loaded property, where it includes the unit (`rto` → `rtoMs`). */
  readonly as?: string;
  readonly required?: true;
  /** An example, as a user would write it. */
  readonly default?: unknown;
  /** The environment variable that gives the value when the file does not set it. */
  readonly env?: string | EnvBy;
  /** Redacted in every message. */
  readonly secret?: true;
  readonly example?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: a table holds options of every type
export type OptionTable = Readonly<Record<string, Option<any>>>;

type ValueOf<O> = O extends { type: Type<infer T> } ? (O extends { required: true } | { default: unknown } ? T : T | undefined) : never;
type NameOf<K, O> = O extends { as: infer A extends string } ? A : K;

/** The loaded options of a table: with defaults, durations in milliseconds, and units in names. */
export type Values<T extends OptionTable> = { readonly [K in keyof T as NameOf<K, T[K]>]: ValueOf<T[K]> };

/** Returns the variable that gives this option's value, given the other options of its section. Undefined: none. */
export function variableOf({ env }: Option, beside: Readonly<Record<string, unknown>>): string | undefined {
  if (env === undefined || typeof env === "string") return env;
  const word = beside[env.option];
  if (typeof word !== "string" || env.unless?.some((key) => beside[key] !== undefined)) return undefined;
  return Object.hasOwn(env.names, word) ? env.names[word] : undefined;
}

export function section<const T extends OptionTable>(table: T, rule?: Rule): Type<Values<T>> {
  return { shape: "section", word: "section", table, rule };
}

export function listOf<T>(item: Type<T>): Type<readonly T[]> {
  return { shape: "list", word: `list of ${item.word}s`, item };
}

export function named<T>(item: Type<T>): Type<Readonly<Record<string, T>>> {
  return { shape: "named", word: `${item.word}s by name`, item };
}
