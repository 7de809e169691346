// Storage in an S3 bucket, of AWS or of any server that speaks S3 and honours conditional writes.
import { tmpdir } from "node:os";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Storage } from "../../ports/storage.ts";
import { assertFolderPrefix, assertObjectName, assertObjectPrefix } from "../names.ts";
import { ARCHIVED_CLASSES, assertStorageClass, STORAGE_CLASSES, setStorageClass, thaw } from "./classes.ts";
import { openCaller } from "./client.ts";
import { openConditionProof } from "./conditions.ts";
import { headObject, infoOf, type S3Context } from "./context.ts";
import { getObject } from "./get.ts";
import { listFolderNames, listObjects, sweepUploads } from "./list.ts";
import type { S3StorageOptions } from "./options.ts";
import { PART_SIZES } from "./parts.ts";
import { putObject } from "./put.ts";

const MEMORY_PART_BYTES = 8 * 1024 ** 2;
const AWS_HOST = /\.amazonaws\.com(\.cn)?$/;

/** Connects to nothing yet: the first call does. Import this module only where a storage is opened; it loads the AWS SDK. */
export function openS3Storage(options: S3StorageOptions): Storage {
  const prefix = options.prefix === undefined || options.prefix === "" ? "" : `${options.prefix.replace(/^\/+|\/+$/g, "")}/`;
  assertFolderPrefix(prefix);
  const url = `s3://${options.bucket}${prefix === "" ? "" : `/${prefix.slice(0, -1)}`}`;
  assertStorageClass(options.storageClass);
  const caller = openCaller(options, url);
  const keyOf = (name: string): string => prefix + name;
  const trusted = options.endpoint === undefined || AWS_HOST.test(new URL(options.endpoint).hostname);
  const s3: S3Context = {
    caller,
    options,
    keyOf,
    proof: openConditionProof(caller, keyOf, trusted),
    concurrency: options.concurrency ?? 3,
    spool: {
      partSizes: options.partSizes ?? PART_SIZES,
      memoryPartBytes: options.memoryPartBytes ?? MEMORY_PART_BYTES,
      directory: options.spoolDirectory ?? tmpdir(),
    },
  };

  let bucketSeen = false;
  /** A HEAD answer has no body, so a missing bucket looks like a missing object: asked once, in a way that tells. */
  const assureBucket = async (signal: AbortSignal | undefined): Promise<void> => {
    if (bucketSeen) return;
    const asked = caller.call("listObjects", () => ({ Prefix: prefix, MaxKeys: 1 }), { doing: "looking at the bucket", signal });
    await asked.catch((error: unknown) => {
      if (!isLifeboatError(error, "STORAGE_AUTH")) throw error; // who may not list still learns of objects
    });
    bucketSeen = true;
  };

  return {
    url,
    capabilities: { storageClasses: STORAGE_CLASSES, archivedClasses: ARCHIVED_CLASSES, objectLock: options.objectLock !== undefined },

    async put(name, body, put = {}) {
      assertObjectName(name);
      assertStorageClass(put.storageClass);
      if (put.lockUntil !== undefined && options.objectLock === undefined) {
        throw new LifeboatError("STORAGE_REFUSED", `${name} cannot be locked: ${url} is not configured for object lock`);
      }
      return putObject(s3, name, body, put);
    },

    async *get(name, get = {}) {
      assertObjectName(name);
      yield* getObject(s3, name, get);
    },

    async head(name, { signal } = {}) {
      assertObjectName(name);
      const head = await headObject(s3, name, signal);
      if (head !== undefined) return infoOf(name, head);
      await assureBucket(signal);
      return undefined;
    },

    async *list(wanted, asked = {}) {
      assertObjectPrefix(wanted);
      yield* listObjects(s3, wanted, asked);
    },

    async *listFolders(wanted, asked = {}) {
      assertFolderPrefix(wanted);
      yield* listFolderNames(s3, wanted, asked);
    },

    async delete(name, { signal } = {}) {
      assertObjectName(name);
      if (options.objectLock !== undefined) await refuseLocked(s3, name, signal);
      try {
        await caller.call("deleteObject", () => ({ Key: keyOf(name) }), { doing: `removing ${name}`, signal });
      } catch (error) {
        if (isLifeboatError(error, "OBJECT_MISSING")) return;
        if (isLifeboatError(error, "STORAGE_AUTH") && /lock|retention|worm/i.test(error.message)) {
          throw new LifeboatError("STORAGE_REFUSED", `${name} is locked`, { cause: error });
        }
        throw error;
      }
    },

    async setStorageClass(name, storageClass, { signal } = {}) {
      assertObjectName(name);
      await setStorageClass(s3, name, storageClass, signal);
    },

    async thaw(name, days, { signal } = {}) {
      assertObjectName(name);
      return thaw(s3, name, days, signal);
    },

    async now({ signal } = {}) {
      if (caller.serverTime() === undefined)
        await caller.call("listObjects", () => ({ Prefix: prefix, MaxKeys: 1 }), { doing: "asking for the time", signal });
      return caller.serverTime() ?? new Date();
    },

    async sweep(wanted, untouchedSince, asked = {}) {
      assertObjectPrefix(wanted);
      return sweepUploads(s3, wanted, untouchedSince, asked);
    },

    async close() {
      caller.close();
    },
  };
}

/**
 * Buckets with object lock keep versions: removing a locked object would succeed and hide it behind a marker.
 * The lock is therefore looked at first.
 */
async function refuseLocked(s3: S3Context, name: string, signal: AbortSignal | undefined): Promise<void> {
  const head = await headObject(s3, name, signal);
  const until = head?.ObjectLockRetainUntilDate;
  if (head?.ObjectLockLegalHoldStatus === "ON") throw new LifeboatError("STORAGE_REFUSED", `${name} is under legal hold`);
  if (until !== undefined && until.getTime() > Date.now()) {
    throw new LifeboatError("STORAGE_REFUSED", `${name} is locked until ${until.toISOString()}`);
  }
}
