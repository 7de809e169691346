// A server that neither answers nor hangs up must not block a caller forever: each exchange has a timeout.
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";

export interface Watchdog {
  /** For all calls through `within`: the caller's own signal, or the end of timeouts (SOURCE_UNREACHABLE). */
  readonly signal: AbortSignal;
  /** Aborts the signal when the work takes longer. */
  within<T>(limitMs: number, work: () => Promise<T>): Promise<T>;
}

export function openWatchdog(connection: Connection, signal: AbortSignal | undefined): Watchdog {
  const late = new AbortController();
  return {
    signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
    async within(limitMs, work) {
      const timer = setTimeout(() => {
        late.abort(new LifeboatError("SOURCE_UNREACHABLE", `${connection.label} did not answer within ${limitMs / 1000} s`));
      }, limitMs);
      try {
        return await work();
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
