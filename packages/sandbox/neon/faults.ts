// Faults that a test asks for, and when they apply.
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { locked, NeonApiError } from "./errors.ts";

/** A fault of some requests. Method and path choose them (default: all); the first `skip` of them pass. */
export interface Fault {
  readonly method?: string;
  /** Of the path below the API's host: `/projects/x/branches`. */
  readonly path?: RegExp;
  readonly skip?: number;
  /** How many of them fail. Default: 1. */
  readonly times?: number;
  readonly effect:
    | { readonly kind: "latency"; readonly ms: number }
    | {
        readonly kind: "status";
        readonly status: number;
        readonly code?: string;
        readonly message?: string;
        readonly retryAfterSeconds?: number;
      }
    /** 423, as while other work is running. */
    | { readonly kind: "locked" }
    /** The connection breaks before anything was done, or after all was done (a lost answer). */
    | { readonly kind: "dropBefore" }
    | { readonly kind: "dropAfter" }
    /** Never answered: before the request is carried out, or after it. */
    | { readonly kind: "stallBefore" }
    | { readonly kind: "stallAfter" }
    /** Done and answered, but its last operation runs on until the faults are cleared; the project stays locked. */
    | { readonly kind: "stuck" };
}

/** A fault that was asked for. */
export interface Planned {
  /** How often it was hit. */
  readonly hits: number;
  /** Resolves when it is hit for the first time. */
  readonly firstHit: Promise<void>;
}

/** A request as it was seen, for tests to look at. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Undefined until answered; stays undefined where no answer is sent. */
  status?: number | undefined;
  answer?: unknown;
}

export interface Faults {
  next(fault: Fault): Planned;
  /** Forgets every fault and lets stuck operations end. */
  clear(): void;
  /** The newest ten thousand requests, in order. */
  readonly seen: Seen[];
}

const MOST_SEEN = 10_000;

export type Effect = Fault["effect"];

interface Waiting {
  readonly fault: Fault;
  readonly plan: { hits: number; firstHit: Promise<void> };
  readonly onFirstHit: () => void;
  skip: number;
  left: number;
}

export class FaultList implements Faults {
  readonly seen: Seen[] = [];
  #waiting: Waiting[] = [];
  #stuck: { on: boolean }[] = [];

  next(fault: Fault): Planned {
    const { promise, resolve } = Promise.withResolvers<void>();
    const plan = { hits: 0, firstHit: promise };
    this.#waiting.push({ fault, plan, onFirstHit: resolve, skip: fault.skip ?? 0, left: fault.times ?? 1 });
    return plan;
  }

  clear(): void {
    this.#waiting = [];
    for (const each of this.#stuck) each.on = false;
    this.#stuck = [];
  }

  note(seen: Seen): void {
    this.seen.push(seen);
    if (this.seen.length > MOST_SEEN) this.seen.shift();
  }

  /** Faults of this request; every fault that waits for it counts it. */
  take(method: string, path: string): readonly Effect[] {
    const effects: Effect[] = [];
    for (const waiting of this.#waiting) {
      const { fault, plan } = waiting;
      const meant = (fault.method === undefined || fault.method === method) && (fault.path === undefined || fault.path.test(path));
      if (!meant || waiting.left === 0) continue;
      if (waiting.skip > 0) {
        waiting.skip--;
        continue;
      }
      waiting.left--;
      plan.hits++;
      waiting.onFirstHit();
      effects.push(fault.effect);
    }
    return effects;
  }

  stick(): { on: boolean } {
    const token = { on: true };
    this.#stuck.push(token);
    return token;
  }
}

/** Applies the fault before the request is carried out. False when it must not be carried out, and gets no answer. */
export async function applyBefore(effects: readonly Effect[], response: ServerResponse): Promise<boolean> {
  for (const effect of effects) {
    if (effect.kind === "latency") await sleep(effect.ms, undefined, { ref: false });
    if (effect.kind === "dropBefore") response.socket?.destroy();
    if (effect.kind === "dropBefore" || effect.kind === "stallBefore") return false;
    if (effect.kind === "locked") throw locked();
    if (effect.kind === "status") {
      const { status, code = "", message = "a fault was asked for", retryAfterSeconds } = effect;
      throw new NeonApiError(status, code, message, retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) });
    }
  }
  return true;
}

/** Whether the answer may be sent. */
export function applyAfter(effects: readonly Effect[], response: ServerResponse): boolean {
  if (effects.some((effect) => effect.kind === "dropAfter")) {
    response.socket?.destroy();
    return false;
  }
  return !effects.some((effect) => effect.kind === "stallAfter");
}
