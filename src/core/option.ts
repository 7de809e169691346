// Declarations of options. Parser, editor schema, documentation and redaction are derived from them.
import type { Late, Secret } from "./secret.ts";

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
  readonly rule?: Rule | undefined;
  readonly groups?: readonly Group[] | undefined;
  readonly choice?: Choice | undefined;
}

/**
 * A rule over several options. Returns what is wrong as a sentence, or undefined. Sees the values by the names that the file uses,
 * defaults included; `keys` are the options that the file itself names.
 */
export type Rule = (values: Readonly<Record<string, unknown>>, keys: readonly string[]) => string | Misplaced | undefined;

/** A fault of one option of the section, or of one below it: reported at its value. */
export interface Misplaced {
  readonly path: readonly string[];
  readonly message: string;
}

/** Options that depend on another one, as those of a source depend on its provider. */
export interface Choice {
  /** What messages call the thing that is chosen. */
  readonly word: string;
  /** Returns the name of the choice, from the texts of the other options; undefined: none is known. */
  of(text: (key: string) => string | undefined): string | undefined;
  readonly between: Readonly<Record<string, Chosen>>;
}

export interface Chosen {
  readonly groups: readonly Group[];
  readonly rule?: Rule | undefined;
}

/** Options that are written beside the others of the section. */
export interface Group {
  readonly table: OptionTable;
  /** The property that holds their values when loaded. Absent: they are properties of the section. */
  readonly as?: string;
  /** Loaded as a `Late`: a value that cannot be had is an error only when the group is read. Needs `as`. */
  readonly late?: true;
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
  readonly env?: string;
  /** When the file sets one of these options, the variable is not read. */
  readonly envUnless?: readonly string[];
  /** Loaded as a `Secret`, and redacted in every message. */
  readonly secret?: true;
  /** Loaded as a `Late`: a variable that is not set is an error only when the value is read. */
  readonly late?: true;
  /** Of a secret: what messages call it. Where it is not given, reading it is SECRET_MISSING. */
  readonly needed?: string;
  readonly example?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: a table holds options of every type
export type OptionTable = Readonly<Record<string, Option<any>>>;

type Loaded<T, O> = O extends { secret: true } ? Secret : O extends { late: true } ? Late<T> : T;
type Given<T, O> = O extends { required: true } | { default: unknown } | { needed: string } ? T : T | undefined;
type ValueOf<O> = O extends { type: Type<infer T> } ? Given<Loaded<T, O>, O> : never;
type NameOf<K, O> = O extends { as: infer A extends string } ? A : K;

/** The loaded options of a table: with defaults, durations in milliseconds, and units in names. */
export type Values<T extends OptionTable> = { readonly [K in keyof T as NameOf<K, T[K]>]: ValueOf<T[K]> };

/** Returns the variable that gives the option's value beside these others of its section. */
export function variableOf({ env, envUnless = [] }: Option, beside: Readonly<Record<string, unknown>>): string | undefined {
  return envUnless.some((key) => beside[key] !== undefined) ? undefined : env;
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

/** Every group of options that can be written in the section, with the name of the choice that it depends on. */
export function groupsOf({ table, groups = [], choice }: Section): readonly (Group & { readonly of?: string })[] {
  const chosen = Object.entries(choice?.between ?? {}).flatMap(([of, one]) => one.groups.map((group) => ({ ...group, of })));
  return [{ table }, ...groups, ...chosen];
}
