// Limits of requests: each caller has an allowance that grows evenly, and each request takes one from it.
import { LifeboatError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";

interface Allowance {
  left: number;
  atMs: number;
}

/** Callers that are remembered. Beyond, the one that was quiet longest is forgotten: its allowance is the largest. */
const MOST_CALLERS = 10_000;
const MINUTE_MS = 60_000;

export class Rates {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #allowances = new Map<string, Allowance>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** Takes one request of the caller. RATE_LIMITED with `retryAfterSeconds` in its details. */
  take(caller: string, perMinute: number): void {
    const allowance = this.#allowanceOf(caller, perMinute);
    if (allowance.left < 1) throw limited(allowance, perMinute);
    allowance.left -= 1;
  }

  #allowanceOf(caller: string, perMinute: number): Allowance {
    const atMs = this.#clock.monotonicMs();
    const known = this.#allowances.get(caller);
    const left = known === undefined ? perMinute : Math.min(perMinute, known.left + ((atMs - known.atMs) / MINUTE_MS) * perMinute);
    const allowance = { left, atMs };
    this.#allowances.delete(caller);
    this.#allowances.set(caller, allowance);
    for (const oldest of this.#allowances.keys()) {
      if (this.#allowances.size <= MOST_CALLERS) break;
      this.#allowances.delete(oldest);
    }
    return allowance;
  }
}

function limited({ left }: Allowance, perMinute: number): LifeboatError {
  const retryAfterSeconds = Math.max(1, Math.ceil(((1 - left) / perMinute) * 60));
  return new LifeboatError("RATE_LIMITED", `more than ${perMinute} requests in a minute`, { details: { retryAfterSeconds } });
}
