// Takes the body of an upload to a file, undoing aws-chunked coding and checking every digest that came with it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
import { createHash } from "node:crypto";
import { open, rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { beginChecksum, CHECKSUMS, type ChecksumName } from "./checksums.ts";
import { S3Error } from "./errors.ts";

const CHUNKED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const MAX_LINE = 4096;

export interface StoredPayload {
  readonly path: string;
  readonly sizeBytes: number;
  readonly md5: string;
  /** Checksums that were sent and found right, by name, Base64. */
  readonly checksums: Readonly<Partial<Record<ChecksumName, string>>>;
}

/** Writes the body to a new file at `path`; deletes it when the body is invalid. */
export async function storePayload(
  request: IncomingMessage,
  payloadHash: string,
  path: string,
  takeSpace: (bytes: number) => void,
): Promise<StoredPayload> {
  const file = await open(path, "wx", 0o600);
  try {
    const md5 = createHash("md5");
    const sha256 = createHash("sha256");
    const trailers = new Map<string, string>();
    const named = announcedChecksums(request);
    const running = named.map((name) => [name, beginChecksum(name)] as const);
    let sizeBytes = 0;
    // Not destroyed when refused half way: the client would see a broken connection instead of the answer.
    const raw: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false });
    const plain = payloadHash === CHUNKED ? decodeChunked(raw, trailers) : raw;
    for await (const chunk of plain) {
      takeSpace(chunk.length);
      md5.update(chunk);
      sha256.update(chunk);
      for (const [, checksum] of running) checksum.update(chunk);
      await file.write(chunk);
      sizeBytes += chunk.length;
    }
    const declared = request.headers["x-amz-decoded-content-length"] ?? request.headers["content-length"];
    if (declared !== undefined && Number(declared) !== sizeBytes) {
      throw new S3Error(400, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header");
    }
    if (/^[0-9a-f]{64}$/.test(payloadHash) && sha256.digest("hex") !== payloadHash) {
      throw new S3Error(400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.");
    }
    if (payloadHash.startsWith("STREAMING-") && payloadHash !== CHUNKED) {
      throw new S3Error(501, "NotImplemented", `A header you provided implies functionality that is not implemented: ${payloadHash}`);
    }
    const digest = md5.digest();
    const contentMd5 = request.headers["content-md5"];
    if (contentMd5 !== undefined && contentMd5 !== digest.toString("base64")) {
      throw new S3Error(400, "BadDigest", "The Content-MD5 you specified did not match what we received.");
    }
    const checksums: Partial<Record<ChecksumName, string>> = {};
    for (const [name, checksum] of running) {
      const wanted = request.headers[`x-amz-checksum-${name}`] ?? trailers.get(`x-amz-checksum-${name}`);
      const computed = checksum.digest();
      if (wanted !== computed)
        throw new S3Error(400, "BadDigest", `The ${name.toUpperCase()} you specified did not match the calculated checksum.`);
      checksums[name] = computed;
    }
    await file.close();
    return { path, sizeBytes, md5: digest.toString("hex"), checksums };
  } catch (error) {
    await file.close();
    await rm(path, { force: true });
    throw error;
  }
}

function announcedChecksums(request: IncomingMessage): ChecksumName[] {
  const trailers = String(request.headers["x-amz-trailer"] ?? "")
    .toLowerCase()
    .split(/[,\s]+/);
  return CHECKSUMS.filter((name) => request.headers[`x-amz-checksum-${name}`] !== undefined || trailers.includes(`x-amz-checksum-${name}`));
}

/** `size-in-hex\r\n bytes \r\n … 0\r\n trailer:value\r\n \r\n` */
async function* decodeChunked(source: AsyncIterable<Buffer>, trailers: Map<string, string>): AsyncGenerator<Buffer> {
  let buffer: Buffer = Buffer.alloc(0);
  const iterator = source[Symbol.asyncIterator]();
  const more = async (): Promise<void> => {
    const next = await iterator.next();
    if (next.done) throw new S3Error(400, "IncompleteBody", "The request body terminated unexpectedly");
    buffer = Buffer.concat([buffer, next.value]);
  };
  const line = async (): Promise<string> => {
    for (;;) {
      const at = buffer.indexOf("\r\n");
      if (at >= 0) {
        const text = buffer.subarray(0, at).toString("latin1");
        buffer = buffer.subarray(at + 2);
        return text;
      }
      if (buffer.length > MAX_LINE) throw new S3Error(400, "InvalidRequest", "A chunk's header is too long");
      await more();
    }
  };
  for (;;) {
    const header = await line();
    if (!/^[0-9a-f]+(;.*)?$/i.test(header)) throw new S3Error(400, "InvalidRequest", "A chunk's header is not a size");
    let left = Number.parseInt(header, 16);
    if (left === 0) break;
    while (left > 0) {
      if (buffer.length === 0) await more();
      const piece = buffer.subarray(0, left);
      buffer = buffer.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
    if ((await line()) !== "") throw new S3Error(400, "InvalidRequest", "A chunk is longer than its header says");
  }
  for (let text = await line(); text !== ""; text = await line()) {
    const colon = text.indexOf(":");
    trailers.set(text.slice(0, colon).trim().toLowerCase(), text.slice(colon + 1).trim());
  }
}
