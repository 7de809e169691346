// A child process that puts a body without end, to be killed in the middle. What to put to comes as JSON on its input.
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { openLocalStorage } from "../../src/storage/local/local.ts";
import { openS3Storage } from "../../src/storage/s3/s3.ts";
import { generatedBytes } from "./bytes.ts";

const wanted = JSON.parse(await text(process.stdin));
const storage =
  wanted.kind === "file"
    ? openLocalStorage({ directory: wanted.directory })
    : openS3Storage({
        bucket: wanted.bucket,
        endpoint: wanted.endpoint,
        forcePathStyle: true,
        credentials: { accessKeyId: wanted.accessKeyId, secretAccessKey: wanted.secretAccessKey },
        partSizes: [{ sizeBytes: 1024 ** 2, count: 10_000 }],
      });

async function* endless() {
  for (;;) {
    yield* generatedBytes(1024 ** 2);
    await sleep(5);
  }
}

await storage.put("endless", endless(), { ifAbsent: true });
