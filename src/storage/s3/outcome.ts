// What became of a write, also where its answer was lost.
import { createHash } from "node:crypto";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { PutOptions } from "../../ports/storage.ts";
import { headObject, type S3Context, WRITE_TOKEN } from "./context.ts";
import { bareEtag } from "./etags.ts";
import type { S3StorageOptions } from "./options.ts";

export interface Written {
  readonly etag: string;
  readonly sizeBytes: number;
}

/** Servers answer a replacement of what is gone with "missing": for the caller that is a lost race like any other. */
export function conflictOf(error: unknown, options: PutOptions): unknown {
  if (options.ifMatch === undefined || !isLifeboatError(error, "OBJECT_MISSING")) return error;
  return new LifeboatError("STORAGE_CONFLICT", error.message, { cause: error, details: error.details });
}

/** How long a commit continues after the caller has given up, and how long the question may take what became of it. */
export function commitGraceMs({ requestTimeoutMs = 30_000 }: S3StorageOptions): number {
  return Math.min(5_000, requestTimeoutMs);
}

/**
 * A write that failed may have been done: its answer was lost, a later try then met its own object, or the
 * caller gave up while the server was acting. The object's token tells. Returns the etag of our own object, else throws
 * the error.
 */
export async function settle(s3: S3Context, name: string, token: string, error: unknown, signal: AbortSignal): Promise<string> {
  if (!isLifeboatError(error)) throw error;
  const unclear = ["STORAGE_CONFLICT", "STORAGE_TIMEOUT", "STORAGE_UNREACHABLE", "STORAGE_FAILED", "OBJECT_MISSING"];
  if (!unclear.includes(error.code) && !signal.aborted) throw error;
  let head: Awaited<ReturnType<typeof headObject>>;
  try {
    head = await headObject(s3, name, signal.aborted ? AbortSignal.timeout(commitGraceMs(s3.options)) : undefined);
  } catch {
    throw error; // the first cause
  }
  if (head?.Metadata?.[WRITE_TOKEN] !== token) throw error;
  return bareEtag(head.ETag);
}

export function md5Of(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("base64");
}
