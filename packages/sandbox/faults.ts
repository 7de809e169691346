// What the emulators share about faults that a test asks for: which requests a fault applies to, and the effects on an HTTP answer.
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** A fault that was asked for. */
export interface Planned {
  /** How often it was hit. */
  readonly hits: number;
  /** Resolves when it is hit for the first time. */
  readonly firstHit: Promise<void>;
}

export interface Counted {
  /** How many matching requests pass first. Default: 0. */
  readonly skip?: number;
  /** How many of them fail; `Number.POSITIVE_INFINITY` for all. Default: 1. */
  readonly times?: number;
}

/** Effects on an HTTP request that are the same for every API. */
export type HttpEffect =
  | { readonly kind: "latency"; readonly ms: number }
  /** The connection breaks before anything was done, or after all was done (a lost answer). */
  | { readonly kind: "dropBefore" }
  | { readonly kind: "dropAfter" }
  /** Never answered: before the request is carried out, or after it. */
  | { readonly kind: "stallBefore" }
  | { readonly kind: "stallAfter" };

/** Which HTTP requests: method and path choose them (default: all). */
export interface HttpFault extends Counted {
  readonly method?: string;
  readonly path?: RegExp;
}

/** A request as it was seen, for tests to look at. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Undefined until answered; stays undefined where no answer is sent. */
  status?: number | undefined;
  answer?: unknown;
}

interface Waiting<F> {
  readonly fault: F;
  readonly plan: { hits: number; firstHit: Promise<void> };
  readonly onFirstHit: () => void;
  skip: number;
  left: number;
}

/** Faults in the order in which they were asked for. */
export class FaultQueue<F extends Counted> {
  #waiting: Waiting<F>[] = [];

  add(fault: F): Planned {
    const { promise, resolve } = Promise.withResolvers<void>();
    const plan = { hits: 0, firstHit: promise };
    this.#waiting.push({ fault, plan, onFirstHit: resolve, skip: fault.skip ?? 0, left: fault.times ?? 1 });
    return plan;
  }

  /** Returns those that are hit. Every fault that waits for this request counts it. */
  take(matches: (fault: F) => boolean): F[] {
    return this.#waiting.filter((waiting) => waiting.left > 0 && matches(waiting.fault) && hit(waiting)).map(({ fault }) => fault);
  }

  clear(): void {
    this.#waiting = [];
  }
}

function hit(waiting: Waiting<unknown>): boolean {
  if (waiting.skip > 0) {
    waiting.skip--;
    return false;
  }
  waiting.left--;
  waiting.plan.hits++;
  waiting.onFirstHit();
  return true;
}

const MOST_SEEN = 10_000;

/** Appends to a list that keeps the newest ten thousand. */
export function noteSeen<T>(list: T[], seen: T): void {
  list.push(seen);
  if (list.length > MOST_SEEN) list.shift();
}

/** Whether a fault is meant for this HTTP request. */
export const meant =
  (method: string, path: string) =>
  (fault: HttpFault): boolean =>
    (fault.method === undefined || fault.method === method) && (fault.path === undefined || fault.path.test(path));

/**
 * Applies effects before the request is carried out. Returns false when it must not be carried out, and gets no answer.
 * `refuse` throws the API's own error for effects of its own.
 */
export async function applyBefore<E extends { readonly kind: string }>(
  effects: readonly (E | HttpEffect)[],
  response: ServerResponse,
  refuse: (effect: E) => void,
): Promise<boolean> {
  for (const effect of effects) {
    if (isHttpEffect(effect)) {
      if (effect.kind === "latency") await sleep(effect.ms, undefined, { ref: false });
      if (effect.kind === "dropBefore") response.socket?.destroy();
      if (effect.kind === "dropBefore" || effect.kind === "stallBefore") return false;
    } else refuse(effect);
  }
  return true;
}

const HTTP_KINDS: ReadonlySet<string> = new Set<HttpEffect["kind"]>(["latency", "dropBefore", "dropAfter", "stallBefore", "stallAfter"]);
const isHttpEffect = (effect: { readonly kind: string }): effect is HttpEffect => HTTP_KINDS.has(effect.kind);

/** Returns whether the answer may be sent. */
export function applyAfter(effects: readonly { readonly kind: string }[], response: ServerResponse): boolean {
  if (effects.some(({ kind }) => kind === "dropAfter")) {
    response.socket?.destroy();
    return false;
  }
  return !effects.some(({ kind }) => kind === "stallAfter");
}
