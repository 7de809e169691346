// Waiting that a signal can cut short.
import { LifeboatError } from "../core/errors.ts";

/**
 * The promise's outcome, or, as soon as the signal aborts, its reason (CANCELLED unless the reason is an error of ours).
 * The promise itself goes on; its later failure is swallowed, being an echo of the abort.
 */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  // A listener per wait, taken off again: racing one long-lived promise would gather its reactions for as long as data flows.
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
