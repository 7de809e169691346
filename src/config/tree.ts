// YAML text → plain values, references resolved, and where each of them is written.
import { type ErrorOptions, LifeboatError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { decodeReferences, encodeReferences, interpolate, isEncoded, type Lookup } from "./interpolate.ts";
import { configError, nameOf, type Problem, problemAt, type SourceText } from "./position.ts";
import { NotYaml, parseYaml, type YamlNode, type YamlScalar } from "./yaml.ts";

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

/** Reads the text. Throws CONFIG_INVALID for what is not YAML, with its place. */
export function readTree(source: SourceText, lookup: Lookup): Tree {
  const root = parse(source);
  if (root === undefined) throw configError([problemAt(source, 0, "the file is empty")]);
  const reader = new Reader(source, lookup);
  const value = reader.read(root, []);
  if (reader.problems.length > 0) throw configError(reader.problems);
  return { value, secrets: reader.secrets, offsetOf: (path, part) => offsetOf(root, path, part) };
}

function parse(source: SourceText): YamlNode | undefined {
  try {
    return parseYaml(encodeReferences(source.text));
  } catch (error) {
    if (!(error instanceof NotYaml)) throw error;
    throw configError([problemAt(source, error.at, decodeReferences(error.message))]);
  }
}

const keyOf = (key: YamlNode): string | undefined => (key.kind === "scalar" ? decodeReferences(String(key.value)) : undefined);

class Reader {
  readonly secrets: string[] = [];
  readonly problems: Problem[] = [];
  readonly #source: SourceText;
  readonly #lookup: Lookup;
  #nodes = 0;

  constructor(source: SourceText, lookup: Lookup) {
    this.#source = source;
    this.#lookup = lookup;
  }

  read(node: YamlNode, path: Path): unknown {
    this.#nodes += 1;
    // Aliases can multiply without end ("billion laughs"), or contain themselves.
    if (this.#nodes > MAX_NODES || path.length > 50) throw configError([this.#at(node, "too many values, or one that contains itself")]);
    if (node.kind === "list") return node.items.map((item, index) => this.read(item, [...path, index]));
    if (node.kind === "scalar") return typeof node.value === "string" ? this.#text(node, node.value, path) : node.value;
    const record: Record<string, unknown> = {};
    for (const [keyNode, item] of node.pairs) {
      const key = keyOf(keyNode);
      if (key === undefined || key === "__proto__") {
        this.problems.push(this.#at(keyNode, "a key must be a word"));
        continue;
      }
      if (Object.hasOwn(record, key)) this.problems.push(this.#at(keyNode, "this key is here a second time"));
      record[key] = this.read(item, [...path, key]);
    }
    return record;
  }

  #text(node: YamlScalar, text: string, path: Path): unknown {
    if (!isEncoded(text)) return text;
    const absent = (origin: string, code: LifeboatError["code"], message: string, options: ErrorOptions): Secret =>
      Secret.absent(origin, () => {
        const problem = this.#at(node, message);
        const place = `${problem.file}:${problem.line}:${problem.column}`;
        return new LifeboatError(code, `${place}: ${problem.message}`, {
          ...options,
          details: { ...options.details, problems: [problem] },
        });
      });
    try {
      const { value, secrets, missing, malformed, origins } = interpolate(text, this.#lookup);
      this.secrets.push(...secrets);
      if (malformed !== undefined) this.problems.push(this.#at(node, malformed));
      const [variable] = missing;
      const [origin] = origins;
      if (origin === undefined) return value;
      if (variable === undefined) return new Secret(origin, () => value);
      const message = `${nameOf(path)} needs the environment variable ${variable}, which is not set`;
      return absent(origin, "SECRET_MISSING", message, { details: { variable } });
    } catch (error) {
      if (!(error instanceof LifeboatError)) throw error;
      const { code, message, details, cause, hint } = error;
      return absent(String(details.path ?? "its file"), code, `${nameOf(path)}: ${message}`, { cause, hint, details });
    }
  }

  #at(node: YamlNode, message: string): Problem {
    return problemAt(this.#source, node.at ?? 0, message);
  }
}

function offsetOf(root: YamlNode, path: Path, part: "key" | "value"): number {
  let node: YamlNode | undefined = root;
  let offset = 0;
  path.forEach((step, depth) => {
    const last = depth === path.length - 1;
    if (node?.kind === "map") {
      const [key, value] = node.pairs.find(([one]) => keyOf(one) === String(step)) ?? [];
      offset = (last && part === "key" ? key?.at : (value?.at ?? key?.at)) ?? offset;
      node = value;
    } else {
      node = node?.kind === "list" ? node.items[Number(step)] : undefined;
      offset = node?.at ?? offset;
    }
  });
  return offset;
}
