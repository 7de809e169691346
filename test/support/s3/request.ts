// One parsed request: operation, key, headers and parameters.
import type { IncomingMessage } from "node:http";
import { invalidArgument, S3Error } from "./errors.ts";
import type { Operation } from "./faults.ts";
import type { Conditions, ObjectTraits } from "./store.ts";

export interface S3Request {
  readonly operation: Operation;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly raw: IncomingMessage;
  header(name: string): string | undefined;
}

export function understand(raw: IncomingMessage): S3Request {
  const url = new URL(raw.url ?? "/", "http://localhost");
  const [, bucket = "", ...rest] = url.pathname.split("/");
  const key = decodeURIComponent(rest.join("/"));
  const header = (name: string): string | undefined => {
    const value = raw.headers[name];
    return Array.isArray(value) ? value.join(",") : value;
  };
  const copy = header("x-amz-copy-source") !== undefined;
  return { operation: operationOf(raw.method ?? "", key, url.searchParams, copy), bucket, key, query: url.searchParams, raw, header };
}

function operationOf(method: string, key: string, query: URLSearchParams, copy: boolean): Operation {
  if (key === "") {
    if (method === "HEAD") return "HeadBucket";
    if (method === "GET") return query.has("uploads") ? "ListMultipartUploads" : "ListObjectsV2";
  } else {
    if (method === "GET") return query.has("uploadId") ? "ListParts" : "GetObject";
    if (method === "HEAD") return "HeadObject";
    if (method === "DELETE") return query.has("uploadId") ? "AbortMultipartUpload" : "DeleteObject";
    if (method === "POST" && query.has("uploads")) return "CreateMultipartUpload";
    if (method === "POST" && query.has("uploadId")) return "CompleteMultipartUpload";
    if (method === "POST" && query.has("restore")) return "RestoreObject";
    if (method === "PUT" && query.has("uploadId")) return copy ? "UploadPartCopy" : "UploadPart";
    if (method === "PUT") return copy ? "CopyObject" : "PutObject";
  }
  throw new S3Error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
}

const CLASSES = ["STANDARD", "INTELLIGENT_TIERING", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"];

export function traitsOf(request: S3Request): ObjectTraits {
  const storageClass = request.header("x-amz-storage-class") ?? "STANDARD";
  if (!CLASSES.includes(storageClass)) throw new S3Error(400, "InvalidStorageClass", "The storage class you specified is not valid");
  const algorithm = request.header("x-amz-server-side-encryption");
  if (algorithm !== undefined && algorithm !== "AES256" && algorithm !== "aws:kms") {
    throw invalidArgument("The encryption method specified is not supported");
  }
  const mode = request.header("x-amz-object-lock-mode");
  const until = Date.parse(request.header("x-amz-object-lock-retain-until-date") ?? "");
  if (mode !== undefined && (!["COMPLIANCE", "GOVERNANCE"].includes(mode) || Number.isNaN(until))) {
    throw invalidArgument("Unknown wormMode or retain until date");
  }
  return {
    metadata: Object.fromEntries(
      Object.entries(request.raw.headers).flatMap(([name, value]) =>
        name.startsWith("x-amz-meta-") ? [[name.slice(11), String(value)]] : [],
      ),
    ),
    contentType: request.header("content-type") ?? "application/octet-stream",
    storageClass,
    lock: mode === undefined ? undefined : { mode, untilMs: until },
    encryption: algorithm === undefined ? undefined : { algorithm, keyId: request.header("x-amz-server-side-encryption-aws-kms-key-id") },
  };
}

/** The conditions of a write; by the server's faults they are refused or ignored. */
export function conditionsOf(request: S3Request, mood: "honour" | "refuse" | "ignore"): Conditions {
  const ifNoneMatch = request.header("if-none-match");
  const ifMatch = request.header("if-match")?.replace(/^"|"$/g, "");
  if ((ifNoneMatch === undefined && ifMatch === undefined) || mood === "ignore") return {};
  if (mood === "refuse" || (ifNoneMatch !== undefined && ifNoneMatch !== "*")) {
    throw new S3Error(501, "NotImplemented", "A header you provided implies functionality that is not implemented");
  }
  return { ifNoneMatch, ifMatch };
}
