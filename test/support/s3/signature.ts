// Checks a request's AWS Signature Version 4 in its header form.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { S3Error } from "./errors.ts";

const SKEW_MS = 15 * 60_000;

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Returns the payload hash that was signed; throws the S3Error a real server answers. */
export function checkSignature(request: IncomingMessage, credentials: Credentials, nowMs: number): string {
  const authorization = request.headers.authorization;
  if (authorization === undefined) throw new S3Error(403, "AccessDenied", "Access Denied");
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    );
  if (match === null) throw new S3Error(400, "AuthorizationHeaderMalformed", "The authorization header that you provided is not valid.");
  const [, accessKeyId = "", date = "", region = "", signedHeaders = "", signature = ""] = match;
  if (accessKeyId !== credentials.accessKeyId) {
    throw new S3Error(403, "InvalidAccessKeyId", "The AWS access key ID that you provided does not exist in our records.");
  }
  const stamp = String(request.headers["x-amz-date"] ?? "");
  const signedAtMs = Date.parse(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  if (!(Math.abs(signedAtMs - nowMs) <= SKEW_MS)) {
    throw new S3Error(403, "RequestTimeTooSkewed", "The difference between the request time and the server's time is too large.");
  }
  const payloadHash = String(request.headers["x-amz-content-sha256"] ?? "");
  if (payloadHash === "") throw new S3Error(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256");

  const names = signedHeaders.split(";");
  if (!names.includes("host")) throw new S3Error(403, "AccessDenied", "There were headers present in the request which were not signed");
  const [path = "", query = ""] = (request.url ?? "").split("?", 2);
  const canonical = [
    request.method,
    path,
    canonicalQuery(query),
    ...names.map(
      (name) =>
        `${name}:${String(request.headers[name] ?? "")
          .trim()
          .replace(/\s+/g, " ")}`,
    ),
    "",
    signedHeaders,
    payloadHash,
  ].join("\n");
  const scope = `${date}/${region}/s3/aws4_request`;
  const toSign = ["AWS4-HMAC-SHA256", stamp, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
  const key = [date, region, "s3", "aws4_request"].reduce<string | Buffer>(hmac, `AWS4${credentials.secretAccessKey}`);
  const wanted = hmac(key, toSign);
  if (!timingSafeEqual(wanted, Buffer.from(signature, "hex"))) {
    throw new S3Error(
      403,
      "SignatureDoesNotMatch",
      "The request signature that we calculated does not match the signature that you provided. Check your key and signing method.",
    );
  }
  return payloadHash;
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function canonicalQuery(query: string): string {
  return query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const [name = "", value = ""] = pair.split("=", 2);
      return `${reencode(name)}=${reencode(value)}`;
    })
    .sort()
    .join("&");
}

function reencode(text: string): string {
  return encodeURIComponent(decodeURIComponent(text)).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
}
