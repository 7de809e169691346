// Faults that a test asks for: of requests, of the work they begin, and of the connections to a cluster.
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { AtlasApiError } from "./errors.ts";

/** A fault of some requests. Method and path choose them (default: all); the first `skip` of them pass. */
export interface Fault {
  readonly method?: string;
  /** Of the path below `/api/atlas/v2`: `/groups/x/clusters`; of others the whole path: `/api/oauth/token`. */
  readonly path?: RegExp;
  readonly skip?: number;
  /** How many of them fail; `Number.POSITIVE_INFINITY` for all. Default: 1. */
  readonly times?: number;
  readonly effect:
    | { readonly kind: "latency"; readonly ms: number }
    | {
        readonly kind: "status";
        readonly status: number;
        readonly errorCode?: string;
        readonly detail?: string;
        readonly retryAfterSeconds?: number;
      }
    /** The connection breaks before anything was done, or after all was done (a lost answer). */
    | { readonly kind: "dropBefore" }
    | { readonly kind: "dropAfter" }
    /** Never answered: before the request is carried out, or after it. */
    | { readonly kind: "stallBefore" }
    | { readonly kind: "stallAfter" }
    /** All is done, but the answer is a page of HTML, or JSON that ends too early. */
    | { readonly kind: "malformed"; readonly as?: "html" | "truncated" };
}

export type WorkKind = "createCluster" | "deleteCluster" | "snapshot" | "restore" | "collectionRestore" | "export";

/** Work that fails, or never ends. */
export interface WorkFault {
  readonly work: WorkKind;
  /** Of one cluster only: the new one, the source of a snapshot, the target of a restore. */
  readonly cluster?: string;
  readonly outcome: "fail" | "hang";
  readonly skip?: number;
  readonly times?: number;
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
  /** The next work of that kind. */
  nextWork(fault: WorkFault): Planned;
  /** Connections to a cluster are dropped and refused until `up` is called, or the faults are cleared. */
  down(cluster: string): Promise<{ up(): Promise<void> }>;
  /** How many logins a cluster refuses after its creation or restore, as users take a while to reach a new one. Default: 0. */
  usersLate(logins: number): void;
  /** Forgets every fault, lets clusters be reached again. Work that hangs stays so. */
  clear(): Promise<void>;
  /** The newest ten thousand requests, in order. */
  readonly seen: Seen[];
}

const MOST_SEEN = 10_000;

export type Effect = Fault["effect"];

interface Waiting<F> {
  readonly fault: F;
  readonly plan: { hits: number; firstHit: Promise<void> };
  readonly onFirstHit: () => void;
  skip: number;
  left: number;
}

class Queue<F extends { readonly skip?: number; readonly times?: number }> {
  #waiting: Waiting<F>[] = [];

  add(fault: F): Planned {
    const { promise, resolve } = Promise.withResolvers<void>();
    const plan = { hits: 0, firstHit: promise };
    this.#waiting.push({ fault, plan, onFirstHit: resolve, skip: fault.skip ?? 0, left: fault.times ?? 1 });
    return plan;
  }

  /** Those that are hit; every one that waits for this counts it. */
  take(meant: (fault: F) => boolean): F[] {
    return this.#waiting.filter((waiting) => meant(waiting.fault) && hit(waiting)).map((waiting) => waiting.fault);
  }

  clear(): void {
    this.#waiting = [];
  }
}

function hit(waiting: Waiting<unknown>): boolean {
  if (waiting.left <= 0) return false;
  if (waiting.skip > 0) {
    waiting.skip--;
    return false;
  }
  waiting.left--;
  waiting.plan.hits++;
  waiting.onFirstHit();
  return true;
}

export class FaultList implements Faults {
  readonly seen: Seen[] = [];
  readonly #requests = new Queue<Fault>();
  readonly #work = new Queue<WorkFault>();
  #lateLogins = 0;
  readonly #down = new Set<{ up(): Promise<void> }>();
  readonly #takeDown: (cluster: string) => Promise<() => Promise<void>>;

  /** `takeDown` makes a cluster unreachable; the function that it returns ends that. */
  constructor(takeDown: (cluster: string) => Promise<() => Promise<void>>) {
    this.#takeDown = takeDown;
  }

  next(fault: Fault): Planned {
    return this.#requests.add(fault);
  }

  nextWork(fault: WorkFault): Planned {
    return this.#work.add(fault);
  }

  usersLate(logins: number): void {
    this.#lateLogins = logins;
  }

  /** Logins that data which begins now refuses. */
  get lateLogins(): number {
    return this.#lateLogins;
  }

  async down(cluster: string): Promise<{ up(): Promise<void> }> {
    const open = await this.#takeDown(cluster);
    const token = {
      up: async (): Promise<void> => {
        if (this.#down.delete(token)) await open();
      },
    };
    this.#down.add(token);
    return token;
  }

  async clear(): Promise<void> {
    this.#requests.clear();
    this.#work.clear();
    this.#lateLogins = 0;
    for (const each of [...this.#down]) await each.up();
  }

  note(seen: Seen): void {
    this.seen.push(seen);
    if (this.seen.length > MOST_SEEN) this.seen.shift();
  }

  take(method: string, path: string): readonly Effect[] {
    const meant = (fault: Fault): boolean =>
      (fault.method === undefined || fault.method === method) && (fault.path === undefined || fault.path.test(path));
    return this.#requests.take(meant).map((fault) => fault.effect);
  }

  /** How this work will end, when a fault was asked for. */
  outcome(work: WorkKind, cluster: string): "fail" | "hang" | undefined {
    return this.#work.take((fault) => fault.work === work && (fault.cluster === undefined || fault.cluster === cluster)).at(0)?.outcome;
  }
}

/** Applies the fault before the request is carried out. False when it must not be carried out, and gets no answer. */
export async function applyBefore(effects: readonly Effect[], response: ServerResponse): Promise<boolean> {
  for (const effect of effects) {
    if (effect.kind === "latency") await sleep(effect.ms, undefined, { ref: false });
    if (effect.kind === "dropBefore") response.socket?.destroy();
    if (effect.kind === "dropBefore" || effect.kind === "stallBefore") return false;
    if (effect.kind === "status") {
      const { status, errorCode = "UNEXPECTED_ERROR", detail = "a fault was asked for", retryAfterSeconds } = effect;
      const headers: Record<string, string> = retryAfterSeconds === undefined ? {} : { "Retry-After": String(retryAfterSeconds) };
      throw new AtlasApiError(status, errorCode, detail, [], headers);
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
