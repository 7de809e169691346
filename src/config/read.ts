// The values of a configuration, read by the option tables: defaults, environment, names with units, and each fault at its place.
import { LifeboatError } from "../core/errors.ts";
import {
  type Group,
  groupsOf,
  Mismatch,
  type Option,
  type OptionTable,
  type Scalar,
  type Section,
  type Shape,
  variableOf,
} from "../core/option.ts";
import { type Late, Secret } from "../core/secret.ts";
import { didYouMean } from "../core/suggest.ts";
import { nameOf, type Problem, problemAt, type SourceText } from "./position.ts";
import type { Path, Tree } from "./tree.ts";

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Returns a path of the file as an absolute one. */
  readonly absolute: (path: string) => string;
  /** Called with the text of each secret option, and whether the file itself holds it. */
  readonly onSecret: (text: string, literal: boolean) => void;
}

type Values = Record<string, unknown>;

/** Part of a value is a variable that is not set: as a whole it cannot be had. */
class Unresolved {
  readonly text: Secret;
  constructor(text: Secret) {
    this.text = text;
  }
}

const isRecord = (raw: unknown): raw is Readonly<Values> =>
  typeof raw === "object" && raw !== null && !Array.isArray(raw) && !(raw instanceof Secret);

/** `a list of words`, `an amount of bytes`, `sections by name`. */
const withArticle = ({ shape, word }: Shape): string => (shape === "named" ? word : `${/^[aeiou]/.test(word) ? "an" : "a"} ${word}`);

/** A value that throws when it is read, where it could not be had. */
const late = (value: unknown): Late<unknown> => ({ read: () => (value instanceof Unresolved ? value.text.read() : value) });

/** Reads a whole configuration. The value means nothing when there is a problem. Throws SECRET_MISSING for what every command needs. */
export function readValues<T>(root: Shape & { readonly gives?: T }, tree: Tree, source: SourceText, around: Surroundings) {
  const reader = new Reader(tree, source, around);
  const value = reader.read(root, tree.value, []);
  if (reader.problems.length === 0 && value instanceof Unresolved) value.text.read();
  return { value: value as T, problems: reader.problems };
}

class Reader {
  readonly problems: Problem[] = [];
  readonly #tree: Tree;
  readonly #source: SourceText;
  readonly #around: Surroundings;

  constructor(tree: Tree, source: SourceText, around: Surroundings) {
    this.#tree = tree;
    this.#source = source;
    this.#around = around;
  }

  read(shape: Shape, raw: unknown, path: Path, option?: Option): unknown {
    if (shape.shape === "scalar") return this.#scalar(shape, raw, path, option);
    const inner = raw instanceof Secret ? undefined : raw;
    if (shape.shape === "list" && Array.isArray(inner)) {
      const items = inner.map((item, index) => this.read(shape.item, item, [...path, index]));
      return unresolvedIn(items) ?? items;
    }
    if (shape.shape === "named" && isRecord(inner)) {
      const entries = Object.entries(inner).map(([name, item]) => [name, this.read(shape.item, item, [...path, name])] as const);
      return unresolvedIn(entries.map(([, item]) => item)) ?? Object.fromEntries(entries);
    }
    if (shape.shape === "section" && isRecord(inner)) return this.#section(shape, inner, path);
    this.#fault(path, "value", `${title(path)} must be ${withArticle(shape)}`);
    return undefined;
  }

