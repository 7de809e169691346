// Waiting with an end: what an adapter awaits passes through here, so that a silent disk or server,
// or a caller who no longer wants the result, ends the wait.
import { asLifeboatError, LifeboatError } from "../core/errors.ts";

/** The error an aborted signal stands for: its reason when that is a LifeboatError (the first cause wins), else CANCELLED. */
export function cancellation(signal: AbortSignal): LifeboatError {
  const reason: unknown = signal.reason;
  if (reason instanceof LifeboatError) return reason;
  if (reason instanceof Error && reason.name === "AbortError") return asLifeboatError(reason);
  return new LifeboatError("CANCELLED", "stopped on request", { cause: reason });
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancellation(signal);
}

/**
 * The promise's outcome, or CANCELLED when the signal aborts first. The work itself is not stopped: its caller
 * cleans up after it.
 */
export function orCancelled<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) {
    promise.catch(() => undefined); // its outcome no longer matters: the cancellation is the first cause
    return Promise.reject(cancellation(signal));
  }
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(cancellation(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** The promise's outcome, or STORAGE_TIMEOUT saying `what` after so many milliseconds. */
export function within<T>(promise: Promise<T>, timeoutMs: number, what: () => string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new LifeboatError("STORAGE_TIMEOUT", `${what()} did not end within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Waits so many milliseconds, or less when the signal aborts (then CANCELLED). */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const elapsed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return orCancelled(elapsed, signal).finally(() => clearTimeout(timer));
}
