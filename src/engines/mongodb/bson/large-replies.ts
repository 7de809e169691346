// Keeps memory flat while documents of many megabytes are read: one large reply at a time, whose memory is freed as soon as it was used.

/** The size of a reply above which it waits for its turn. */
export const LARGE_BYTES = 4 * 1024 * 1024;

/** Gives turns to cursors that are read side by side, in the order of their requests. */
export class LargeReplies {
  #last: Promise<void> = Promise.resolve();
  #seen: "none" | "small" | "large" = "none";

  /** The turn for the first reply of a cursor, whose size is unknown. Undefined while all replies were small: none is required. */
  async beginUnknown(): Promise<(() => void) | undefined> {
    return this.#seen === "small" ? undefined : await this.begin();
  }

  /** Notes the size of a reply in bytes; returns whether it is large. */
  isLarge(sizeBytes: number): boolean {
    const large = sizeBytes > LARGE_BYTES;
    if (this.#seen !== "large") this.#seen = large ? "large" : "small";
    return large;
  }

  /** Resolves when the turn has come, with the function that ends it. */
  async begin(): Promise<() => void> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    return resolve;
  }
}

/**
 * Frees the memory of a large reply at once. Node would free it when the garbage collector runs, which is after many objects were made; a
 * few replies of 16 MB are few objects, and a hundred megabytes of them would pile up. All views of the memory become empty.
 */
export function freeLarge({ buffer }: Uint8Array): void {
  if (buffer.byteLength > LARGE_BYTES && buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
}
