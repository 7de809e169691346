// Reading one object, never short.
import { LifeboatError } from "../../core/errors.ts";
import type { GetOptions } from "../../ports/storage.ts";
import { orCancelled, throwIfCancelled, within } from "../deadline.ts";
import { translated } from "./errors.ts";
import { findRoot, openForReading, pathOf } from "./root.ts";

const CHUNK_BYTES = 256 * 1024;

/** The bytes from `start` to `end` or the object's last; an object that shrinks under the reader ends as INTEGRITY. */
export async function* getObject(directory: string, callMs: number, name: string, options: GetOptions): AsyncGenerator<Uint8Array> {
  const { start = 0, end = Number.POSITIVE_INFINITY, signal } = options;
  const doing = `reading ${name} in ${directory}`;
  const call = <T>(promise: Promise<T>): Promise<T> =>
    orCancelled(
      within(promise, callMs, () => doing),
      signal,
    );
  throwIfCancelled(signal);
  try {
    const root = await call(findRoot(directory));
    const file = await call(pathOf(root, name).then(openForReading));
    if (file === undefined) throw new LifeboatError("OBJECT_MISSING", `${name} is not in ${directory}`);
    try {
      const facts = await call(file.stat());
      if (!facts.isFile()) throw new LifeboatError("OBJECT_MISSING", `${name} is not in ${directory}`);
      if (start > facts.size) {
        throw new LifeboatError("INTEGRITY", `${name} holds ${facts.size} bytes; byte ${start} was wanted`);
      }
      const stop = Math.min(end + 1, facts.size);
      for (let at = start; at < stop; ) {
        // A buffer of its own for every chunk: the consumer may keep it.
        const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, stop - at));
        const { bytesRead } = await call(file.read(chunk, 0, chunk.length, at));
        if (bytesRead === 0) throw new LifeboatError("INTEGRITY", `${name} was cut off at byte ${at} while it was read`);
        yield chunk.subarray(0, bytesRead);
        at += bytesRead;
      }
    } finally {
      await within(file.close(), callMs, () => doing);
    }
  } catch (error) {
    throw translated(error, doing);
  }
}
