// An S3 emulator for tests: a server on loopback in front of a directory.
//
// One bucket, path-style addresses. It checks signatures and digests, gives conditional writes exactly one winner,
// knows archive classes (with time compressed) and object lock, and injects faults.
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerContext } from "./context.ts";
import { S3Error } from "./errors.ts";
import { type Faults, makeFaults } from "./faults.ts";
import { serve } from "./server.ts";
import { ObjectStore } from "./store.ts";

export interface S3EmulatorOptions {
  /** Folder of the objects; kept on stop. Default: a temporary one, deleted on stop. */
  readonly directory?: string;
  readonly bucket?: string;
  readonly port?: number;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  /** Now, in milliseconds since 1970. Default: the system's clock. */
  readonly clock?: () => number;
  /** How long a restore from archive takes by that clock. Default: 1 s. */
  readonly thawMs?: number;
  /** Smallest part but the last. Default: S3's 5 MiB. */
  readonly minPartBytes?: number;
  /** Largest object that CopyObject takes. Default: S3's 5 GiB. */
  readonly maxCopyBytes?: number;
  /** Most entries in one page of a list. Default: S3's 1000. */
  readonly pageSize?: number;
}

export interface S3Emulator {
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly faults: Faults;
  /** The stored objects, for tests. */
  readonly store: ObjectStore;
  stop(): Promise<void>;
}

export async function startS3Emulator(options: S3EmulatorOptions = {}): Promise<S3Emulator> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), "lifeboat-s3-")));
  const accessKeyId = options.accessKeyId ?? "SANDBOX";
  const secretAccessKey = options.secretAccessKey ?? randomBytes(20).toString("hex");
  const now = options.clock ?? Date.now;
  const faults = makeFaults();
  const store = new ObjectStore(directory, now);
  const server: ServerContext = {
    bucket: options.bucket ?? "lifeboat",
    store,
    faults,
    minPartBytes: options.minPartBytes ?? 5 * 1024 * 1024,
    maxCopyBytes: options.maxCopyBytes ?? 5 * 1024 ** 3,
    pageSize: options.pageSize ?? 1000,
    thawMs: options.thawMs ?? 1000,
    now,
    takeSpace(bytes) {
      if (store.usedBytes + bytes > faults.capacityBytes) throw new S3Error(507, "InsufficientStorage", "The storage is full.");
      store.usedBytes += bytes;
    },
  };
  const http = createServer((request, response) => {
    request.on("error", () => response.destroy()); // the client went away
    void serve(server, faults, { accessKeyId, secretAccessKey }, request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  http.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => http.once("error", reject).listen(options.port ?? 0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    bucket: server.bucket,
    region: "us-east-1",
    accessKeyId,
    secretAccessKey,
    faults,
    store,
    async stop() {
      const closed = new Promise<void>((resolve) => http.close(() => resolve()));
      http.closeAllConnections();
      await closed;
      if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
    },
  };
}
