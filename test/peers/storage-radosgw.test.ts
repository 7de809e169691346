// The storage contract against Ceph's S3 gateway: a server that none of our own code had a hand in.
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { openS3Storage } from "../../src/storage/s3/s3.ts";
import { storageContract } from "../contract/storage.ts";
import { radosgwMissing, startRadosgw } from "../support/radosgw.ts";
import { MINIATURE } from "../support/s3-sandbox.ts";

storageContract(
  "radosgw",
  async () => {
    const gateway = await startRadosgw();
    const { endpoint, accessKeyId, secretAccessKey } = gateway;
    const credentials = { accessKeyId, secretAccessKey };
    const client = new S3Client({ endpoint, credentials, region: "us-east-1", forcePathStyle: true });
    await client.send(new CreateBucketCommand({ Bucket: "judge" }));
    client.destroy();
    return {
      open: () => openS3Storage({ bucket: "judge", prefix: "a/b", endpoint, credentials, forcePathStyle: true, ...MINIATURE }),
      close: () => gateway.stop(),
    };
  },
  { largeBytes: 24 * 1024 * 1024, noConditionalMultipart: true, skip: radosgwMissing() },
);
