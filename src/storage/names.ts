// Names of objects, as the storage port defines them: "/"-separated segments of [A-Za-z0-9._-], never "." or "..".
import { LifeboatError } from "../core/errors.ts";

const SEGMENT = /^[A-Za-z0-9._-]{1,255}$/;
const MAX_LENGTH = 1024; // S3's limit for keys, in bytes; names are ASCII

/** Refuses (NAME_INVALID) what the port does not allow, before it can mean anything to a file system or a server. */
export function assertObjectName(name: string): void {
  if (name.length > MAX_LENGTH || !name.split("/").every(isSegment)) {
    throw new LifeboatError("NAME_INVALID", `${JSON.stringify(name)} is not a name for a stored object`);
  }
}

/** The same for a prefix, whose last segment may be unfinished or missing. */
export function assertObjectPrefix(prefix: string): void {
  const segments = prefix.split("/");
  const last = segments.pop() ?? "";
  const lastIsFine = last === "" || last === "." || last === ".." || SEGMENT.test(last);
  if (prefix.length > MAX_LENGTH || !lastIsFine || !segments.every(isSegment)) {
    throw new LifeboatError("NAME_INVALID", `${JSON.stringify(prefix)} is not a prefix of names of stored objects`);
  }
}

/** The same for a prefix that stands for a folder: empty, or ending in "/". */
export function assertFolderPrefix(prefix: string): void {
  assertObjectPrefix(prefix);
  if (prefix !== "" && !prefix.endsWith("/")) {
    throw new LifeboatError("NAME_INVALID", `${JSON.stringify(prefix)} is not a folder: it does not end in "/"`);
  }
}

function isSegment(segment: string): boolean {
  return SEGMENT.test(segment) && segment !== "." && segment !== "..";
}
