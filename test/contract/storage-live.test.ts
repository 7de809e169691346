// The storage contract on a real service, when LIFEBOAT_TEST_S3_URL names one (s3://bucket/prefix?region=…; credentials
// as the AWS SDK finds them). All objects have a prefix of their own and are deleted at the end.
import { randomUUID } from "node:crypto";
import { readAddress } from "../../src/storage/address.ts";
import { s3 } from "../../src/storage/s3/index.ts";
import { openS3Storage } from "../../src/storage/s3/s3.ts";
import { storageContract } from "./storage.ts";

const url = process.env.LIFEBOAT_TEST_S3_URL;

storageContract(
  "live S3 service",
  async () => {
    const { bucket, prefix: holder } = s3.place(new URL(url ?? ""));
    const { options } = readAddress(url ?? "", [s3]);
    const prefix = [holder, `contract-${randomUUID()}`].filter((part) => part !== "").join("/");
    const open = () => openS3Storage({ ...options, bucket, prefix });
    return {
      open,
      async close() {
        const storage = open();
        for await (const { name } of storage.list("")) await storage.delete(name);
        await storage.sweep("", new Date(Date.now() + 3_600_000));
        await storage.close();
      },
    };
  },
  { largeBytes: 24 * 1024 * 1024, skip: url === undefined ? "LIFEBOAT_TEST_S3_URL is not set" : undefined },
);
