// The configuration file, read and checked. What a command does not need is not asked for: see `Config`.
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { LifeboatError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { explain } from "./explain.ts";
import { configError, problemAt } from "./position.ts";
import { secretsOf } from "./redact.ts";
import { schemaOf } from "./schema.ts";
import { isExposed, readSecretFile, resolvePath } from "./secret-file.ts";
import { faultsOf } from "./semantics.ts";
import { type RootValues, root, type SourceConfig } from "./tables/root.ts";
import { readTree } from "./tree.ts";

export const DEFAULT_FILE = "lifeboat.yaml";

/**
 * A checked configuration. A value that refers to a variable that is not set, or to a secret's file that cannot be had,
 * throws SECRET_MISSING *when it is read*, and not before: `list` works without the identity, a backup of one source
 * without the password of another. Copying such a section with `{...section}` reads all of it.
 */
export interface Config extends RootValues {
  /** Absolute path of the file. */
  readonly file: string;
  /** Every secret that was read, for redaction. */
  readonly secrets: readonly string[];
  /** The file itself holds a secret, and others than its owner can read it. */
  readonly exposed: boolean;
  /** The source of that name, or SOURCE_UNKNOWN with the nearest one. */
  source(name: string): SourceConfig;
}

export interface LoadRequest {
  /** Default: `lifeboat.yaml` in `cwd`. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** Reads the file: CONFIG_MISSING, or what `parseConfig` throws. */
export function loadConfig(request: LoadRequest): Config {
  const file = resolve(request.cwd, request.file ?? DEFAULT_FILE);
  let text: string;
  let mode: number;
  try {
    const descriptor = openSync(file, "r");
    try {
      ({ mode } = fstatSync(descriptor));
      text = readFileSync(descriptor, "utf8");
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new LifeboatError("CONFIG_MISSING", `there is no configuration file ${file}`, { cause: error });
    throw new LifeboatError("CONFIG_MISSING", `the configuration file ${file} cannot be read (${code})`, { cause: error });
  }
  return parseConfig(text, { ...request, file, mode });
}

/** Checks the text: CONFIG_INVALID or NAME_INVALID with every problem's place in `details.problems`. */
export function parseConfig(text: string, request: LoadRequest & { readonly file: string; readonly mode?: number }): Config {
  const file = resolve(request.cwd, request.file);
  const directory = dirname(file);
  const shown = relative(request.cwd, file);
  const source = { file: shown === "" || shown.startsWith("..") ? file : shown, text: text.replace(/^\uFEFF/, "") };
  const secrets = new Set<string>();
  let holdsSecret = false;
  const absolute = (path: string): string => resolvePath(path, directory);

  const tree = readTree(source, {
    variable: (name) => request.env[name],
    file: (path) => readSecretFile(absolute(path)),
  });
  for (const secret of tree.secrets) for (const part of secretsOf(secret)) secrets.add(part);

  const schema = schemaOf(root, {
    env: request.env,
    absolute,
    onSecret: (value, given) => {
      const parts = secretsOf(value);
      holdsSecret ||= parts.length > 0 && tree.literals.has(given);
      for (const part of parts) secrets.add(part);
    },
  });
  const parsed = schema.safeParse(tree.value);
  if (!parsed.success) throw configError(explain(parsed.error.issues, root, tree, source, request.env));
  const values = parsed.data as RootValues;

  const faults = faultsOf(values);
  if (faults.length > 0) {
    const code = faults.every((fault) => fault.code === "NAME_INVALID") ? "NAME_INVALID" : "CONFIG_INVALID";
    throw configError(
      faults.map((fault) => problemAt(source, tree.offsetOf(fault.path, fault.part), fault.message)),
      code,
    );
  }
  return Object.defineProperties(values, {
    file: { value: file },
    secrets: { value: [...secrets] },
    exposed: { value: holdsSecret && isExposed(file, request.mode ?? 0o600) },
    source: { value: (name: string) => sourceNamed(values, name) },
  }) as Config;
}

function sourceNamed(values: RootValues, name: string): SourceConfig {
  const source = Object.hasOwn(values.sources, name) ? values.sources[name] : undefined;
  if (source !== undefined) return source;
  const names = Object.keys(values.sources);
  throw new LifeboatError("SOURCE_UNKNOWN", `no source is called "${name}" (there are ${names.join(", ")})${didYouMean(name, names)}`);
}
