// Waits for a promise until a signal aborts.
import { LifeboatError } from "../core/errors.ts";

/**
 * Settles like the promise, or rejects with the signal's reason as soon as the signal aborts (CANCELLED unless the reason is a
 * LifeboatError). The promise itself continues; a later rejection is ignored, because the abort causes it.
 */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
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
