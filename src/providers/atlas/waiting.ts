// Waiting for what Atlas does in its own time: asked again and again, told in words, ended by a deadline or the signal.
import { formatDuration } from "../../core/duration.ts";
import { LifeboatError } from "../../core/errors.ts";
import type { Work } from "../../ports/connection.ts";
import { sleep } from "../http/timeouts.ts";
import type { Account } from "./account.ts";

export interface Wait<T> {
  /** Completes "still": `the cluster x is being created`. */
  readonly what: string;
  readonly limitMs: number;
  ask(): Promise<T>;
  /** Throws when it has failed; undefined: not yet. */
  done(answer: T): boolean;
  /** How far it is, where that can be told. */
  readonly how?: ((answer: T) => string | undefined) | undefined;
}

/** Said at once, then every so often. */
const SAY_MS = 60_000;
const FIRST_PAUSE_MS = 250;

/**
 * The answer that was done. PROVIDER_BUSY when it has not ended in time. Atlas continues its work while its API is away, so an
 * outage ends the wait only when it is long.
 */
export async function waitFor<T>({ clock, timeouts }: Account, { what, limitMs, ask, done, how }: Wait<T>, work: Work = {}): Promise<T> {
  const startedMs = clock.monotonicMs();
  let heardMs = startedMs;
  let saidMs = Number.NEGATIVE_INFINITY;
  let said: string | undefined;
  let pauseMs = Math.min(FIRST_PAUSE_MS, timeouts.pollMs);
  for (;;) {
    let detail: string | undefined;
    try {
      const answer = await ask();
      heardMs = clock.monotonicMs();
      if (done(answer)) return answer;
      detail = how?.(answer);
    } catch (error) {
      work.signal?.throwIfAborted();
      const away = error instanceof LifeboatError && AWAY.has(error.code) && error.details.final !== true;
      if (!away || clock.monotonicMs() - heardMs > timeouts.silenceMs) throw error;
      detail = "Atlas's API does not answer";
    }
    const nowMs = clock.monotonicMs();
    if (nowMs - startedMs > limitMs) {
      throw new LifeboatError("PROVIDER_BUSY", `after ${formatDuration(limitMs)}, ${what}: Lifeboat no longer waits, and Atlas continues`);
    }
    if (detail !== said || nowMs - saidMs >= SAY_MS) {
      const since = nowMs - startedMs < SAY_MS ? "" : `, for ${formatDuration(nowMs - startedMs)} now`;
      work.progress?.note(`${what}${detail === undefined ? "" : `: ${detail}`}${since}`);
      said = detail;
      saidMs = nowMs;
    }
    await sleep(pauseMs, work.signal);
    pauseMs = Math.min(timeouts.pollMs, pauseMs * 1.5);
  }
}

const AWAY: ReadonlySet<string> = new Set(["PROVIDER_UNREACHABLE", "PROVIDER_FAILED", "PROVIDER_BUSY"]);

/** A failure of the work itself: it ends every wait. */
export function failedWork(message: string, details: Readonly<Record<string, unknown>> = {}): LifeboatError {
  return new LifeboatError("PROVIDER_FAILED", message, { details: { ...details, final: true } });
}
