// Faults that a test asks for: of requests, of the work they begin, and of the connections to a cluster.
import type { ServerResponse } from "node:http";
import * as faults from "../faults.ts";
import { type Counted, FaultQueue, type HttpEffect, type HttpFault, meant, noteSeen, type Planned, type SeenRequest } from "../faults.ts";
import { AtlasApiError } from "./errors.ts";

export type Seen = SeenRequest;

/** A fault of some requests. The path is that below `/api/atlas/v2`: `/groups/x/clusters`; of others the whole: `/api/oauth/token`. */
export interface Fault extends HttpFault {
  readonly effect: HttpEffect | OwnEffect;
}

type OwnEffect =
  | {
      readonly kind: "status";
      readonly status: number;
      readonly errorCode?: string;
      readonly detail?: string;
      readonly retryAfterSeconds?: number;
    }
  /** All is done, but the answer is a page of HTML, or JSON that ends too early. */
  | { readonly kind: "malformed"; readonly as?: "html" | "truncated" };

export type WorkKind = "createCluster" | "deleteCluster" | "snapshot" | "restore" | "collectionRestore" | "export";

/** Work that fails, or never ends. */
export interface WorkFault extends Counted {
  readonly work: WorkKind;
  /** Of one cluster only: the new one, the source of a snapshot, the target of a restore. */
  readonly cluster?: string;
  readonly outcome: "fail" | "hang";
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

export type Effect = Fault["effect"];

export class FaultList implements Faults {
  readonly seen: Seen[] = [];
  readonly #requests = new FaultQueue<Fault>();
  readonly #work = new FaultQueue<WorkFault>();
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
    noteSeen(this.seen, seen);
  }

  take(method: string, path: string): readonly Effect[] {
    return this.#requests.take(meant(method, path)).map(({ effect }) => effect);
  }

  /** How this work will end, when a fault was asked for. */
  outcome(work: WorkKind, cluster: string): "fail" | "hang" | undefined {
    return this.#work.take((fault) => fault.work === work && (fault.cluster === undefined || fault.cluster === cluster)).at(0)?.outcome;
  }
}

/** Applies the fault before the request is carried out. Returns false when it must not be carried out, and gets no answer. */
export const applyBefore = (effects: readonly Effect[], response: ServerResponse): Promise<boolean> =>
  faults.applyBefore<OwnEffect>(effects, response, (effect) => {
    if (effect.kind !== "status") return;
    const { status, errorCode = "UNEXPECTED_ERROR", detail = "a fault was asked for", retryAfterSeconds } = effect;
    const headers: Record<string, string> = retryAfterSeconds === undefined ? {} : { "Retry-After": String(retryAfterSeconds) };
    throw new AtlasApiError(status, errorCode, detail, [], headers);
  });
