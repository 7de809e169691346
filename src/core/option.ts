// How an option is declared, once: parser, editor schema, documentation and redaction all come from the declaration.

/** A single value: how it is read, and what an editor may accept. */
export interface Scalar {
  readonly shape: "scalar";
  /** What the documentation calls it. */
  readonly word: string;
  /** JSON schema of the written form. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Reads what was written; throws Mismatch. `absolute` makes a path whole: relative ones start at the file's folder. */
  read(raw: string | number | boolean, absolute: (path: string) => string): unknown;
}

export interface List {
  readonly shape: "list";
  readonly word: string;
  readonly item: Shape;
}

/** Entries whose names the user chooses. */
export interface Named {
  readonly shape: "named";
  readonly word: string;
  readonly item: Shape;
}

export interface Section {
  readonly shape: "section";
  readonly word: string;
  readonly table: OptionTable;
  /** A rule over several options: what is wrong, as a sentence, or undefined. Sees what was written, not what it means; what the file names itself, and not by default, is in `keys`. */
  readonly rule?: Rule | undefined;
}

export type Rule = (written: Readonly<Record<string, unknown>>, keys: readonly string[]) => string | Misplaced | undefined;

/** What is wrong of one option of the section, or of one below it: told at its value. */
export interface Misplaced {
  readonly path: readonly string[];
  readonly message: string;
}

/** Which variable gives the value, by the word that another option of the section has: what speaks of one choice never serves another. */
export interface EnvBy {
  readonly option: string;
  readonly names: Readonly<Record<string, string>>;
  /** With one of these in the file, the variable is left alone: the file has answered the question in another way. */
  readonly unless?: readonly string[];
}

export type Shape = Scalar | List | Named | Section;

/** A shape, and the type of what it gives when loaded (`gives` is never set). */
export type Type<T> = Shape & { readonly gives?: T };

/** Thrown by `read`: what is wrong, as the end of a sentence that begins with the option's name ("must be …"). Never repeats a secret. */
export class Mismatch extends Error {}

export interface Option<T = unknown> {
  readonly type: Type<T>;
  /** One line: what it does. */
  readonly help: string;
  /** The property's name when loaded, where the unit belongs into it (`rto` → `rtoMs`). */
  readonly as?: string;
  readonly required?: true;
  /** As a user would write it. */
  readonly default?: unknown;
  /** Environment variable that gives the value when the file says nothing. */
  readonly env?: string | EnvBy;
  /** Struck out of every message. */
  readonly secret?: true;
  readonly example?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: a table holds options of every type
export type OptionTable = Readonly<Record<string, Option<any>>>;

type ValueOf<O> = O extends { type: Type<infer T> } ? (O extends { required: true } | { default: unknown } ? T : T | undefined) : never;
type NameOf<K, O> = O extends { as: infer A extends string } ? A : K;

/** What a table's options become when loaded: defaults filled, durations in milliseconds, names with their units. */
export type Values<T extends OptionTable> = { readonly [K in keyof T as NameOf<K, T[K]>]: ValueOf<T[K]> };

/** The variable that gives this option's value beside these others of its section; undefined: none does. */
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
