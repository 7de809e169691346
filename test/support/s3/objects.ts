// Operations on whole objects.
import { link } from "node:fs/promises";
import type { Answer, ServerContext } from "./context.ts";
import { invalidArgument, S3Error } from "./errors.ts";
import { storePayload } from "./payload.ts";
import { conditionsOf, type S3Request, traitsOf } from "./request.ts";
import type { Piece, StoredObject } from "./store.ts";
import { xmlDocument, xmlElements } from "./xml.ts";

const DAY_MS = 86_400_000;
const ARCHIVED = ["GLACIER", "DEEP_ARCHIVE"];

export async function putObject(server: ServerContext, request: S3Request, payloadHash: string): Promise<Answer> {
  const conditions = conditionsOf(request, server.faults.conditionalWrites);
  const traits = traitsOf(request);
  const payload = await storePayload(request.raw, payloadHash, server.store.newPath(), server.takeSpace);
  const { sizeBytes, checksums, md5 } = payload;
  try {
    const stored = server.store.commit({ ...traits, key: request.key, pieces: [payload], sizeBytes, etag: md5, checksums }, conditions);
    return { status: 200, headers: { etag: `"${md5}"`, ...encryptionHeaders(stored), ...checksumHeaders(checksums) } };
  } catch (error) {
    server.store.dropPieces([payload]);
    throw error;
  }
}

export function headObject(server: ServerContext, request: S3Request): Answer {
  return { status: 200, headers: objectHeaders(server, server.store.get(request.key)) };
}

export function getObject(server: ServerContext, request: S3Request): Answer {
  const object = server.store.get(request.key);
  const ifMatch = request.header("if-match");
  if (ifMatch !== undefined && ifMatch.replace(/^"|"$/g, "") !== object.etag) {
    throw new S3Error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
  }
  if (ARCHIVED.includes(object.storageClass) && !isThawed(server, object)) {
    throw new S3Error(403, "InvalidObjectState", "The operation is not valid for the object's storage class");
  }
  const headers = objectHeaders(server, object);
  const range = rangeOf(request.header("range"), object.sizeBytes);
  if (range === undefined) return { status: 200, headers, body: server.store.read(object, 0, object.sizeBytes - 1) };
  const [start, end] = range;
  return {
    status: 206,
    headers: { ...headers, "content-length": String(end - start + 1), "content-range": `bytes ${start}-${end}/${object.sizeBytes}` },
    body: server.store.read(object, start, end),
  };
}

/** First and last byte of a Range header, or undefined when there is none. */
export function rangeOf(header: string | undefined, sizeBytes: number): readonly [number, number] | undefined {
  if (header === undefined) return undefined;
  const match = /^bytes=(\d+)-(\d*)$/.exec(header);
  if (match === null) return undefined; // S3 ignores ranges it does not understand
  const start = Number(match[1]);
  const end = Math.min(match[2] === "" ? Number.POSITIVE_INFINITY : Number(match[2]), sizeBytes - 1);
  if (start > end) {
    throw new S3Error(416, "InvalidRange", "The requested range is not satisfiable", { "content-range": `bytes */${sizeBytes}` });
  }
  return [start, end];
}

export function deleteObject(server: ServerContext, request: S3Request): Answer {
  server.store.delete(request.key);
  return { status: 204, headers: {} };
}