  #scalar(shape: Scalar, raw: unknown, path: Path, option: Option | undefined): unknown {
    const text = raw instanceof Secret ? raw.known() : raw;
    if (raw instanceof Secret && text === undefined) return option?.secret === true ? raw : new Unresolved(raw);
    try {
      if (typeof text !== "string" && typeof text !== "number" && typeof text !== "boolean")
        throw new Mismatch(`must be ${withArticle(shape)}`);
      const value = shape.read(text, this.#around.absolute);
      if (option?.secret !== true) return value;
      this.#around.onSecret(String(value), !(raw instanceof Secret));
      return new Secret(raw instanceof Secret ? raw.origin : this.#placeOf(path), () => String(value));
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      const said = `${nameOf(path)} ${error.message}`;
      if (raw instanceof Secret && this.#writtenAt(path) === undefined)
        this.#fault(path.slice(0, -1), "key", `${raw.origin}, which gives ${said.replace(" ", ", ")}`);
      else this.#fault(path, "value", said);
      return undefined;
    }
  }

  #section(shape: Section, raw: Readonly<Values>, path: Path): unknown {
    const before = this.problems.length;
    const { choice } = shape;
    const named = choice?.of((key) => textOf(this.#given(shape.table[key], raw, key)));
    const chosen = choice !== undefined && named !== undefined && Object.hasOwn(choice.between, named) ? choice.between[named] : undefined;
    const groups: readonly Group[] = [{ table: shape.table }, ...(shape.groups ?? []), ...(chosen?.groups ?? [])];
    // Of what depends on a choice that cannot be read, only the choice is worth a message.
    if (choice === undefined || chosen !== undefined) this.#refuseUnknown(shape, groups, raw, path, named);

    const misspelt = this.problems.length > before;
    const written: Values = {};
    const loaded: Values = {};
    let unresolved: Unresolved | undefined;
    for (const group of groups) {
      const values: Values = {};
      let lacking: Unresolved | undefined;
      const of = group === groups[0] ? undefined : `${choice?.word} ${named}`;
      for (const [key, option] of optionsOf(group.table)) {
        // Beside a misspelt option, that one of the choice is missing says nothing more.
        const value = misspelt && of !== undefined && raw[key] === undefined ? undefined : this.#option(option, raw, path, key, of);
        if (value === undefined) continue;
        written[key] = value;
        values[option.as ?? key] = option.late === true ? late(value) : value;
        if (option.late !== true && value instanceof Unresolved) lacking ??= value;
      }
      if (group.as === undefined) Object.assign(loaded, values);
      else loaded[group.as] = group.late === true ? late(lacking ?? values) : (lacking ?? values);
      if (group.late !== true) unresolved ??= lacking;
    }
    if (this.problems.length === before) this.#check([shape.rule, chosen?.rule], written, Object.keys(raw), path);
    return unresolved ?? loaded;
  }

  #option(option: Option, raw: Readonly<Values>, holder: Path, key: string, of: string | undefined): unknown {
    const given = this.#given(option, raw, key) ?? option.default;
    if (given !== undefined) return this.read(option.type, given, [...holder, key], option);
    if (option.needed !== undefined) return missing(option.needed, key, String(holder.at(-1)), option.env);
    if (option.required !== true) return undefined;
    const example = option.example === undefined ? "" : `, such as ${key}: ${option.example}`;
    const what = of === undefined ? `${title(holder)} lacks "${key}"${example}` : `${title(holder)}: ${of} needs ${key}`;
    this.#fault(holder, "key", what);
    return undefined;
  }

  /** What the file says of an option, else the environment. */
  #given(option: Option | undefined, raw: Readonly<Values>, key: string): unknown {
    // An empty key says nothing: the variable may.
    const said = raw[key] ?? undefined;
    if (said !== undefined || option?.env === undefined) return said;
    const variable = variableOf(option, raw);
    const value = variable === undefined ? undefined : this.#around.env[variable];
    return variable !== undefined && value ? new Secret(variable, () => value) : undefined;
  }

  #refuseUnknown(shape: Section, groups: readonly Group[], raw: Readonly<Values>, path: Path, named: string | undefined): void {
    for (const key of Object.keys(raw)) {
      if (groups.some(({ table }) => Object.hasOwn(table, key))) continue;
      const isOfAnother = groupsOf(shape).some(({ table }) => Object.hasOwn(table, key));
      const known = groups.flatMap(({ table }) => Object.keys(table));
      const message = isOfAnother
        ? `${title(path)}: ${shape.choice?.word} ${named} has no option ${key}: remove it`
        : `${title(path)} has no option "${key}"${didYouMean(key, known)}`;
      this.#fault([...path, key], "key", message);
    }
  }

  #check(rules: readonly Section["rule"][], written: Values, keys: readonly string[], path: Path): void {
    for (const rule of rules) {
      const wrong = rule?.(written, keys);
      if (wrong === undefined) continue;
      if (typeof wrong === "string") this.#fault(path, "key", `${title(path)}: ${wrong}`);
      else this.#fault([...path, ...wrong.path], "value", `${nameOf([...path, ...wrong.path])}: ${wrong.message}`);
      return;
    }
  }

  #writtenAt(path: Path): unknown {
    const inside = (value: unknown, step: PropertyKey): unknown =>
      isRecord(value) || Array.isArray(value) ? Reflect.get(value, step) : undefined;
    return path.reduce(inside, this.#tree.value);
  }

  #placeOf(path: Path): string {
    const { file, line, column } = problemAt(this.#source, this.#tree.offsetOf(path, "value"), "");
    return `${file}:${line}:${column}`;
  }

  #fault(path: Path, part: "key" | "value", message: string): void {
    this.problems.push(problemAt(this.#source, this.#tree.offsetOf(path, part), message));
  }
}

const unresolvedIn = (values: readonly unknown[]): Unresolved | undefined => values.find((value) => value instanceof Unresolved);

const title = (path: Path): string => (path.length === 0 ? "the configuration" : nameOf(path));

const optionsByTable = new WeakMap<OptionTable, readonly (readonly [key: string, option: Option])[]>();

/** The options of a table, taken apart once: a configuration may have thousands of sections of one kind. */
function optionsOf(table: OptionTable): readonly (readonly [key: string, option: Option])[] {
  const known = optionsByTable.get(table) ?? Object.entries(table);
  optionsByTable.set(table, known);
  return known;
}

const textOf = (raw: unknown): string | undefined => (raw instanceof Secret ? raw.known() : typeof raw === "string" ? raw : undefined);

/** A secret that is not given. */
const missing = (what: string, key: string, holder: string, variable: string | undefined): Secret =>
  Secret.absent(variable ?? key, () => {
    const hint = `set ${key} in the source${variable === undefined ? "" : `, or the variable ${variable}`}`;
    return new LifeboatError("SECRET_MISSING", `${what} of ${holder} is not given`, { hint });
  });
