// Secrets from files: a file that others can read is refused, for it is no secret any more.
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { LifeboatError } from "../core/errors.ts";

/** A path as written: `~/` is the home folder, a relative one starts at `directory`. */
export function resolvePath(path: string, directory: string): string {
  if (path.startsWith("~/")) return join(homedir(), path.slice(2));
  return isAbsolute(path) ? path : resolve(directory, path);
}

/**
 * The content of a secret's file without its last line end.
 * SECRET_MISSING: not there, not readable, empty, or readable by group or others.
 * Kubernetes and Docker mount secrets read-only for all: those are links or mounts under /run/secrets and /var/run/secrets, and are taken as they are.
 */
export function readSecretFile(path: string): string {
  const refuse = (why: string, hint?: string, cause?: unknown): never => {
    throw new LifeboatError("SECRET_MISSING", `the secret's file ${path} ${why}`, {
      details: { path },
      cause,
      ...(hint === undefined ? {} : { hint }),
    });
  };
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    return refuse((error as NodeJS.ErrnoException).code === "ENOENT" ? "is not there" : "cannot be read", undefined, error);
  }
  try {
    const facts = fstatSync(descriptor);
    if (!facts.isFile()) return refuse("is not a file");
    const mounted = /^(\/var)?\/run\/secrets\//.test(path);
    if (process.platform !== "win32" && !mounted && (facts.mode & 0o077) !== 0) {
      return refuse("can be read by others", `run \`chmod 600 ${path}\``);
    }
    const content = readFileSync(descriptor, "utf8").replace(/\r?\n$/, "");
    return content === "" ? refuse("is empty") : content;
  } finally {
    closeSync(descriptor);
  }
}
