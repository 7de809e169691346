// A bucket at Amazon S3, or at any service that speaks S3 and honours conditional writes.
import { Mismatch } from "../../core/option.ts";
import { flag, oneOf, text, written } from "../../core/option-types.ts";
import { defineStorage } from "../../ports/descriptor.ts";

const httpAddress = written("http or https address", {}, (given) => {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol) || url.username !== "" || url.password !== "")
    throw new Mismatch("must be an http or https address without credentials");
  return given;
});

const options = {
  serverSideEncryption: { type: oneOf(["AES256", "aws:kms"]), help: "Encryption by the service itself, on top of the seal." },
  kmsKeyId: { type: text, help: "Key for `aws:kms`; without it, the bucket's own." },
  objectLockMode: {
    type: oneOf(["COMPLIANCE", "GOVERNANCE"]),
    help: "Who can lift a lock: COMPLIANCE, no one at all; GOVERNANCE, a user with the bucket's permission to bypass it. Default: COMPLIANCE.",
  },
  region: { type: text, env: "AWS_REGION", help: "Region of the bucket.", example: "eu-central-1" },
  endpoint: {
    type: httpAddress,
    env: "AWS_ENDPOINT_URL_S3",
    help: "Address of a service other than Amazon's.",
    example: "https://s3.example.com",
  },
  pathStyle: {
    type: flag,
    help: "Put the bucket into the path instead of the host name. Default: true where `endpoint` is set.",
  },
  accessKeyId: {
    type: text,
    env: "AWS_ACCESS_KEY_ID",
    secret: true,
    help: "Access key; without it, the usual places of the AWS SDK are asked.",
  },
  secretAccessKey: { type: text, env: "AWS_SECRET_ACCESS_KEY", secret: true, help: "The key's secret half." },
  sessionToken: { type: text, env: "AWS_SESSION_TOKEN", secret: true, help: "Token of a temporary key." },
} as const;

export const s3 = defineStorage({
  scheme: "s3",
  example: "s3://bucket/prefix?region=eu-central-1",
  options,
  parameters: {
    region: "region",
    endpoint: "endpoint",
    pathStyle: "pathStyle",
    sse: "serverSideEncryption",
    kmsKeyId: "kmsKeyId",
    objectLock: "objectLockMode",
  },
  rule({ kmsKeyId, serverSideEncryption, accessKeyId, secretAccessKey }) {
    if (kmsKeyId !== undefined && serverSideEncryption !== "aws:kms") return "kmsKeyId needs serverSideEncryption: aws:kms";
    // Half a key would silently give way to another identity of this machine.
    const isHalf = (accessKeyId === undefined) !== (secretAccessKey === undefined);
    return isHalf ? "accessKeyId and secretAccessKey need each other" : undefined;
  },
  place(url) {
    if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(url.hostname) || url.port !== "")
      throw new Mismatch("names no bucket: s3://BUCKET/PREFIX, the bucket in lower-case letters, digits, dots and dashes");
    const prefix = decoded(url.pathname).replace(/^\/+|\/+$/g, "");
    const isFine = (segment: string): boolean => /^[A-Za-z0-9._-]+$/.test(segment) && segment !== "." && segment !== "..";
    if (prefix !== "" && !prefix.split("/").every(isFine))
      throw new Mismatch("may have letters, digits, dots, dashes, underscores, and single slashes between them in its prefix");
    return { bucket: url.hostname, prefix };
  },
  async load() {
    const { openS3Storage } = await import("./s3.ts");
    return {
      async open({
        place,
        lock,
        spoolDirectory,
        options: { accessKeyId, secretAccessKey, sessionToken, objectLockMode, pathStyle, ...rest },
      }) {
        const credentials =
          accessKeyId && secretAccessKey
            ? { accessKeyId: accessKeyId.read(), secretAccessKey: secretAccessKey.read(), sessionToken: sessionToken?.read() }
            : undefined;
        return openS3Storage({
          ...place,
          ...rest,
          forcePathStyle: pathStyle ?? (rest.endpoint === undefined ? undefined : true),
          credentials,
          objectLock: lock || objectLockMode !== undefined ? { mode: objectLockMode ?? "COMPLIANCE" } : undefined,
          spoolDirectory,
        });
      },
    };
  },
});

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new Mismatch("has a % in its prefix that stands for no character", { cause });
  }
}
