// What the file system says, in our words.
import { type ErrorCode, LifeboatError } from "../../core/errors.ts";

const CODES: Readonly<Record<string, readonly [code: ErrorCode, words: string, hint?: string]>> = {
  ENOSPC: ["STORAGE_FULL", "no space is left"],
  EDQUOT: ["STORAGE_FULL", "the disk quota is used up"],
  EFBIG: ["STORAGE_FULL", "the file would be larger than the file system or the process's limit allows"],
  EACCES: ["STORAGE_AUTH", "permission denied"],
  EPERM: ["STORAGE_AUTH", "operation not permitted"],
  EROFS: ["STORAGE_REFUSED", "the file system is read-only", "mount it writable; restore, drill and verify read it as it is"],
  ENAMETOOLONG: ["NAME_INVALID", "the name is too long for this file system"],
  EEXIST: ["STORAGE_REFUSED", "an object and a folder cannot have the same name on disk"], // a folder to be made is a file
  ENOTDIR: ["STORAGE_REFUSED", "an object and a folder cannot have the same name on disk"],
  EISDIR: ["STORAGE_REFUSED", "an object and a folder cannot have the same name on disk"],
  ETIMEDOUT: ["STORAGE_TIMEOUT", "the file system did not answer"],
  ESTALE: ["STORAGE_UNREACHABLE", "the network file system lost the file"],
  EHOSTDOWN: ["STORAGE_UNREACHABLE", "the network file system cannot be reached"],
};

export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Any thrown value as a LifeboatError; `doing` says what was being done to what: `writing jobs/1.json in /var/lib/lifeboat`. */
export function translated(error: unknown, doing: string): Error {
  if (error instanceof LifeboatError) return error;
  const errno = errnoOf(error);
  if (errno === undefined) return error instanceof Error ? error : new Error(String(error));
  const [code, words, hint] = CODES[errno] ?? ["STORAGE_FAILED", errno];
  return new LifeboatError(code, `${doing}: ${words}`, { cause: error, ...(hint && { hint }), details: { errno } });
}
