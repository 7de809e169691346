// The storage contract over HTTP against the sandbox server.
import { startSandboxedS3 } from "../support/s3-sandbox.ts";
import { storageContract } from "./storage.ts";

storageContract(
  "S3 sandbox",
  async () => {
    const { open, stop } = await startSandboxedS3({ pageSize: 3 }); // lists take several pages
    return { open: () => open(), close: stop };
  },
  { largeBytes: 24 * 1024 * 1024 },
);

// As MinIO's buckets with versions: folders stay in the lists when all that was in them is gone.
storageContract(
  "S3 sandbox with versions",
  async () => {
    const { sandbox, open, stop } = await startSandboxedS3({ pageSize: 3 });
    sandbox.faults.ghostFolders = true;
    return { open: () => open(), close: stop };
  },
  { largeBytes: 9 * 1024 * 1024 },
);
