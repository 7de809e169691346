import assert from "node:assert/strict";
import { test } from "node:test";
import { LifeboatError } from "../core/errors.ts";
import { readAddress } from "./address.ts";
import { local } from "./local/index.ts";
import { s3 } from "./s3/index.ts";

const read = (text: string) => readAddress(text, [local, s3]);
const facts = (text: string): unknown => {
  const { storage, place, options } = read(text);
  return { scheme: storage.scheme, place, options };
};

test("R20 a file address names a directory", () => {
  assert.deepEqual(facts("file:///var/lib/lifeboat"), { scheme: "file", place: { directory: "/var/lib/lifeboat" }, options: {} });
  assert.deepEqual(read("file:///var/my%20backups").place, { directory: "/var/my backups" });
});

test("R20 an S3 address names bucket, prefix and the options that it says itself", () => {
  assert.deepEqual(facts("s3://acme-backups"), { scheme: "s3", place: { bucket: "acme-backups", prefix: "" }, options: {} });
  assert.deepEqual(facts("s3://acme-backups/life/boat/?region=eu-central-1"), {
    scheme: "s3",
    place: { bucket: "acme-backups", prefix: "life/boat" },
    options: { region: "eu-central-1" },
  });
  const whole = "s3://acme-backups?endpoint=https://s3.example.com&pathStyle=false&sse=aws:kms&kmsKeyId=k1&objectLock=GOVERNANCE";
  assert.deepEqual(read(whole).options, {
    endpoint: "https://s3.example.com",
    pathStyle: false,
    serverSideEncryption: "aws:kms",
    kmsKeyId: "k1",
    objectLockMode: "GOVERNANCE",
  });
});

test("the address of a storage with a mistake is refused with what is wrong", () => {
  const mistakes: readonly (readonly [string, RegExp])[] = [
    ["/var/lib/lifeboat", /did you mean file:\/\/\/var\/lib\/lifeboat/],
    ["file://var/lib", /three slashes/],
    ["file:///var/lib?region=x", /takes none/],
    ["ftp://host/x", /begins with ftp:/],
    ["s3:///prefix", /no bucket/],
    ["s3://acme-backups/a//b", /prefix/],
    ["s3://acme-backups/100%", /stands for no character/],
    ["s3://acme-backups/a?Region=x", /did you mean "region"/],
    ["s3://acme-backups/a?colour=red", /there are region/],
    ["s3://acme-backups/a?region=", /empty/],
    ["s3://acme-backups/a?region=x&region=y", /twice/],
    ["s3://acme-backups/a?sse=rot13", /sse .* must be one of AES256/],
    ["s3://acme-backups/a?kmsKeyId=k", /kmsKeyId needs/],
    ["s3://acme-backups/a?endpoint=localhost:9000", /must be an http/],
    ["s3://acme-backups/a#b", /"#"/],
  ];
  for (const [url, words] of mistakes) {
    assert.throws(
      () => read(url),
      (error) => error instanceof LifeboatError && error.code === "CONFIG_INVALID" && words.test(error.message),
      url,
    );
  }
});

test("a password in the address of a storage is never repeated", () => {
  for (const url of ["s3://key:hunter2@acme-backups/x", "nonsense//key:hunter2@x", "s3://b/x?endpoint=http://key:hunter2@host"]) {
    assert.throws(
      () => read(url),
      (error) => error instanceof LifeboatError && error.code === "CONFIG_INVALID" && !error.message.includes("hunter2"),
    );
  }
});
