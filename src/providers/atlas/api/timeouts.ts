// How long Atlas is waited for. Every wait obeys the caller's signal, and ends.
import { setTimeout as delay } from "node:timers/promises";

export interface Timeouts {
  /** One request, answer included. */
  readonly requestMs: number;
  /** All the tries of one call while something of the cluster is under way, or we are too fast (429). */
  readonly busyMs: number;
  /** All the tries of one call while Atlas does not answer, or answers with a failure of its own. */
  readonly outageMs: number;
  /** First pause before a call is tried again; doubled each time, up to ten seconds, with chance taken off. */
  readonly retryMs: number;
  /** Longest pause between two questions about work under way. */
  readonly pollMs: number;
  /** Atlas goes on working when its API cannot be reached: so long may it be silent during a wait. */
  readonly silenceMs: number;
  /** A cluster that is made or changed. */
  readonly clusterMs: number;
  readonly deleteMs: number;
  readonly snapshotMs: number;
  readonly restoreMs: number;
  readonly exportMs: number;
  /** The first connection to a cluster whose name is new. 0: it is left to whoever connects. */
  readonly connectMs: number;
  /** Until a cluster that was just made or restored knows the project's database users: they are brought to each one. */
  readonly loginMs: number;
  /** How far behind the present the log that Atlas keeps may be: the API gives no upper edge of what can be restored. */
  readonly lagMs: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

export const TIMEOUTS: Timeouts = {
  requestMs: 30_000,
  busyMs: 3 * MINUTE_MS,
  outageMs: MINUTE_MS,
  retryMs: 500,
  pollMs: 10_000,
  silenceMs: 15 * MINUTE_MS,
  clusterMs: 90 * MINUTE_MS,
  deleteMs: 30 * MINUTE_MS,
  snapshotMs: 6 * HOUR_MS,
  restoreMs: 24 * HOUR_MS,
  exportMs: 24 * HOUR_MS,
  connectMs: 5 * MINUTE_MS,
  loginMs: 2 * MINUTE_MS,
  lagMs: MINUTE_MS,
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
