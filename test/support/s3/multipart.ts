// Multipart uploads.
import { createHash, randomUUID } from "node:crypto";
import { open } from "node:fs/promises";
import type { Answer, ServerContext } from "./context.ts";
import { invalidArgument, noSuchUpload, S3Error } from "./errors.ts";
import { checksumHeaders, copySource, encryptionHeaders, rangeOf } from "./objects.ts";
import { storePayload } from "./payload.ts";
import { conditionsOf, type S3Request, traitsOf } from "./request.ts";
import type { Piece, Upload } from "./store.ts";
import { xmlDocument, xmlElements } from "./xml.ts";

const MAX_PARTS = 10_000;

export function createUpload(server: ServerContext, request: S3Request): Answer {
  const id = randomUUID();
  server.store.uploads.set(id, { id, key: request.key, startedMs: server.now(), traits: traitsOf(request), parts: new Map() });
  return {
    status: 200,
    headers: {},
    xml: xmlDocument("InitiateMultipartUploadResult", { Bucket: server.bucket, Key: request.key, UploadId: id }),
  };
}

function uploadOf(server: ServerContext, request: S3Request): Upload {
  const upload = server.store.uploads.get(request.query.get("uploadId") ?? "");
  if (upload === undefined || upload.key !== request.key) throw noSuchUpload();
  return upload;
}

function partNumberOf(request: S3Request): number {
  const number = Number(request.query.get("partNumber"));
  if (!Number.isInteger(number) || number < 1 || number > MAX_PARTS) {
    throw invalidArgument("Part number must be an integer between 1 and 10000, inclusive");
  }
  return number;
}

export async function uploadPart(server: ServerContext, request: S3Request, payloadHash: string): Promise<Answer> {
  const upload = uploadOf(server, request);
  const number = partNumberOf(request);
  const payload = await storePayload(request.raw, payloadHash, server.store.newPath(), server.takeSpace);
  keepPart(server, upload, number, payload, payload.md5, payload.checksums);
  return { status: 200, headers: { etag: `"${payload.md5}"`, ...encryptionHeaders(upload.traits), ...checksumHeaders(payload.checksums) } };
}

export async function uploadPartCopy(server: ServerContext, request: S3Request): Promise<Answer> {
  const upload = uploadOf(server, request);
  const number = partNumberOf(request);
  const source = copySource(server, request);
  const [start, end] = rangeOf(request.header("x-amz-copy-source-range"), source.sizeBytes) ?? [0, source.sizeBytes - 1];
  const path = server.store.newPath();
  const md5 = createHash("md5");
  const file = await open(path, "wx", 0o600);
  try {
    for await (const chunk of server.store.read(source, start, end)) {
      server.takeSpace(chunk.length);
      md5.update(chunk);
      await file.write(chunk);
    }
  } finally {
    await file.close();
  }
  const etag = md5.digest("hex");
  keepPart(server, upload, number, { path, sizeBytes: end - start + 1 }, etag, {});
  const result = { ETag: `"${etag}"`, LastModified: new Date(server.now()).toISOString() };
  return { status: 200, headers: {}, xml: xmlDocument("CopyPartResult", result) };
}

function keepPart(
  server: ServerContext,
  upload: Upload,
  number: number,
  piece: Piece,
  md5: string,
  checksums: Readonly<Record<string, string>>,
): void {
  const before = upload.parts.get(number);
  if (before !== undefined) server.store.dropPieces([before]);
  if (!server.store.uploads.has(upload.id)) {
    server.store.dropPieces([piece]); // aborted while the part was on its way
    throw noSuchUpload();
  }
  upload.parts.set(number, { path: piece.path, sizeBytes: piece.sizeBytes, md5, modifiedMs: server.now(), checksums });
}

export function completeUpload(server: ServerContext, request: S3Request, body: string): Answer {
  const conditions = conditionsOf(request, server.faults.conditionalWrites);
  const upload = uploadOf(server, request);
  const wanted = xmlElements(body, "Part").map((part) => ({
    number: Number(xmlElements(part, "PartNumber")[0]),
    etag: (xmlElements(part, "ETag")[0] ?? "").replace(/"/g, ""),
    crc32: xmlElements(part, "ChecksumCRC32")[0],
  }));
  if (wanted.length === 0) throw new S3Error(400, "MalformedXML", "The XML you provided was not well-formed");
  const parts = wanted.map(({ number, etag, crc32 }, index) => {
    if (index > 0 && number <= (wanted[index - 1]?.number ?? 0)) {
      throw new S3Error(400, "InvalidPartOrder", "The list of parts was not in ascending order.");
    }
    const part = upload.parts.get(number);
    if (part === undefined || part.md5 !== etag || (crc32 !== undefined && crc32 !== part.checksums.crc32)) {
      throw new S3Error(400, "InvalidPart", "One or more of the specified parts could not be found.");
    }
    if (index < wanted.length - 1 && part.sizeBytes < server.minPartBytes) {
      throw new S3Error(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size");
    }
    return part;
  });
  const md5 = createHash("md5");
  for (const part of parts) md5.update(part.md5, "hex");
  const etag = `${md5.digest("hex")}-${parts.length}`;
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  server.store.commit({ ...upload.traits, key: upload.key, pieces: parts, sizeBytes, etag, checksums: {} }, conditions);
  server.store.uploads.delete(upload.id);
  const used = new Set(parts);
  server.store.dropPieces([...upload.parts.values()].filter((part) => !used.has(part)));
  const result = { Location: `/${server.bucket}/${upload.key}`, Bucket: server.bucket, Key: upload.key, ETag: `"${etag}"` };
  return { status: 200, headers: encryptionHeaders(upload.traits), xml: xmlDocument("CompleteMultipartUploadResult", result) };
}

export function abortUpload(server: ServerContext, request: S3Request): Answer {
  const upload = uploadOf(server, request);
  server.store.uploads.delete(upload.id);
  server.store.dropPieces(upload.parts.values());
  return { status: 204, headers: {} };
}

export function listParts(server: ServerContext, request: S3Request): Answer {
  const upload = uploadOf(server, request);
  const after = Number(request.query.get("part-number-marker") ?? 0);
  const max = Math.min(Number(request.query.get("max-parts") ?? 1000), 1000);
  const all = [...upload.parts].sort(([one], [other]) => one - other).filter(([number]) => number > after);
  const page = all.slice(0, max);
  const result = {
    Bucket: server.bucket,
    Key: upload.key,
    UploadId: upload.id,
    IsTruncated: all.length > page.length,
    NextPartNumberMarker: page.at(-1)?.[0] ?? 0,
    Part: page.map(([number, part]) => ({
      PartNumber: number,
      ETag: `"${part.md5}"`,
      Size: part.sizeBytes,
      LastModified: new Date(part.modifiedMs).toISOString(),
    })),
  };
  return { status: 200, headers: {}, xml: xmlDocument("ListPartsResult", result) };
}
