// How long the API of a provider is waited for, and the pauses between tries. Every wait obeys the caller's signal, and ends.
import { setTimeout as delay } from "node:timers/promises";

export interface CallTimeouts {
  /** One request, answer included. */
  readonly requestMs: number;
  /** All tries of one call while the service is there and busy, or takes no more requests (429). */
  readonly busyMs: number;
  /** All tries of one call while the service does not answer, or answers with a failure of its own. */
  readonly outageMs: number;
  /** First pause before a call is tried again; doubled each time, up to ten seconds, with a random part taken off. */
  readonly retryMs: number;
}

const LONGEST_PAUSE_MS = 10_000;

/** The pause before try number `attempt` (from 1). `random` is a random byte: many clients must not come back together. */
export function pauseMs({ retryMs }: Pick<CallTimeouts, "retryMs">, attempt: number, random: number): number {
  const ceiling = Math.min(LONGEST_PAUSE_MS, retryMs * 2 ** (attempt - 1));
  return ceiling * (0.5 + random / 510);
}

/** Reads `Retry-After`: seconds, or an HTTP date. Undefined when it is absent or has no meaning. */
export function retryAfterMs(header: string | null | undefined, now: Date): number | undefined {
  const text = header?.trim() ?? "";
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const at = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now.getTime());
}

/** Throws the signal's own reason when it aborts. */
export async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
