import assert from "node:assert/strict";
import { test } from "node:test";
import { LifeboatError } from "../core/errors.ts";
import { parseStorageUrl } from "./url.ts";

const S3 = {
  kind: "s3",
  bucket: "acme-backups",
  prefix: "",
  region: undefined,
  endpoint: undefined,
  forcePathStyle: false,
  serverSideEncryption: undefined,
  kmsKeyId: undefined,
  objectLock: undefined,
};

test("R20 a file URL names a directory", () => {
  assert.deepEqual(parseStorageUrl("file:///var/lib/lifeboat"), { kind: "file", directory: "/var/lib/lifeboat" });
  assert.deepEqual(parseStorageUrl("file:///var/my%20backups"), { kind: "file", directory: "/var/my backups" });
});

test("R20 an S3 URL names bucket, prefix and everything the server needs", () => {
  assert.deepEqual(parseStorageUrl("s3://acme-backups"), S3);
  assert.deepEqual(parseStorageUrl("s3://acme-backups/life/boat/?region=eu-central-1"), {
    ...S3,
    prefix: "life/boat",
    region: "eu-central-1",
  });
  assert.deepEqual(parseStorageUrl("s3://acme-backups?endpoint=http://127.0.0.1:9000"), {
    ...S3,
    endpoint: "http://127.0.0.1:9000",
    forcePathStyle: true,
  });
  assert.deepEqual(
    parseStorageUrl("s3://acme-backups?endpoint=https://s3.example.com&pathStyle=false&sse=aws:kms&kmsKeyId=k1&objectLock=GOVERNANCE"),
    {
      ...S3,
      endpoint: "https://s3.example.com",
      serverSideEncryption: "aws:kms",
      kmsKeyId: "k1",
      objectLock: { mode: "GOVERNANCE" },
    },
  );
});

test("a storage URL with a mistake is refused with what is wrong", () => {
  const mistakes: readonly (readonly [string, RegExp])[] = [
    ["/var/lib/lifeboat", /did you mean file:\/\/\/var\/lib\/lifeboat/],
    ["file://var/lib", /three slashes/],
    ["file:///var/lib?region=x", /parameters/],
    ["ftp://host/x", /begins with ftp:/],
    ["s3:///prefix", /no bucket/],
    ["s3://acme-backups/a//b", /prefix/],
    ["s3://acme-backups/a?Region=x", /did you mean region/],
    ["s3://acme-backups/a?colour=red", /there are region/],
    ["s3://acme-backups/a?region=", /empty/],
    ["s3://acme-backups/a?region=x&region=y", /twice/],
    ["s3://acme-backups/a?sse=rot13", /none of AES256/],
    ["s3://acme-backups/a?kmsKeyId=k", /only with sse/],
    ["s3://acme-backups/a?endpoint=localhost:9000", /not an http/],
    ["s3://acme-backups/a#b", /"#"/],
  ];
  for (const [url, words] of mistakes) {
    assert.throws(
      () => parseStorageUrl(url),
      (error) => error instanceof LifeboatError && error.code === "CONFIG_INVALID" && words.test(error.message),
      url,
    );
  }
});

test("a password in a storage URL is never repeated", () => {
  for (const url of ["s3://key:hunter2@acme-backups/x", "nonsense//key:hunter2@x", "s3://b/x?endpoint=http://key:hunter2@host"]) {
    assert.throws(
      () => parseStorageUrl(url),
      (error) => error instanceof LifeboatError && error.code === "CONFIG_INVALID" && !error.message.includes("hunter2"),
    );
  }
});
