// YAML text → plain values, references resolved, and where each of them is written.
import { type Document, isAlias, isMap, isPair, isScalar, isSeq, type Node, parseAllDocuments, type Scalar } from "yaml";
import { type ErrorOptions, LifeboatError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { decodeReferences, encodeReferences, interpolate, type Lookup } from "./interpolate.ts";
import { configError, nameOf, type Problem, problemAt, type SourceText } from "./position.ts";

export type Path = readonly PropertyKey[];

export interface Tree {
  /** Of lists, records and scalars; a text that is written with references is a `Secret`, whether its option is secret or not. */
  readonly value: unknown;
  /** Contents of secrets' files. */
  readonly secrets: readonly string[];
  /** Offset of a value, or of its key; of the nearest parent that is there when it is not. */
  offsetOf(path: Path, part: "key" | "value"): number;
}

const MAX_NODES = 100_000;

/** Reads the text. Throws CONFIG_INVALID for what is not YAML: every syntax error with its place. */
export function readTree(source: SourceText, lookup: Lookup): Tree {
  const documents = parseAllDocuments(encodeReferences(source.text), {
    uniqueKeys: false, // `Reader` looks, in less than quadratic time
    prettyErrors: false,
    strict: true,
  });
  const document = (Array.isArray(documents) ? documents[0] : undefined) as Document.Parsed | undefined;
  if (document === undefined) throw configError([problemAt(source, 0, "the file is empty")]);
  const problems = document.errors.map((error) => problemAt(source, error.pos[0], plain(error.message, error.code)));
  const second = documents[1];
  if (second !== undefined)
    problems.push(problemAt(source, second.range[0], "a second document starts here: one file holds one configuration"));
  if (problems.length > 0) throw configError(problems);
  if (document.contents === null) throw configError([problemAt(source, 0, "the file is empty")]);

  const reader = new Reader(source, document, lookup);
  const value = reader.read(document.contents, []);
  if (reader.problems.length > 0) throw configError(reader.problems);
  return { value, secrets: reader.secrets, offsetOf: (path, part) => offsetOf(document, path, part) };
}

const WORDS: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: "tabs cannot indent: use spaces",
  BAD_ALIAS: "this alias names nothing that came before",
};

const plain = (message: string, code: string): string => WORDS[code] ?? `this is not YAML: ${decodeReferences(message).replace(/\.$/, "")}`;

class Reader {
  readonly secrets: string[] = [];
  readonly problems: Problem[] = [];
  readonly #source: SourceText;
  readonly #document: Document.Parsed;
  readonly #lookup: Lookup;
  #nodes = 0;

  constructor(source: SourceText, document: Document.Parsed, lookup: Lookup) {
    this.#source = source;
    this.#document = document;
    this.#lookup = lookup;
  }

  read(node: Node | null, path: Path): unknown {
    this.#nodes += 1;
    // Aliases can multiply without end ("billion laughs"), or contain themselves.
    if (this.#nodes > MAX_NODES || path.length > 50) throw configError([this.#at(node, "too many values, or one that contains itself")]);
    if (node === null) return null;
    if (isAlias(node)) return this.read(node.resolve(this.#document) ?? null, path);
    if (isMap(node)) {
      const keys = new Set<string>();
      const entries = node.items.flatMap((pair): [string, unknown][] => {
        if (!isScalar(pair.key)) {
          this.problems.push(this.#at(pair.key as Node, "a key must be a word"));
          return [];
        }
        const key = decodeReferences(String(pair.key.value));
        if (keys.has(key)) this.problems.push(this.#at(pair.key as Node, "this key is here a second time"));
        keys.add(key);
        return [[key, this.read(pair.value as Node | null, [...path, key])]];
      });
      return Object.fromEntries(entries);
    }
    if (isSeq(node)) return node.items.map((item, index) => this.read(item as Node | null, [...path, index]));
    return this.#scalar(node as Scalar, path);
  }

  #scalar(node: Scalar, path: Path): unknown {
    if (typeof node.value !== "string") return node.value;
    const failing = (origin: string, code: LifeboatError["code"], message: string, options: ErrorOptions): Secret => {
      const problem = this.#at(node, message);
      const place = `${problem.file}:${problem.line}:${problem.column}`;
      const error = new LifeboatError(code, `${place}: ${problem.message}`, {
        ...options,
        details: { ...options.details, problems: [problem] },
      });
      return new Secret(origin, () => {
        throw error;
      });
    };
    try {
      const { value, secrets, missing, malformed, origins } = interpolate(node.value, this.#lookup);
      this.secrets.push(...secrets);
      if (malformed !== undefined) this.problems.push(this.#at(node, malformed));
      const [variable] = missing;
      const [origin] = origins;
      if (origin === undefined) return value;
      if (variable === undefined) return new Secret(origin, () => value);
      const message = `${nameOf(path)} needs the environment variable ${variable}, which is not set`;
      return failing(origin, "SECRET_MISSING", message, { details: { variable } });
    } catch (error) {
      if (!(error instanceof LifeboatError)) throw error;
      const { code, message, details, cause, hint } = error;
      return failing(String(details.path ?? "its file"), code, `${nameOf(path)}: ${message}`, { cause, hint, details });
    }
  }

  #at(node: Node | null, message: string): Problem {
    return problemAt(this.#source, node?.range?.[0] ?? 0, message);
  }
}

function offsetOf(document: Document.Parsed, path: Path, part: "key" | "value"): number {
  let node: unknown = document.contents;
  let offset = 0;
  path.forEach((step, depth) => {
    while (isAlias(node)) node = node.resolve(document);
    const last = depth === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && decodeReferences(String(item.key.value)) === String(step),
      );
      const key = pair?.key as Node | undefined;
      const value = pair?.value as Node | null | undefined;
      offset = (last && part === "key" ? key?.range?.[0] : (value?.range?.[0] ?? key?.range?.[0])) ?? offset;
      node = value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else node = undefined;
  });
  return offset;
}
