// Reading a body chunk by chunk. A silent one that is no longer wanted does not hold its reader up.
import { orCancelled, throwIfCancelled } from "./deadline.ts";

/**
 * The chunks of a body, empty ones left out. Ends only when the body has *ended*: a withheld end withholds the end here.
 * The signal ends the wait for a withheld chunk; the body is then told to return, and not waited for.
 */
export async function* drawBody(
  body: AsyncIterable<Uint8Array> | Uint8Array,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  throwIfCancelled(signal);
  if (body instanceof Uint8Array) {
    if (body.length > 0) yield body;
    return;
  }
  const iterator = body[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const next = await orCancelled(iterator.next(), signal);
      if (next.done) {
        ended = true;
        throwIfCancelled(signal);
        return;
      }
      if (next.value.length > 0) yield next.value;
    }
  } finally {
    // A generator that is itself awaiting something answers `return` only afterwards, so this is not awaited;
    // what it throws then comes after the first cause.
    if (!ended) iterator.return?.()?.then(undefined, () => undefined);
  }
}
