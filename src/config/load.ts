// The configuration file, read and checked. What a command does not need is not asked for: see `Config`.
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { LifeboatError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { DESCRIPTORS } from "../descriptors.ts";
import type { Descriptors } from "../ports/descriptor.ts";
import { configError, problemAt } from "./position.ts";
import { readValues } from "./read.ts";
import { secretsOf } from "./redact.ts";
import { isExposed, readSecretFile, resolvePath } from "./secret-file.ts";
import { faultsOf } from "./semantics.ts";
import { type RootValues, rootOf } from "./tables/root.ts";
import type { SourceConfig } from "./tables/sources.ts";
import { readTree } from "./tree.ts";

export const DEFAULT_FILE = "lifeboat.yaml";

/**
 * A checked configuration. Secrets, and what says where a source is, are read when a command uses them: `list` works without the identity, a
 * backup of one source without the password of another.
 */
export interface Config extends RootValues {
  /** Absolute path of the file. */
  readonly file: string;
  /** The providers and storages that it can name. */
  readonly descriptors: Descriptors;
  /** Every secret that was read, for redaction. */
  readonly secrets: readonly string[];
  /** The file itself holds a secret, and others than its owner can read it. */
  readonly exposed: boolean;
  /** Of the file's text. */
  readonly digest: string;
  /** The source of that name, or SOURCE_UNKNOWN with the nearest one. */
  source(name: string): SourceConfig;
}

export interface LoadRequest {
  /** Default: `lifeboat.yaml` in `cwd`. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Default: all. */
  readonly descriptors?: Descriptors | undefined;
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

/** Checks the text: SECRET_MISSING for a variable that every command needs, CONFIG_INVALID or NAME_INVALID with every problem's place in `details.problems`. */
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

  const descriptors = request.descriptors ?? DESCRIPTORS;
  const { value: values, problems } = readValues(rootOf(descriptors), tree, source, {
    env: request.env,
    absolute,
    onSecret: (value, literal) => {
      const parts = secretsOf(value);
      holdsSecret ||= parts.length > 0 && literal;
      for (const part of parts) secrets.add(part);
    },
  });
  if (problems.length > 0) throw configError(problems);

  const faults = faultsOf(values, descriptors);
  if (faults.length > 0) {
    const code = faults.every((fault) => fault.code === "NAME_INVALID") ? "NAME_INVALID" : "CONFIG_INVALID";
    throw configError(
      faults.map((fault) => problemAt(source, tree.offsetOf(fault.path, fault.part), fault.message)),
      code,
    );
  }
  return {
    ...values,
    file,
    descriptors,
    secrets: [...secrets],
    digest: createHash("sha256").update(text).digest("base64url"),
    exposed: holdsSecret && isExposed(file, request.mode ?? 0o600),
    source: (name) => sourceNamed(values, name),
  };
}

function sourceNamed(values: RootValues, name: string): SourceConfig {
  const source = Object.hasOwn(values.sources, name) ? values.sources[name] : undefined;
  if (source !== undefined) return source;
  const names = Object.keys(values.sources);
  throw new LifeboatError("SOURCE_UNKNOWN", `no source is called "${name}" (there are ${names.join(", ")})${didYouMean(name, names)}`);
}
