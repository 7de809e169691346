// zstd with Node's bindings: compression runs on the thread pool while the main thread reads, hashes and encrypts.
import { once } from "node:events";
import type { Transform, TransformOptions } from "node:stream";
import { constants, createZstdCompress, createZstdDecompress, type ZstdOptions } from "node:zlib";
import { LifeboatError } from "../core/errors.ts";
import { OneFrame } from "./zstd-frame.ts";

const OUTPUT_BYTES = 512 * 1024;
/** 8 MiB, the window of level 19: the most memory that a frame may demand. */
const MOST_WINDOW_LOG = 23;

export interface CompressOptions {
  /** The zstd level. 1 keeps up with a dump on two cores. */
  readonly level: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Compresses to one zstd frame with a content checksum. A chunk of `plain` must stay unchanged until the second `next` call after the one
 * that yielded it. When `plain` throws, this throws the same error and never ends the frame.
 */
export async function* compress(plain: AsyncGenerator<Uint8Array, void>, options: CompressOptions): AsyncGenerator<Uint8Array, void> {
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = constants;
  // No ZSTD_c_nbWorkers: workers crash Node 24.
  const zstd = createZstdCompress({
    chunkSize: OUTPUT_BYTES,
    params: { [ZSTD_c_compressionLevel]: options.level, [ZSTD_c_checksumFlag]: 1 },
  });
  let ready: Uint8Array[] = [];
  zstd.on("data", (chunk: Uint8Array) => ready.push(chunk));
  const ended = once(zstd, "end");
  ended.catch(() => {}); // awaited below; an earlier rejection of a write is the same

  let reading: Promise<IteratorResult<Uint8Array, void>> | undefined;
  let writing: Promise<void> = Promise.resolve();
  const read = (): Promise<IteratorResult<Uint8Array, void>> => {
    const next = plain.next();
    next.catch(() => {}); // awaited in the next round; it may settle earlier
    reading = next;
    return next;
  };
  try {
    let next = read();
    for (;;) {
      const item = await abortable(next, options.signal);
      reading = undefined;
      await writing;
      if (item.done === true) break;
      writing = write(zstd, item.value);
      writing.catch(() => {}); // awaited in the next round
      next = read(); // reads and hashes the next chunk while this one is compressed
      const produced = ready;
      ready = [];
      yield* produced;
    }
    zstd.end();
    await ended;
    yield* ready;
  } finally {
    zstd.destroy();
    // A source that is in the middle of a read is told to stop but not awaited, because the read may never end.
    const stopping = plain.return();
    if (reading === undefined) await stopping;
    else stopping.catch(() => {});
  }
}

/** Resolves when the chunk has been processed. Rejects when the stream is destroyed meanwhile. */
function write(stream: Transform, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    // The callback of a write that waits for its output to be read is never called once the stream is destroyed.
    const closed = (): void => reject(new Error("the stream was closed"));
    stream.once("close", closed);
    stream.write(chunk, (error) => {
      stream.off("close", closed);
      if (error) reject(error);
      else resolve();
    });
  });
}

/**
 * Decompresses exactly one zstd frame. Throws INTEGRITY when the frame is damaged, truncated or missing, or when bytes follow it. Content
 * may have been yielded before.
 */
export async function* decompress(compressed: AsyncGenerator<Uint8Array, void>): AsyncGenerator<Uint8Array, void> {
  const options: ZstdOptions & TransformOptions = {
    chunkSize: OUTPUT_BYTES,
    readableHighWaterMark: 4 * OUTPUT_BYTES,
    params: { [constants.ZSTD_d_windowLogMax]: MOST_WINDOW_LOG },
  };
  const zstd = createZstdDecompress(options);
  let reading = true;
  let fed = false;
  let sourceFailure: { readonly error: unknown } | undefined;

  const feed = async (): Promise<void> => {
    const frame = new OneFrame();
    let writing: Promise<boolean> = Promise.resolve(true);
    for (;;) {
      reading = true;
      const next = await compressed.next(); // reads and decrypts while the chunk before is decompressed
      reading = false;
      if (next.done === true) break;
      frame.push(next.value);
      if (!(await writing)) return;
      writing = accepted(write(zstd, next.value));
    }
    frame.end();
    fed = await writing;
    zstd.end();
  };
  const feeding = feed().catch((error: unknown) => {
    reading = false;
    sourceFailure = { error };
    zstd.destroy();
  });
  try {
    for await (const chunk of zstd) yield chunk as Uint8Array;
    await feeding;
    if (!fed) throw new Error("it stopped before the end of its input");
  } catch (error) {
    if (sourceFailure !== undefined) throw sourceFailure.error;
    throw new LifeboatError("INTEGRITY", `the compressed data is damaged: zstd says "${(error as Error).message}"`, { cause: error });
  } finally {
    zstd.destroy();
    // A source that is in the middle of a read is told to stop but not awaited, because the read may never end.
    const stopping = compressed.return();
    if (reading) stopping.catch(() => {});
    else await Promise.all([feeding, stopping]);
  }
}

/** Returns false when the write failed. The decompressor's own error reaches its reader and is the cause. */
const accepted = (writing: Promise<void>): Promise<boolean> =>
  writing.then(
    () => true,
    () => false,
  );

/**
 * Settles like the promise, or rejects with the signal's reason as soon as the signal aborts (CANCELLED unless the reason is a
 * LifeboatError). The promise itself continues; a later rejection is ignored, because the abort causes it.
 */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  // One listener per wait, removed afterwards: racing a single long-lived promise would accumulate its reactions.
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(reasonOf(signal));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function reasonOf(signal: AbortSignal): LifeboatError {
  const reason: unknown = signal.reason;
  return reason instanceof LifeboatError ? reason : new LifeboatError("CANCELLED", "stopped on request", { cause: reason });
}
