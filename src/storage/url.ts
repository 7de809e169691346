// What a repository URL says about the storage: `file:///var/lib/lifeboat`, `s3://bucket/prefix?region=eu-central-1`.
import { fileURLToPath } from "node:url";
import { LifeboatError } from "../core/errors.ts";

export interface FileLocation {
  readonly kind: "file";
  /** Absolute path. */
  readonly directory: string;
}

export interface S3Location {
  readonly kind: "s3";
  readonly bucket: string;
  /** Without "/" at its ends; "" for the whole bucket. */
  readonly prefix: string;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  /** True wherever an endpoint is given, unless told otherwise: few servers but AWS answer to a host name per bucket. */
  readonly forcePathStyle?: boolean | undefined;
  readonly serverSideEncryption?: "AES256" | "aws:kms" | undefined;
  readonly kmsKeyId?: string | undefined;
  readonly objectLock?: { readonly mode: "COMPLIANCE" | "GOVERNANCE" } | undefined;
}

export type StorageLocation = FileLocation | S3Location;

const PARAMETERS = ["region", "endpoint", "pathStyle", "sse", "kmsKeyId", "objectLock"] as const;
type Parameter = (typeof PARAMETERS)[number];

/** Throws CONFIG_INVALID with what is wrong; never repeats a password that was put into the URL. */
export function parseStorageUrl(text: string): StorageLocation {
  let url: URL;
  try {
    url = new URL(text);
  } catch (error) {
    const hint = text.startsWith("/") ? `; did you mean file://${text}?` : "";
    throw invalid(`${shown(text)} is not a URL${hint}`, error);
  }
  if (url.username !== "" || url.password !== "") {
    throw invalid("a storage URL carries no credentials: leave them to AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile");
  }
  if (url.hash !== "") throw invalid(`the storage URL ${shown(text)} has a "#" part, which means nothing here`);
  if (url.protocol === "file:") return fileLocation(url, text);
  if (url.protocol === "s3:") return s3Location(url, text);
  throw invalid(`the storage URL ${shown(text)} begins with ${url.protocol}, not with file: or s3:`);
}

function fileLocation(url: URL, text: string): FileLocation {
  if (url.hostname !== "" && url.hostname !== "localhost") {
    throw invalid(`${shown(text)} names the host ${url.hostname}; a directory on this machine has three slashes: file:///directory`);
  }
  if (url.search !== "") throw invalid(`${shown(text)} has parameters, which a directory does not take`);
  try {
    return { kind: "file", directory: fileURLToPath(url) };
  } catch (error) {
    throw invalid(`${shown(text)} is not the URL of a directory`, error);
  }
}

function s3Location(url: URL, text: string): S3Location {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(url.hostname) || url.port !== "") {
    throw invalid(`${shown(text)} names no bucket: s3://BUCKET/PREFIX, the bucket in lower-case letters, digits, dots and dashes`);
  }
  const prefix = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, "");
  if (prefix !== "" && !prefix.split("/").every((segment) => /^[A-Za-z0-9._-]+$/.test(segment) && segment !== "." && segment !== "..")) {
    throw invalid(`the prefix in ${shown(text)} may hold letters, digits, dots, dashes, underscores, and single slashes between them`);
  }
  const given = parametersOf(url, text);
  const endpoint = given.get("endpoint");
  if (endpoint !== undefined && !isHttpUrl(endpoint))
    throw invalid(`endpoint=${shown(endpoint)} is not an http or https address without credentials`);
  const pathStyle = oneOf(given, "pathStyle", ["true", "false"]);
  const forcePathStyle = pathStyle === undefined ? endpoint !== undefined : pathStyle === "true";
  const serverSideEncryption = oneOf(given, "sse", ["AES256", "aws:kms"]);
  const kmsKeyId = given.get("kmsKeyId");
  if (kmsKeyId !== undefined && serverSideEncryption !== "aws:kms") throw invalid("kmsKeyId is used only with sse=aws:kms");
  const mode = oneOf(given, "objectLock", ["COMPLIANCE", "GOVERNANCE"]);
  return {
    kind: "s3",
    bucket: url.hostname,
    prefix,
    region: given.get("region"),
    endpoint,
    forcePathStyle,
    serverSideEncryption,
    kmsKeyId,
    objectLock: mode === undefined ? undefined : { mode },
  };
}

function parametersOf(url: URL, text: string): Map<Parameter, string> {
  const given = new Map<Parameter, string>();
  for (const [name, value] of url.searchParams) {
    const known = PARAMETERS.find((parameter) => parameter === name);
    if (known === undefined) {
      const near = PARAMETERS.find((parameter) => parameter.toLowerCase() === name.toLowerCase());
      const hint = near === undefined ? `there are ${PARAMETERS.join(", ")}` : `did you mean ${near}?`;
      throw invalid(`${shown(text)} has a parameter ${JSON.stringify(name)} that means nothing here; ${hint}`);
    }
    if (value === "") throw invalid(`the parameter ${known} of ${shown(text)} is empty`);
    if (given.has(known)) throw invalid(`the parameter ${known} of ${shown(text)} is given twice`);
    given.set(known, value);
  }
  return given;
}

function oneOf<T extends string>(given: ReadonlyMap<Parameter, string>, name: Parameter, values: readonly T[]): T | undefined {
  const value = given.get(name);
  if (value === undefined) return undefined;
  const found = values.find((each) => each === value);
  if (found === undefined) throw invalid(`${name}=${shown(value)} is none of ${values.join(", ")}`);
  return found;
}

function isHttpUrl(text: string): boolean {
  try {
    const url = new URL(text);
    return ["http:", "https:"].includes(url.protocol) && url.username === "" && url.password === "";
  } catch {
    return false;
  }
}

/** The text for a message: whatever stands before an "@" might be a password. */
function shown(text: string): string {
  return JSON.stringify(text.replace(/\/\/[^/]*@/, "//…@"));
}

function invalid(message: string, cause?: unknown): LifeboatError {
  return new LifeboatError("CONFIG_INVALID", message, { cause });
}
