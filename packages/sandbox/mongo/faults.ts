// Faults that a test asks for, and when they apply.
import type { Document } from "bson";
import { type Counted, FaultQueue, noteSeen, type Planned } from "../faults.ts";
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
export interface Fault extends Counted {
  /** The command's name: `find`, or a pattern. */
  readonly command?: string | RegExp;
  readonly db?: string;
  /** The collection that the command is about. */
  readonly collection?: string | RegExp;
  readonly effect: Effect;
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

const GREETINGS = new Set(["hello", "isMaster", "ismaster", "ping", "endSessions"]);

const fits = (wanted: string | RegExp | undefined, is: string): boolean =>
  wanted === undefined || (typeof wanted === "string" ? wanted === is : wanted.test(is));

export class FaultList implements Faults {
  readonly seen: Seen[] = [];
  readonly #drop: () => void;
  readonly #commands = new FaultQueue<Fault>();
  #held = Promise.withResolvers<void>();

  constructor(dropConnections: () => void) {
    this.#drop = dropConnections;
  }

  next(fault: Fault): Planned {
    return this.#commands.add(fault);
  }

  clear(): void {
    this.#commands.clear();
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
    noteSeen(this.seen, seen);
    return seen;
  }

  take(command: string, db: string, collection: string): readonly Effect[] {
    const matches = (fault: Fault): boolean => {
      const greeting = fault.command === undefined && GREETINGS.has(command);
      return !greeting && fits(fault.command, command) && fits(fault.db, db) && fits(fault.collection, collection);
    };
    return this.#commands.take(matches).map(({ effect }) => effect);
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
