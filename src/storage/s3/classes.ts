// Storage classes: moving an object to another, and restoring objects from an archive class.
import type { HeadObjectCommandOutput } from "@aws-sdk/client-s3";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { encryptionOf, headOrMissing, type S3Context, STANDARD } from "./context.ts";
import { bareEtag, quotedEtag } from "./etags.ts";

/** Warmest first. https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html */
export const STORAGE_CLASSES = [STANDARD, "INTELLIGENT_TIERING", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"];
export const ARCHIVED_CLASSES = ["GLACIER", "DEEP_ARCHIVE"];

const MAX_COPY_BYTES = 5 * 1024 ** 3; // CopyObject takes no more
const COPY_PART_BYTES = 1024 ** 3;

export function assertStorageClass(storageClass: string | undefined): void {
  if (storageClass !== undefined && !STORAGE_CLASSES.includes(storageClass)) {
    throw new LifeboatError("STORAGE_REFUSED", `${storageClass} is not a storage class; there are ${STORAGE_CLASSES.join(", ")}`);
  }
}

/** Moves by a copy onto itself, of this very version. Objects beyond 5 GiB are copied in parts. A retention lock moves along. */
export async function setStorageClass(s3: S3Context, name: string, storageClass: string, signal: AbortSignal | undefined): Promise<void> {
  assertStorageClass(storageClass);
  const head = await headOrMissing(s3, name, signal);
  if ((head.StorageClass ?? STANDARD) === storageClass) return;
  const maxCopyBytes = s3.options.maxCopyBytes ?? MAX_COPY_BYTES;
  if ((head.ContentLength ?? 0) > maxCopyBytes)
    return copyInParts(s3, name, head, storageClass, Math.min(COPY_PART_BYTES, maxCopyBytes), signal);
  const Key = s3.keyOf(name);
  await s3.caller.call(
    "copyObject",
    () => ({ Key, MetadataDirective: "COPY" as const, ...sourceOf(s3, Key, head), ...newTraits(s3, head, storageClass) }),
    { doing: `moving ${name} to ${storageClass}`, signal, sizeBytes: head.ContentLength ?? 0 },
  );
}

function sourceOf(s3: S3Context, Key: string, head: HeadObjectCommandOutput) {
  return { CopySource: `${s3.caller.bucket}/${Key}`, CopySourceIfMatch: quotedEtag(bareEtag(head.ETag)) };
}

function newTraits(s3: S3Context, head: HeadObjectCommandOutput, storageClass: string) {
  const locked = head.ObjectLockMode !== undefined && head.ObjectLockRetainUntilDate !== undefined;
  return {
    StorageClass: storageClass as "GLACIER",
    ...encryptionOf(s3.options),
    ...(locked ? { ObjectLockMode: head.ObjectLockMode, ObjectLockRetainUntilDate: head.ObjectLockRetainUntilDate } : {}),
  };
}

async function copyInParts(
  s3: S3Context,
  name: string,
  head: HeadObjectCommandOutput,
  storageClass: string,
  partBytes: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const doing = `moving ${name} to ${storageClass}`;
  const Key = s3.keyOf(name);
  const sizeBytes = head.ContentLength ?? 0;
  const traits = { ...newTraits(s3, head, storageClass), ...(head.Metadata === undefined ? {} : { Metadata: head.Metadata }) };
  const { UploadId } = await s3.caller.call("createMultipartUpload", () => ({ Key, ContentType: head.ContentType, ...traits }), {
    doing,
    signal,
  });
  try {
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (let start = 0; start < sizeBytes; start += partBytes) {
      const PartNumber = Parts.length + 1;
      const CopySourceRange = `bytes=${start}-${Math.min(start + partBytes, sizeBytes) - 1}`;
      const input = { Key, UploadId, PartNumber, CopySourceRange, ...sourceOf(s3, Key, head) };
      const { CopyPartResult } = await s3.caller.call("uploadPartCopy", () => input, { doing, signal, sizeBytes: partBytes });
      Parts.push({ PartNumber, ETag: CopyPartResult?.ETag });
    }
    await s3.caller.call("completeMultipartUpload", () => ({ Key, UploadId, MultipartUpload: { Parts } }), { doing });
  } catch (error) {
    // What cannot be aborted now is left to `sweep`; the failure itself is what the caller must hear.
    await s3.caller.call("abortMultipartUpload", () => ({ Key, UploadId }), { doing, attempts: 3 }).catch(() => undefined);
    throw error;
  }
}

/** Asks for an archived object to be readable for so many days; see x-amz-restore in S3's HeadObject. */
export async function thaw(s3: S3Context, name: string, days: number, signal: AbortSignal | undefined): Promise<"ready" | "thawing"> {
  const head = await headOrMissing(s3, name, signal);
  if (!ARCHIVED_CLASSES.includes(head.StorageClass ?? STANDARD)) return "ready";
  const state = /ongoing-request="(true|false)"/.exec(head.Restore ?? "")?.[1];
  if (state !== undefined) return state === "true" ? "thawing" : "ready";
  try {
    const RestoreRequest = { Days: days, GlacierJobParameters: { Tier: "Standard" as const } };
    await s3.caller.call("restoreObject", () => ({ Key: s3.keyOf(name), RestoreRequest }), { doing: `thawing ${name}`, signal });
  } catch (error) {
    if (!isLifeboatError(error) || error.details.s3Code !== "RestoreAlreadyInProgress") throw error; // asked twice at once
  }
  return "thawing";
}
