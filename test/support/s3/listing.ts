// Lists of objects and of uploads, page by page.

import type { Answer, ServerContext } from "./context.ts";
import { invalidArgument } from "./errors.ts";
import type { S3Request } from "./request.ts";
import { xmlDocument } from "./xml.ts";

export function listObjects(server: ServerContext, request: S3Request): Answer {
  const prefix = request.query.get("prefix") ?? "";
  const delimiter = request.query.get("delimiter") ?? "";
  const max = pageSize(server, request.query.get("max-keys"));
  const token = request.query.get("continuation-token");
  const after = token === null ? (request.query.get("start-after") ?? "") : Buffer.from(token, "base64url").toString();
  const contents: { key: string; folder: boolean }[] = [];
  let truncated = false;
  const { store, faults } = server;
  for (const key of store.sortedKeys(prefix, faults.ghostFolders && delimiter !== "" ? store.removed : [])) {
    const cut = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    const folder = cut >= 0;
    const entry = folder ? key.slice(0, cut + delimiter.length) : key;
    if (!folder && !store.objects.has(key)) continue; // of an object itself the marker is not listed
    if (Buffer.compare(Buffer.from(entry), Buffer.from(after)) <= 0 || contents.at(-1)?.key === entry) continue;
    if (contents.length === max) {
      truncated = true;
      break;
    }
    contents.push({ key: entry, folder });
  }
  const result = {
    Name: server.bucket,
    Prefix: prefix,
    KeyCount: contents.length,
    MaxKeys: max,
    IsTruncated: truncated,
    NextContinuationToken: truncated ? Buffer.from(contents.at(-1)?.key ?? "").toString("base64url") : undefined,
    Contents: contents.filter((entry) => !entry.folder).map((entry) => objectEntry(server, entry.key)),
    CommonPrefixes: contents.filter((entry) => entry.folder).map((entry) => ({ Prefix: entry.key })),
  };
  return { status: 200, headers: {}, xml: xmlDocument("ListBucketResult", result) };
}

function objectEntry(server: ServerContext, key: string) {
  const object = server.store.get(key);
  return {
    Key: key,
    LastModified: new Date(object.modifiedMs).toISOString(),
    ETag: `"${object.etag}"`,
    Size: object.sizeBytes,
    StorageClass: object.storageClass,
  };
}

export function listUploads(server: ServerContext, request: S3Request): Answer {
  const prefix = request.query.get("prefix") ?? "";
  const keyMarker = request.query.get("key-marker") ?? "";
  const idMarker = request.query.get("upload-id-marker") ?? "";
  const max = pageSize(server, request.query.get("max-uploads"));
  const all = [...server.store.uploads.values()]
    .filter(({ key, id }) => key.startsWith(prefix) && (key > keyMarker || (key === keyMarker && idMarker !== "" && id > idMarker)))
    .sort((one, other) => (one.key === other.key ? (one.id < other.id ? -1 : 1) : one.key < other.key ? -1 : 1));
  const page = all.slice(0, max);
  const last = page.at(-1);
  const truncated = all.length > page.length;
  const result = {
    Bucket: server.bucket,
    Prefix: prefix,
    IsTruncated: truncated,
    NextKeyMarker: truncated ? last?.key : undefined,
    NextUploadIdMarker: truncated ? last?.id : undefined,
    Upload: page.map((upload) => ({ Key: upload.key, UploadId: upload.id, Initiated: new Date(upload.startedMs).toISOString() })),
  };
  return { status: 200, headers: {}, xml: xmlDocument("ListMultipartUploadsResult", result) };
}

function pageSize(server: ServerContext, asked: string | null): number {
  const size = asked === null ? server.pageSize : Number(asked);
  if (!Number.isInteger(size) || size < 0) throw invalidArgument("Argument maxKeys must be an integer between 0 and 2147483647");
  return Math.min(size, server.pageSize);
}
