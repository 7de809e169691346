// Decompresses a copy of what the server compressed, to see what it holds. The bytes themselves are passed on unchanged.
import { createZstdDecompress } from "node:zlib";
import { LifeboatError } from "../../../core/errors.ts";

const OUTPUT_BYTES = 256 * 1024;

/** Hands plain bytes to `onPlain` while it is fed. What follows the first frame is not its business: the seal refuses that. */
export class Inflate {
  readonly #zstd = createZstdDecompress({ chunkSize: OUTPUT_BYTES });
  readonly #closed = Promise.withResolvers<void>();
  #failure: unknown;

  constructor(onPlain: (bytes: Uint8Array) => void) {
    this.#closed.promise.catch(() => {}); // reported to the next write or end
    this.#zstd.on("data", (bytes: Uint8Array) => {
      if (this.#failure !== undefined) return;
      try {
        onPlain(bytes);
        // A full buffer is given back at once: waiting for the collector cost a quarter of all time, and a third of the memory.
        if (bytes.byteLength === bytes.buffer.byteLength) (bytes.buffer as ArrayBuffer).transfer(0);
      } catch (error) {
        this.#fail(error);
      }
    });
    this.#zstd.once("error", (cause) => {
      this.#fail(new LifeboatError("INTEGRITY", `what the server compressed is damaged: zstd says "${cause.message}"`, { cause }));
    });
    this.#zstd.once("end", () => this.#closed.resolve());
    this.#zstd.once("close", () => this.#closed.reject(this.#failure ?? new Error("the decompressor was closed")));
  }

  /** Resolves when all that the bytes hold has been handed over. */
  async write(bytes: Uint8Array): Promise<void> {
    const written = new Promise<void>((resolve) => this.#zstd.write(bytes, () => resolve()));
    await Promise.race([written, this.#closed.promise]);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async end(): Promise<void> {
    this.#zstd.end();
    await this.#closed.promise;
    if (this.#failure !== undefined) throw this.#failure;
  }

  close(): void {
    this.#zstd.destroy();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#zstd.destroy();
  }
}
