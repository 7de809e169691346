// Secrets from files. A file that others can read is refused.
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, normalize, resolve } from "node:path";
import { LifeboatError } from "../core/errors.ts";

/** A path as written: `~/` is the home folder, a relative one starts at `directory`. */
export function resolvePath(path: string, directory: string): string {
  if (path.startsWith("~/")) return join(homedir(), path.slice(2));
  return isAbsolute(path) ? path : resolve(directory, path);
}

/**
 * The content of a secret's file without its last line end.
 * SECRET_MISSING: not there, not readable, or empty. SECRET_EXPOSED: readable by group or others.
 */
export function readSecretFile(path: string): string {
  const refuse = (why: string, cause?: unknown): never => {
    throw new LifeboatError("SECRET_MISSING", `the secret's file ${path} ${why}`, {
      details: { path },
      hint: `write the secret to ${path} with mode 0600, or name another file in the configuration`,
      cause,
    });
  };
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    return refuse((error as NodeJS.ErrnoException).code === "ENOENT" ? "is not there" : "cannot be read", error);
  }
  try {
    const facts = fstatSync(descriptor);
    if (!facts.isFile()) return refuse("is not a file");
    if (isExposed(path, facts.mode)) {
      throw new LifeboatError("SECRET_EXPOSED", `the secret's file ${path} can be read by others`, {
        details: { path },
        hint: chmodHint(path),
      });
    }
    const content = readFileSync(descriptor, "utf8").replace(/\r?\n$/, "");
    return content === "" ? refuse("is empty") : content;
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Whether group or others may read a file of that mode. Kubernetes and Docker mount secrets read-only for all: those are links or mounts
 * under /run/secrets and /var/run/secrets, and are taken as they are.
 */
export function isExposed(path: string, mode: number): boolean {
  const mounted = /^(\/var)?\/run\/secrets\//.test(normalize(path));
  return process.platform !== "win32" && !mounted && (mode & 0o077) !== 0;
}

/** A command that can be pasted. */
export const chmodHint = (path: string): string =>
  `run \`chmod 600 ${/^[\w./@:+,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`}\``;
