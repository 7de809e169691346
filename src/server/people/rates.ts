// Limits of requests: each caller has a bucket that fills evenly and from which each request takes one.
import { LifeboatError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";

interface Bucket {
  left: number;
  atMs: number;
}

/** Callers that are remembered. Beyond, the one that was quiet longest is forgotten: its bucket is the fullest. */
const MOST_CALLERS = 10_000;
const MINUTE_MS = 60_000;

export class Rates {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** Takes one request of the caller. RATE_LIMITED with `retryAfterSeconds` in its details. */
  take(caller: string, perMinute: number): void {
    const bucket = this.#bucketOf(caller, perMinute);
    if (bucket.left < 1) throw limited(bucket, perMinute);
    bucket.left -= 1;
  }

  #bucketOf(caller: string, perMinute: number): Bucket {
    const atMs = this.#clock.monotonicMs();
    const known = this.#buckets.get(caller);
    const left = known === undefined ? perMinute : Math.min(perMinute, known.left + ((atMs - known.atMs) / MINUTE_MS) * perMinute);
    const bucket = { left, atMs };
    this.#buckets.delete(caller);
    this.#buckets.set(caller, bucket);
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size <= MOST_CALLERS) break;
      this.#buckets.delete(oldest);
    }
    return bucket;
  }
}

function limited({ left }: Bucket, perMinute: number): LifeboatError {
  const retryAfterSeconds = Math.max(1, Math.ceil(((1 - left) / perMinute) * 60));
  return new LifeboatError("RATE_LIMITED", `more than ${perMinute} requests in a minute`, { details: { retryAfterSeconds } });
}
