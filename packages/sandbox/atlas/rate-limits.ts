// Token buckets per endpoint set, and their headers.
import { AtlasApiError } from "./errors.ts";

export interface RateLimit {
  readonly id: string;
  readonly name: string;
  readonly capacity: number;
  readonly refillRate: number;
  readonly refillDurationSeconds: number;
  readonly matches: (path: string) => boolean;
}

/** Capacities as recorded from the real service; what a set holds and how fast it refills is assumed. First fit. */
export const RATE_LIMITS: readonly RateLimit[] = [
  set("events", "Events", 300, (path) => /\/events(\/|$)/.test(path)),
  set("backup", "Backup", 1200, (path) => /\/(backup|backupCompliancePolicy|collectionRestoreJobs|flexClusters)(\/|$)/.test(path)),
  set("clusters", "Clusters", 10_000, (path) => /\/clusters(\/|$)/.test(path)),
  set("default", "Everything else", 10_000, () => true),
];

function set(id: string, name: string, capacity: number, matches: (path: string) => boolean): RateLimit {
  return { id, name, capacity, refillRate: capacity, refillDurationSeconds: 60, matches };
}

export type RateLimitFigures = Partial<Pick<RateLimit, "capacity" | "refillRate" | "refillDurationSeconds">>;

interface TokenBucket {
  readonly limit: RateLimit;
  tokens: number;
  atMs: number;
}

export class Buckets {
  readonly limits: readonly RateLimit[];
  readonly #buckets: TokenBucket[];
  readonly #elapsedMs: () => number;

  /** `elapsedMs`: time as the waiting clients measure it. */
  constructor(elapsedMs: () => number, figures: Readonly<Record<string, RateLimitFigures>> = {}) {
    this.#elapsedMs = elapsedMs;
    this.limits = RATE_LIMITS.map((limit) => ({ ...limit, ...figures[limit.id] }));
    this.#buckets = this.limits.map((limit) => ({ limit, tokens: limit.capacity, atMs: elapsedMs() }));
  }

  /** Takes one token: the headers of the answer, or 429. */
  take(path: string): Record<string, string> {
    const bucket = this.#buckets.find((each) => each.limit.matches(path)) as TokenBucket;
    const { capacity, refillRate, refillDurationSeconds } = bucket.limit;
    const perMs = refillRate / (refillDurationSeconds * 1000);
    const nowMs = this.#elapsedMs();
    bucket.tokens = Math.min(capacity, bucket.tokens + (nowMs - bucket.atMs) * perMs);
    bucket.atMs = nowMs;
    const headers = { "RateLimit-Limit": String(capacity) };
    if (bucket.tokens < 1) {
      const waitSeconds = Math.ceil((1 - bucket.tokens) / perMs / 1000);
      throw new AtlasApiError(
        429,
        "RATE_LIMITED_TOKEN_BUCKET",
        `The limit of requests to ${path} is reached; wait ${waitSeconds} s.`,
        [path, waitSeconds, capacity, refillRate, refillDurationSeconds],
        { ...headers, "RateLimit-Remaining": "0", "Retry-After": String(waitSeconds) },
      );
    }
    bucket.tokens--;
    return { ...headers, "RateLimit-Remaining": String(Math.floor(bucket.tokens)) };
  }
}
