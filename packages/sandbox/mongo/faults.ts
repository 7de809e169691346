// Faults that a test asks for, and when they apply.
import type { Document } from "bson";
import { CommandError } from "./errors.ts";

export type Effect =
  | { readonly kind: "latency"; readonly ms: number }
  /** Refused before anything is done. */
  | { readonly kind: "error"; readonly code: number; readonly message?: string; readonly labels?: readonly string[] }
  /** The connection breaks before anything was done, or after all was done (a lost answer). */
  | { readonly kind: "dropBefore" }
  | { readonly kind: "dropAfter" }
  /** Held until the connection ends or the faults are cleared, before anything is done, or after all was done. */
  | { readonly kind: "stallBefore" }
  | { readonly kind: "stallAfter" };

/** A fault of some commands. Its members choose them (default: all); the first `skip` of them pass. */
export interface Fault {
  /** The command's name: `find`, or a pattern. */
  readonly command?: string | RegExp;
  readonly db?: string;
  /** The collection that the command is about. */
  readonly collection?: string | RegExp;
  readonly skip?: number;
  /** How many of them fail. Default: 1. */
  readonly times?: number;
  readonly effect: Effect;
}

/** A fault that was asked for. */
export interface Planned {
  /** How often it was hit. */
  readonly hits: number;
  /** Resolves when it is hit for the first time. */
  readonly firstHit: Promise<void>;
}

/** A command as it was seen, for tests to look at. Documents that came beside the body are not kept, only counted. */
export interface Seen {
  readonly command: string;
  readonly db: string;
  readonly body: Document;
  readonly documents: number;
  readonly connection: number;
  /** Undefined until answered; 0 when it was done. */
  code?: number | undefined;
}

export interface Faults {
  next(fault: Fault): Planned;
  /** Forgets every fault and lets go what is held. */
  clear(): void;
  /** Breaks every connection there is. */
  dropConnections(): void;
  /** The newest ten thousand commands but greetings (`hello`, `ping`, `endSessions`), in order. */
  readonly seen: Seen[];
}

const MOST_SEEN = 10_000;
const GREETINGS = new Set(["hello", "isMaster", "ismaster", "ping", "endSessions"]);

interface Waiting {
  readonly fault: Fault;
  readonly plan: { hits: number; firstHit: Promise<void> };
  readonly onFirstHit: () => void;
  skip: number;
  left: number;
}

const fits = (wanted: string | RegExp | undefined, is: string): boolean =>
  wanted === undefined || (typeof wanted === "string" ? wanted === is : wanted.test(is));

export class FaultList implements Faults {
  readonly seen: Seen[] = [];
  readonly #drop: () => void;
  #waiting: Waiting[] = [];
  #held = Promise.withResolvers<void>();

  constructor(dropConnections: () => void) {
    this.#drop = dropConnections;
  }

  next(fault: Fault): Planned {
    const { promise, resolve } = Promise.withResolvers<void>();
    const plan = { hits: 0, firstHit: promise };
    this.#waiting.push({ fault, plan, onFirstHit: resolve, skip: fault.skip ?? 0, left: fault.times ?? 1 });
    return plan;
  }

  clear(): void {
    this.#waiting = [];
    this.#held.resolve();
    this.#held = Promise.withResolvers<void>();
  }

  dropConnections(): void {
    this.#drop();
  }

  /** Resolves when the faults are cleared. */
  get cleared(): Promise<void> {
    return this.#held.promise;
  }

  note(seen: Seen): Seen {
    if (GREETINGS.has(seen.command)) return seen;
    this.seen.push(seen);
    if (this.seen.length > MOST_SEEN) this.seen.shift();
    return seen;
  }

  /** Faults of this command; every fault that waits for it counts it. */
  take(command: string, db: string, collection: string): readonly Effect[] {
    const effects: Effect[] = [];
    for (const waiting of this.#waiting) {
      const { fault, plan } = waiting;
      const greeting = fault.command === undefined && GREETINGS.has(command);
      const meant = !greeting && fits(fault.command, command) && fits(fault.db, db) && fits(fault.collection, collection);
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
}

/** The refusal among the effects. */
export function refusalOf(effects: readonly Effect[]): CommandError | undefined {
  for (const effect of effects) {
    if (effect.kind !== "error") continue;
    const { code, message = "a fault was asked for", labels } = effect;
    return new CommandError(code, message, labels === undefined ? {} : { errorLabels: labels });
  }
  return undefined;
}
