// What the operations of an S3 storage share: the caller, how names become keys, and what every new object carries.
import type { HeadObjectCommandOutput } from "@aws-sdk/client-s3";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { ObjectInfo, PutOptions } from "../../ports/storage.ts";
import type { S3Caller } from "./client.ts";
import type { ConditionProof } from "./conditions.ts";
import { bareEtag } from "./etags.ts";
import type { S3StorageOptions } from "./options.ts";
import type { SpoolOptions } from "./spool.ts";

export interface S3Context {
  readonly caller: S3Caller;
  readonly options: S3StorageOptions;
  readonly spool: SpoolOptions;
  readonly concurrency: number;
  readonly proof: ConditionProof;
  keyOf(name: string): string;
}

/** Metadata that marks every write with a token of its own, so that a write whose answer was lost knows itself again. */
export const WRITE_TOKEN = "lifeboat-write";

export const STANDARD = "STANDARD";

/** Encryption of every object that is written. */
export function encryptionOf({ serverSideEncryption, kmsKeyId }: S3StorageOptions) {
  return {
    ...(serverSideEncryption === undefined ? {} : { ServerSideEncryption: serverSideEncryption }),
    ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId }),
  };
}

/** Headers of a new object. */
export function traitsOf(options: S3StorageOptions, put: PutOptions, token: string) {
  const storageClass = put.storageClass ?? options.storageClass;
  return {
    Metadata: { [WRITE_TOKEN]: token },
    ContentType: "application/octet-stream",
    ...encryptionOf(options),
    ...(storageClass === undefined || storageClass === STANDARD ? {} : { StorageClass: storageClass as "GLACIER" }),
    ...(put.lockUntil === undefined ? {} : { ObjectLockMode: options.objectLock?.mode, ObjectLockRetainUntilDate: put.lockUntil }),
  };
}

export function conditionsOf({ proof }: S3Context, { ifAbsent, ifMatch }: PutOptions) {
  return { ...(ifAbsent === true ? { IfNoneMatch: "*" } : {}), ...(ifMatch === undefined ? {} : { IfMatch: proof.matchOf(ifMatch) }) };
}

/** HeadObject, or undefined when there is no such object. */
export async function headObject(
  s3: S3Context,
  name: string,
  signal: AbortSignal | undefined,
): Promise<HeadObjectCommandOutput | undefined> {
  try {
    return await s3.caller.call("headObject", () => ({ Key: s3.keyOf(name) }), { doing: `looking at ${name}`, signal });
  } catch (error) {
    if (isLifeboatError(error, "OBJECT_MISSING")) return undefined;
    throw error;
  }
}

export async function headOrMissing(s3: S3Context, name: string, signal: AbortSignal | undefined): Promise<HeadObjectCommandOutput> {
  const head = await headObject(s3, name, signal);
  if (head === undefined) throw new LifeboatError("OBJECT_MISSING", `${name} is not in ${s3.caller.url}`);
  return head;
}

export function infoOf(name: string, head: HeadObjectCommandOutput): ObjectInfo {
  return {
    name,
    sizeBytes: head.ContentLength ?? 0,
    modifiedAt: head.LastModified ?? new Date(0),
    etag: bareEtag(head.ETag),
    storageClass: head.StorageClass ?? STANDARD,
  };
}
