// Keeps memory flat while documents of many megabytes are read: one large reply at a time, and what the last one left is given back first.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** A reply larger than this is one that has to wait for its turn. */
export const LARGE_BYTES = 4 * 1024 * 1024;

/** The turn to ask for a large reply, among those that read side by side. */
export class LargeReplies {
  #last: Promise<void> = Promise.resolve();

  /** Resolves when it is one's turn, with what ends it. */
  async begin(): Promise<() => void> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    collect ??= openCollector();
    collect();
    return resolve;
  }
}

let collect: (() => void) | undefined;

/**
 * Node gives buffers back only when the collector comes by, and it comes when many objects were made. A few replies of 16 MB are few
 * objects: a hundred megabytes of them would lie about. The collector can be called only by a switch, which reaches contexts made later.
 */
function openCollector(): () => void {
  setFlagsFromString("--expose-gc");
  const found: unknown = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  return typeof found === "function" ? () => void found() : () => {};
}
