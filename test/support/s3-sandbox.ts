// An S3 emulator for a test, and storages on it.
import type { Storage } from "../../src/ports/storage.ts";
import type { S3StorageOptions } from "../../src/storage/s3/options.ts";
import { openS3Storage } from "../../src/storage/s3/s3.ts";
import { type S3Emulator, type S3EmulatorOptions, startS3Emulator } from "./s3/emulator.ts";

export interface SandboxedS3 extends AsyncDisposable {
  readonly sandbox: S3Emulator;
  /** Small parts, short pauses, and what else the test wants. Closed with the sandbox. */
  open(options?: Partial<S3StorageOptions>): Storage;
  stop(): Promise<void>;
}

const MiB = 1024 ** 2;

/** A schedule in miniature: in memory first, then spooled, then larger again; 1 MiB held in memory at most. */
export const MINIATURE: Partial<S3StorageOptions> = {
  partSizes: [
    { sizeBytes: MiB, count: 2 },
    { sizeBytes: 2 * MiB, count: 2 },
    { sizeBytes: 5 * MiB, count: 9996 },
  ],
  memoryPartBytes: MiB,
};

export async function startSandboxedS3(options: S3EmulatorOptions = {}): Promise<SandboxedS3> {
  const sandbox = await startS3Emulator({ minPartBytes: MiB, ...options });
  const opened: Storage[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(opened.map((storage) => storage.close()));
    await sandbox.stop();
  };
  return {
    sandbox,
    open(more = {}) {
      const { endpoint, bucket, region, accessKeyId, secretAccessKey } = sandbox;
      const storage = openS3Storage({
        bucket,
        region,
        endpoint,
        prefix: "test/prefix",
        forcePathStyle: true,
        credentials: { accessKeyId, secretAccessKey },
        backoffMs: 5,
        ...MINIATURE,
        ...more,
      });
      opened.push(storage);
      return storage;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
