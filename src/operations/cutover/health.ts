// Whether an application is up: its health address answers the expected status.
import { setTimeout } from "node:timers/promises";
import type { Clock } from "../../ports/clock.ts";
import type { HealthCheck } from "../../ports/cutover.ts";
import type { Watch } from "../context.ts";

const REQUEST_MS = 10_000;
const POLL_MS = 500;
/** How often a wait is reported. */
const TELL_MS = 15_000;

export interface Health {
  readonly ok: boolean;
  /** What it answered last, as the end of a sentence that begins with the address. */
  readonly said: string;
  readonly waitedMs: number;
}

/** The address for messages: without its login and its query, which may hold a token. */
export function healthInWords({ url }: HealthCheck): string {
  const { origin, pathname } = new URL(url.read());
  return `${origin}${pathname}`;
}

/** Asks once. Never throws but for the signal. */
export async function askHealth({ url, status }: HealthCheck, signal: AbortSignal): Promise<Pick<Health, "ok" | "said">> {
  signal.throwIfAborted();
  const deadline = AbortSignal.timeout(REQUEST_MS);
  try {
    const response = await fetch(url.read(), { redirect: "manual", signal: AbortSignal.any([signal, deadline]) });
    await response.body?.cancel();
    return { ok: response.status === status, said: `answered ${response.status}` };
  } catch {
    signal.throwIfAborted();
    return { ok: false, said: deadline.aborted ? `did not answer within ${REQUEST_MS / 1000} s` : "could not be reached" };
  }
}

/** Asks until it is up or its timeout is over. */
export async function awaitHealth(health: HealthCheck, clock: Clock, { signal, progress }: Watch): Promise<Health> {
  const startedMs = clock.monotonicMs();
  let toldMs = startedMs;
  for (;;) {
    const { ok, said } = await askHealth(health, signal);
    const nowMs = clock.monotonicMs();
    if (ok || nowMs - startedMs >= health.timeoutMs) return { ok, said, waitedMs: nowMs - startedMs };
    if (nowMs - toldMs >= TELL_MS) {
      progress.note(`${healthInWords(health)} ${said}; waiting for ${health.status}`);
      toldMs = nowMs;
    }
    await setTimeout(POLL_MS, undefined, { signal });
  }
}
