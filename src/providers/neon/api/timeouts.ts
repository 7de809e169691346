// How long Neon is waited for. Every wait obeys the caller's signal.
import { setTimeout as delay } from "node:timers/promises";

export interface Timeouts {
  /** One request, answer included. */
  readonly requestMs: number;
  /** All the tries of one call, while the project is busy (423) or we are too fast (429). */
  readonly busyMs: number;
  /** All the tries of one call, while Neon does not answer or answers with a failure of its own. */
  readonly outageMs: number;
  /** One operation, from our first question to its end. */
  readonly operationMs: number;
  /** Longest pause between two questions about an operation. */
  readonly pollMs: number;
  /** The first connection to a compute that has to wake; 0: it is left to whoever connects. */
  readonly coldStartMs: number;
  /** First pause before a call is tried again; doubled each time, up to ten seconds, with chance taken off. */
  readonly retryMs: number;
}

export const TIMEOUTS: Timeouts = {
  requestMs: 20_000,
  busyMs: 180_000,
  outageMs: 20_000,
  operationMs: 900_000,
  pollMs: 1_000,
  coldStartMs: 60_000,
  retryMs: 250,
};

const LONGEST_PAUSE_MS = 10_000;

/** The pause before try number `attempt` (from 1); `chance` is a random byte: many clients must not come back together. */
export function pauseMs(timeouts: Timeouts, attempt: number, chance: number): number {
  const ceiling = Math.min(LONGEST_PAUSE_MS, timeouts.retryMs * 2 ** (attempt - 1));
  return ceiling * (0.5 + chance / 510);
}

/** What `Retry-After` asks for: seconds, or an HTTP date. Undefined when it is absent or means nothing. */
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