/** The object named by x-amz-copy-source, readable and as the conditions require. */
export function copySource(server: ServerContext, request: S3Request): StoredObject {
  const [bucket, ...key] = decodeURIComponent(request.header("x-amz-copy-source") ?? "")
    .replace(/^\//, "")
    .split("/");
  if (bucket !== server.bucket) throw new S3Error(404, "NoSuchBucket", "The specified bucket does not exist");
  const source = server.store.get(key.join("/"));
  const ifMatch = request.header("x-amz-copy-source-if-match");
  if (ifMatch !== undefined && ifMatch.replace(/^"|"$/g, "") !== source.etag) throw new S3Error(412, "PreconditionFailed", "If-Match");
  if (ARCHIVED.includes(source.storageClass) && !isThawed(server, source)) {
    throw new S3Error(403, "InvalidObjectState", "Operation is not valid for the source object's storage class");
  }
  return source;
}

export async function copyObject(server: ServerContext, request: S3Request): Promise<Answer> {
  const source = copySource(server, request);
  if (source.sizeBytes > server.maxCopyBytes) throw invalidArgument("The specified copy source is larger than the maximum allowable size");
  const wanted = traitsOf(request);
  const traits = request.header("x-amz-metadata-directive") === "REPLACE" ? wanted : { ...wanted, metadata: source.metadata };
  const pieces: Piece[] = [];
  for (const piece of source.pieces) {
    const path = server.store.newPath();
    await link(piece.path, path);
    server.takeSpace(piece.sizeBytes);
    pieces.push({ path, sizeBytes: piece.sizeBytes });
  }
  const { etag, checksums, sizeBytes } = source;
  const stored = server.store.commit({ ...traits, key: request.key, pieces, sizeBytes, etag, checksums }, {});
  const result = { ETag: `"${etag}"`, LastModified: new Date(stored.modifiedMs).toISOString() };
  return { status: 200, headers: encryptionHeaders(stored), xml: xmlDocument("CopyObjectResult", result) };
}

export async function restoreObject(server: ServerContext, request: S3Request, body: string): Promise<Answer> {
  const object = server.store.get(request.key);
  if (!ARCHIVED.includes(object.storageClass)) {
    throw new S3Error(403, "InvalidObjectState", "Restore is not allowed for the object's current storage class");
  }
  const days = Number(xmlElements(body, "Days")[0]);
  if (!(days >= 1)) throw new S3Error(400, "MalformedXML", "The XML you provided was not well-formed");
  const now = server.now();
  const { thaw } = object;
  if (thaw !== undefined && thaw.readyMs > now) {
    throw new S3Error(409, "RestoreAlreadyInProgress", "Object restore is already in progress");
  }
  const again = isThawed(server, object);
  const readyMs = again && thaw !== undefined ? thaw.readyMs : now + server.thawMs;
  server.store.update({ ...object, thaw: { readyMs, untilMs: Math.max(now, readyMs) + days * DAY_MS } });
  return { status: again ? 200 : 202, headers: {} };
}

function isThawed(server: ServerContext, { thaw }: StoredObject): boolean {
  return thaw !== undefined && thaw.readyMs <= server.now() && server.now() < thaw.untilMs;
}

export function encryptionHeaders({ encryption }: Pick<StoredObject, "encryption">): Record<string, string> {
  if (encryption === undefined) return {};
  return {
    "x-amz-server-side-encryption": encryption.algorithm,
    ...(encryption.keyId === undefined ? {} : { "x-amz-server-side-encryption-aws-kms-key-id": encryption.keyId }),
  };
}

export function checksumHeaders(checksums: StoredObject["checksums"]): Record<string, string> {
  return Object.fromEntries(Object.entries(checksums).map(([name, value]) => [`x-amz-checksum-${name}`, value]));
}

function objectHeaders(server: ServerContext, object: StoredObject): Record<string, string> {
  const { thaw, lock } = object;
  const headers: Record<string, string> = {
    "content-length": String(object.sizeBytes),
    "content-type": object.contentType,
    "last-modified": new Date(object.modifiedMs).toUTCString(),
    etag: `"${object.etag}"`,
    "accept-ranges": "bytes",
    ...encryptionHeaders(object),
  };
  for (const [name, value] of Object.entries(object.metadata)) headers[`x-amz-meta-${name}`] = value;
  if (object.storageClass !== "STANDARD") headers["x-amz-storage-class"] = object.storageClass;
  if (thaw !== undefined && server.now() < thaw.untilMs) {
    const expiry = new Date(thaw.untilMs).toUTCString();
    headers["x-amz-restore"] = thaw.readyMs > server.now() ? 'ongoing-request="true"' : `ongoing-request="false", expiry-date="${expiry}"`;
  }
  if (lock !== undefined) {
    headers["x-amz-object-lock-mode"] = lock.mode;
    headers["x-amz-object-lock-retain-until-date"] = new Date(lock.untilMs).toISOString();
  }
  return headers;
}
