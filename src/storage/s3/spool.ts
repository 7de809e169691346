// Cutting a body into parts: small ones in memory that is used again, large ones in nameless files.
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { LifeboatError } from "../../core/errors.ts";
import { MAX_PARTS, type PartSize, partSizeAt } from "./parts.ts";

const FIRST_BYTES = 64 * 1024;

export interface Part {
  /** From 1. */
  readonly number: number;
  readonly sizeBytes: number;
  /** The body ended with this part. */
  readonly last: boolean;
  /** Base64, as S3 wants it. */
  readonly crc32: string;
  /** The bytes, anew for every try. */
  body(): Uint8Array | Readable;
  /** Gives memory or file back. Call it once the part is stored, or given up. */
  release(): Promise<void>;
}

interface Sink {
  write(bytes: Uint8Array): Promise<void>;
  body(): Uint8Array | Readable;
  release(): Promise<void>;
}

export interface SpoolOptions {
  readonly partSizes: readonly PartSize[];
  readonly memoryPartBytes: number;
  readonly directory: string;
}

/**
 * The body's parts in order; at least one, which may be empty. A part is given out only once it is known whether more
 * follows, so `last` is never given before the body has ended.
 */
export async function* cutParts(chunks: AsyncIterable<Uint8Array>, options: SpoolOptions): AsyncGenerator<Part, void, undefined> {
  const iterator = chunks[Symbol.asyncIterator]();
  const spare: Buffer[] = [];
  const next = async (): Promise<Uint8Array | undefined> => {
    const { done, value } = await iterator.next();
    return done ? undefined : value;
  };
  try {
    let rest = await next();
    for (let number = 1; ; number++) {
      const limit = number > MAX_PARTS ? 0 : partSizeAt(number, options.partSizes);
      if (limit === 0) throw new LifeboatError("STORAGE_REFUSED", `the object is larger than ${number - 1} parts can hold`);
      const sink = limit <= options.memoryPartBytes ? memorySink(limit, number === 1, spare) : await fileSink(options.directory);
      let sizeBytes = 0;
      let sum = 0;
      try {
        while (rest !== undefined && sizeBytes < limit) {
          const piece: Uint8Array = rest.subarray(0, limit - sizeBytes);
          await sink.write(piece);
          sum = crc32(piece, sum);
          sizeBytes += piece.length;
          rest = piece.length < rest.length ? rest.subarray(piece.length) : await next();
        }
      } catch (error) {
        await sink.release();
        throw error;
      }
      const last = rest === undefined;
      yield { number, sizeBytes, last, crc32: base64Of(sum), body: () => sink.body(), release: () => sink.release() };
      if (last) return;
    }
  } finally {
    await iterator.return?.();
  }
}

function base64Of(sum: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(sum);
  return bytes.toString("base64");
}

/** Memory that starts small for the first part, because most objects are small, and goes back to `spare` when full-sized. */
function memorySink(limit: number, growing: boolean, spare: Buffer[]): Sink {
  let buffer = spare.pop() ?? Buffer.allocUnsafeSlow(growing ? Math.min(limit, FIRST_BYTES) : limit);
  if (buffer.length < limit && !growing) buffer = Buffer.allocUnsafeSlow(limit);
  let used = 0;
  return {
    async write(bytes) {
      const needed = used + bytes.length;
      if (needed > buffer.length) {
        const larger = Buffer.allocUnsafeSlow(Math.min(limit, Math.max(needed, buffer.length * 2)));
        buffer.copy(larger, 0, 0, used);
        buffer = larger;
      }
      buffer.set(bytes, used);
      used = needed;
    },
    body: () => buffer.subarray(0, used),
    async release() {
      if (buffer.length === limit) spare.push(buffer);
    },
  };
}

/** A file that has no name once it is open: however this process ends, nothing of the part stays on the disk. */
async function fileSink(directory: string): Promise<Sink> {
  const path = join(directory, `lifeboat-part-${randomUUID()}`);
  let file: FileHandle;
  let used = 0;
  try {
    file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    await unlink(path);
  } catch (error) {
    throw spoolError(error, directory);
  }
  return {
    async write(bytes) {
      try {
        for (let done = 0; done < bytes.length; ) {
          const { bytesWritten } = await file.write(bytes, done, bytes.length - done, used);
          done += bytesWritten;
          used += bytesWritten;
        }
      } catch (error) {
        throw spoolError(error, directory);
      }
    },
    body: () => file.createReadStream({ start: 0, end: used - 1, autoClose: false, highWaterMark: 256 * 1024 }),
    release: () => file.close(),
  };
}

function spoolError(error: unknown, directory: string): LifeboatError {
  const errno = error instanceof Error && "code" in error ? String(error.code) : "";
  const code = ["ENOSPC", "EDQUOT", "EFBIG"].includes(errno) ? "DISK_FULL" : "STORAGE_FAILED";
  return new LifeboatError(code, `a part of the upload cannot be held in ${directory} (${errno})`, { cause: error });
}
