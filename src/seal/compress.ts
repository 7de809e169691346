// zstd by Node's own bindings: compression on the thread pool while the main thread reads, hashes and encrypts.
import { once } from "node:events";
import type { Transform, TransformOptions } from "node:stream";
import { constants, createZstdCompress, createZstdDecompress, type ZstdOptions } from "node:zlib";
import { LifeboatError } from "../core/errors.ts";
import { abortable } from "./abortable.ts";
import { OneFrame } from "./zstd-frame.ts";

const OUTPUT_BYTES = 512 * 1024;
/** 8 MiB, the window of level 19: what a frame may ask us to remember. */
const MOST_WINDOW_LOG = 23;

export interface CompressOptions {
  /** zstd level; 1 keeps up with a dump on two cores. */
  readonly level: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The bytes as one zstd frame with a content checksum. A chunk of `plain` is left alone only until the second next
 * call after the one that brought it. When `plain` throws, this throws the same; the frame is never ended.
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
  ended.catch(() => {}); // awaited below; before that, a write's own rejection says the same

  let reading: Promise<IteratorResult<Uint8Array, void>> | undefined;
  let writing: Promise<void> = Promise.resolve();
  const read = (): Promise<IteratorResult<Uint8Array, void>> => {
    const next = plain.next();
    next.catch(() => {}); // awaited in the next round; it may settle before
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
      next = read(); // the next chunk is read and hashed while this one is compressed
      const produced = ready;
      ready = [];
      yield* produced;
    }
    zstd.end();
    await ended;
    yield* ready;
  } finally {
    zstd.destroy();
    // A source that is in the middle of an answer is told to stop without being waited for: it may never come.
    const stopping = plain.return();
    if (reading === undefined) await stopping;
    else stopping.catch(() => {});
  }
}

/** Resolves when the chunk has been worked on; rejects also when the stream is destroyed meanwhile. */
function write(stream: Transform, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    // A write that waits for its output to be read is never called back once the stream is destroyed.
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
 * The content of exactly one zstd frame. INTEGRITY when the frame is damaged or truncated, when there is none, or when
 * anything follows it. Content may have been given out before that shows.
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
      const next = await compressed.next(); // read and decrypted while the chunk before is decompressed
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
    // A source that is in the middle of an answer is told to stop without being waited for: it may never come.
    const stopping = compressed.return();
    if (reading) stopping.catch(() => {});
    else await Promise.all([feeding, stopping]);
  }
}

/** False when the write failed: the decompressor's own failure reaches its reader, and a second telling of it is no cause. */
const accepted = (writing: Promise<void>): Promise<boolean> =>
  writing.then(
    () => true,
    () => false,
  );
