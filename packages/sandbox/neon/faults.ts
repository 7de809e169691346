// Faults of Neon's API that a test asks for, and when they apply.
import type { ServerResponse } from "node:http";
import * as faults from "../faults.ts";
import { FaultQueue, type HttpEffect, type HttpFault, meant, noteSeen, type Planned, type SeenRequest } from "../faults.ts";
import { locked, NeonApiError } from "./errors.ts";

export type Seen = SeenRequest;

/** A fault of some requests. The path is that below the API's host: `/projects/x/branches`. */
export interface Fault extends HttpFault {
  readonly effect: HttpEffect | OwnEffect;
}

type OwnEffect =
  | {
      readonly kind: "status";
      readonly status: number;
      readonly code?: string;
      readonly message?: string;
      readonly retryAfterSeconds?: number;
    }
  /** 423, as while other work is running. */
  | { readonly kind: "locked" }
  /** Done and answered, but its last operation runs on until the faults are cleared; the project stays locked. */
  | { readonly kind: "stuck" };

export interface Faults {
  next(fault: Fault): Planned;
  /** Forgets every fault and lets stuck operations end. */
  clear(): void;
  /** The newest ten thousand requests, in order. */
  readonly seen: Seen[];
}

export type Effect = Fault["effect"];

export class FaultList implements Faults {
  readonly seen: Seen[] = [];
  readonly #requests = new FaultQueue<Fault>();
  #stuck: { on: boolean }[] = [];

  next(fault: Fault): Planned {
    return this.#requests.add(fault);
  }

  clear(): void {
    this.#requests.clear();
    for (const each of this.#stuck) each.on = false;
    this.#stuck = [];
  }

  note(seen: Seen): void {
    noteSeen(this.seen, seen);
  }

  take(method: string, path: string): readonly Effect[] {
    return this.#requests.take(meant(method, path)).map(({ effect }) => effect);
  }

  stick(): { on: boolean } {
    const token = { on: true };
    this.#stuck.push(token);
    return token;
  }
}

/** Applies the fault before the request is carried out. Returns false when it must not be carried out, and gets no answer. */
export const applyBefore = (effects: readonly Effect[], response: ServerResponse): Promise<boolean> =>
  faults.applyBefore<OwnEffect>(effects, response, (effect) => {
    if (effect.kind === "locked") throw locked();
    if (effect.kind !== "status") return;
    const { status, code = "", message = "a fault was asked for", retryAfterSeconds } = effect;
    throw new NeonApiError(status, code, message, retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) });
  });
