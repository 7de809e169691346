// The storage contract on a local directory.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLocalStorage } from "../../src/storage/local/local.ts";
import { storageContract } from "./storage.ts";

storageContract(
  "local directory",
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "lifeboat-local-"));
    return {
      open: () => openLocalStorage({ directory }),
      close: () => rm(directory, { recursive: true, force: true }),
    };
  },
  { largeBytes: 64 * 1024 * 1024 },
);
