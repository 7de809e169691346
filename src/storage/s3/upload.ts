// A multipart upload of our own: parts in parallel, committed in one act, aborted whenever anything goes wrong.
import { createHash } from "node:crypto";
import type { CompletedPart } from "@aws-sdk/client-s3";
import { asLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { PutOptions } from "../../ports/storage.ts";
import { throwIfCancelled } from "../deadline.ts";
import { conditionsOf, headObject, type S3Context, traitsOf } from "./context.ts";
import { bareEtag } from "./etags.ts";
import { commitGraceMs, conflictOf, md5Of, settle, type Written } from "./outcome.ts";
import type { Part } from "./spool.ts";

/** `stop` is aborted with the first cause; its signal also ends the drawing of the body that `rest` is cut from. */
export async function uploadParts(
  s3: S3Context,
  name: string,
  first: Part,
  rest: AsyncGenerator<Part>,
  options: PutOptions,
  token: string,
  stop: AbortController,
): Promise<Written> {
  const doing = `writing ${name}`;
  const Key = s3.keyOf(name);
  const { signal } = stop;
  let UploadId: string | undefined;
  const underway = new Set<Promise<void>>();
  try {
    await refuseEarly(s3, name, options, signal);
    const created = await s3.caller.call(
      "createMultipartUpload",
      (checksums) => ({ Key, ...traitsOf(s3.options, options, token), ...(checksums ? { ChecksumAlgorithm: "CRC32" as const } : {}) }),
      { doing, signal },
    );
    UploadId = created.UploadId;
    if (UploadId === undefined) throw new LifeboatError("STORAGE_FAILED", `${doing}: ${s3.caller.url} began no upload`);
    const stored: CompletedPart[] = [];
    let sizeBytes = 0;
    const begin = (part: Part, id: string): void => {
      sizeBytes += part.sizeBytes;
      const upload = uploadPart(s3, Key, id, part, signal)
        .then((completed) => {
          stored.push(completed);
        })
        .catch((error: unknown) => stop.abort(asLifeboatError(error))) // the first cause ends everything else
        .finally(() => part.release());
      underway.add(upload);
      upload.finally(() => underway.delete(upload)).catch(() => undefined); // release's error is met below
    };
    begin(first, UploadId);
    for await (const part of rest) {
      begin(part, UploadId);
      while (underway.size >= s3.concurrency) await Promise.race(underway);
      throwIfCancelled(signal);
    }
    await Promise.all(underway);
    throwIfCancelled(signal);
    stored.sort((one, other) => (one.PartNumber ?? 0) - (other.PartNumber ?? 0));
    const etag = await complete(s3, name, UploadId, stored, options, token, signal);
    return { etag, sizeBytes };
  } catch (error) {
    const cause = signal.aborted ? signal.reason : error;
    stop.abort(asLifeboatError(cause));
    if (UploadId === undefined) await first.release();
    await Promise.allSettled(underway); // a part that lands after the abort would stay
    if (UploadId !== undefined) await abandon(s3, Key, UploadId, name);
    throw cause;
  }
}

/** A lost race is told before terabytes are sent, where it already shows; the commit decides anyway. */
async function refuseEarly(s3: S3Context, name: string, options: PutOptions, signal: AbortSignal): Promise<void> {
  if (options.ifAbsent !== true && options.ifMatch === undefined) return;
  if (options.ifMatch !== undefined) await s3.proof.assure("put", signal); // tells how an etag must look
  await s3.proof.assure("complete", signal);
  const head = await headObject(s3, name, signal);
  if (options.ifAbsent === true && head !== undefined) throw new LifeboatError("STORAGE_CONFLICT", `${name} exists already`);
  if (options.ifMatch !== undefined && bareEtag(head?.ETag) !== options.ifMatch) {
    throw new LifeboatError("STORAGE_CONFLICT", `${name} ${head === undefined ? "is gone" : "was replaced by another writer"}`);
  }
}

async function uploadPart(s3: S3Context, Key: string, UploadId: string, part: Part, signal: AbortSignal): Promise<CompletedPart> {
  const { number: PartNumber, sizeBytes } = part;
  // Only where nothing newer is known: MD5 costs more than everything else a part goes through.
  const md5 = s3.caller.takesChecksums() ? undefined : await md5OfPart(part);
  const answer = await s3.caller.call(
    "uploadPart",
    (checksums) => ({
      Key,
      UploadId,
      PartNumber,
      Body: part.body(),
      ContentLength: sizeBytes,
      ...(checksums ? { ChecksumCRC32: part.crc32 } : md5 === undefined ? {} : { ContentMD5: md5 }),
    }),
    { doing: `writing part ${PartNumber} of ${Key}`, signal, sizeBytes },
  );
  return { PartNumber, ETag: answer.ETag, ...(answer.ChecksumCRC32 === undefined ? {} : { ChecksumCRC32: answer.ChecksumCRC32 }) };
}

async function md5OfPart(part: Part): Promise<string> {
  const body = part.body();
  if (body instanceof Uint8Array) return md5Of(body);
  const hash = createHash("md5");
  for await (const chunk of body) hash.update(chunk as Uint8Array);
  return hash.digest("base64");
}

/** The commit. A signal is given some seconds' grace: cut off in the middle, it may or may not have been done. */
async function complete(
  s3: S3Context,
  name: string,
  UploadId: string,
  parts: readonly CompletedPart[],
  options: PutOptions,
  token: string,
  signal: AbortSignal,
): Promise<string> {
  try {
    const { ETag } = await s3.caller.call(
      "completeMultipartUpload",
      () => ({ Key: s3.keyOf(name), UploadId, MultipartUpload: { Parts: [...parts] }, ...conditionsOf(s3, options) }),
      { doing: `writing ${name}`, signal, graceMs: commitGraceMs(s3.options) },
    );
    return bareEtag(ETag);
  } catch (error) {
    return settle(s3, name, token, conflictOf(error, options), signal);
  }
}

/** Ends an upload that failed. What cannot be ended now is left to `sweep`: the failure itself is what the caller must hear. */
async function abandon(s3: S3Context, Key: string, UploadId: string, name: string): Promise<void> {
  await s3.caller
    .call("abortMultipartUpload", () => ({ Key, UploadId }), { doing: `giving up ${name}`, attempts: 3 })
    .catch(() => undefined);
}
