// Lists of objects, of folders, and of unfinished uploads.
import { isLifeboatError } from "../../core/errors.ts";
import type { ObjectInfo } from "../../ports/storage.ts";
import { type S3Context, STANDARD } from "./context.ts";
import { bareEtag } from "./etags.ts";

interface Asked {
  readonly signal?: AbortSignal | undefined;
}

/** Objects under the prefix, in S3's order, which for our names is the order of strings. */
export async function* listObjects(s3: S3Context, prefix: string, { signal }: Asked): AsyncGenerator<ObjectInfo> {
  const base = s3.keyOf("").length;
  for await (const page of pages(s3, prefix, undefined, signal)) {
    for (const { Key, Size, LastModified, ETag, StorageClass } of page.Contents ?? []) {
      if (Key === undefined || Key.endsWith("/")) continue; // some tools put a placeholder for a folder
      yield {
        name: Key.slice(base),
        sizeBytes: Size ?? 0,
        modifiedAt: wholeSeconds(LastModified),
        etag: bareEtag(ETag),
        storageClass: StorageClass ?? STANDARD,
      };
    }
  }
}

export async function* listFolderNames(s3: S3Context, prefix: string, { signal }: Asked): AsyncGenerator<string> {
  const base = s3.keyOf(prefix).length;
  for await (const page of pages(s3, prefix, "/", signal)) {
    for (const { Prefix } of page.CommonPrefixes ?? []) if (Prefix !== undefined) yield Prefix.slice(base, -1);
  }
}

async function* pages(s3: S3Context, prefix: string, Delimiter: string | undefined, signal: AbortSignal | undefined) {
  let ContinuationToken: string | undefined;
  do {
    const page = await s3.caller.call(
      "listObjects",
      () => ({
        Prefix: s3.keyOf(prefix),
        ...(Delimiter === undefined ? {} : { Delimiter }),
        ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
      }),
      { doing: `listing ${prefix}`, signal },
    );
    yield page;
    ContinuationToken = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (ContinuationToken !== undefined);
}

/** Some servers list milliseconds which their HeadObject cannot say. */
function wholeSeconds(at: Date | undefined): Date {
  return new Date(Math.floor((at?.getTime() ?? 0) / 1000) * 1000);
}

/** Aborts uploads that have seen neither their start nor a part since; returns how many. */
export async function sweepUploads(s3: S3Context, prefix: string, since: Date, { signal }: Asked): Promise<number> {
  let swept = 0;
  let marker: { KeyMarker: string; UploadIdMarker?: string } | undefined;
  do {
    const page = await s3.caller.call("listMultipartUploads", () => ({ Prefix: s3.keyOf(prefix), ...marker }), {
      doing: `sweeping ${prefix}`,
      signal,
    });
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      if (Key === undefined || UploadId === undefined || Initiated === undefined || Initiated >= since) continue;
      if (await sweepUpload(s3, Key, UploadId, since, signal)) swept++;
    }
    const more = page.IsTruncated === true && page.NextKeyMarker !== undefined;
    marker = more
      ? {
          KeyMarker: page.NextKeyMarker ?? "",
          ...(page.NextUploadIdMarker === undefined ? {} : { UploadIdMarker: page.NextUploadIdMarker }),
        }
      : undefined;
  } while (marker !== undefined);
  return swept;
}

async function sweepUpload(s3: S3Context, Key: string, UploadId: string, since: Date, signal: AbortSignal | undefined): Promise<boolean> {
  const doing = `sweeping ${Key}`;
  try {
    let PartNumberMarker: string | undefined;
    do {
      const input = { Key, UploadId, ...(PartNumberMarker === undefined ? {} : { PartNumberMarker }) };
      const page = await s3.caller.call("listParts", () => input, { doing, signal });
      if (page.Parts?.some((part) => part.LastModified !== undefined && part.LastModified >= since)) return false; // still alive
      PartNumberMarker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined;
    } while (PartNumberMarker !== undefined);
    await s3.caller.call("abortMultipartUpload", () => ({ Key, UploadId }), { doing, signal });
    return true;
  } catch (error) {
    if (isLifeboatError(error, "OBJECT_MISSING")) return false; // finished or removed by another caller meanwhile
    throw error;
  }
}
