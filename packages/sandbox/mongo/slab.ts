// Where documents' bytes lie: large buffers that are only ever appended to, so that a document costs no buffer of its own.
import type { Raw } from "./raw.ts";

const SLAB_BYTES = 2 * 1024 * 1024;

export class Slab {
  #chunk = Buffer.alloc(0);
  #used = 0;

  /** Keeps a copy; bytes once kept never change. */
  keep(source: Buffer, offset: number, length: number): Raw {
    if (length > SLAB_BYTES / 8) {
      const own = Buffer.allocUnsafeSlow(length);
      source.copy(own, 0, offset, offset + length);
      return { chunk: own, offset: 0, length };
    }
    if (this.#used + length > this.#chunk.length) {
      this.#chunk = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#used = 0;
    }
    source.copy(this.#chunk, this.#used, offset, offset + length);
    const raw = { chunk: this.#chunk, offset: this.#used, length };
    this.#used += length;
    return raw;
  }
}
