// What every part of the service works with: routes, scheduler and monitor get one object, and nothing else is global.
import type { Hono } from "hono";
import type { Composed } from "../compose.ts";
import type { Config } from "../config/load.ts";
import type { Alert } from "../core/alerts.ts";
import type { HealthCode } from "../core/monitors.ts";
import type { Verdict } from "../core/verdict.ts";
import type { SourceStatus } from "../operations/watch/status.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/progress.ts";
import type { Log } from "./logs.ts";

/** What a beat found. */
export interface Judgement {
  /** When the beat ended. */
  readonly at: Date;
  readonly durationMs: number;
  readonly verdict: Verdict;
  /** Of every source of the configuration. Undefined: it could not be judged. */
  readonly sources: ReadonlyMap<string, SourceStatus | undefined>;
  /** The codes of what was found of each source, and under null of the repository and the machine. */
  readonly codes: ReadonlyMap<string | null, readonly HealthCode[]>;
  readonly open: readonly Alert[];
}

export interface Service {
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts when the service was told to stop: nothing new begins. */
  readonly signal: AbortSignal;
  /** Aborts when what still runs must end, some time after `signal`. */
  readonly cancel: AbortSignal;
  /** Receives the events of every job of this process, for its subscribers: log, metrics. */
  readonly events: Events;
  subscribe(subscriber: Events): void;
  /** Returns the present configuration. A reload replaces it. */
  config(): Config;
  /** Runs on the present wired configuration, which stays open until `run` has settled, also when a reload replaces it. */
  use<T>(run: (context: Composed) => Promise<T>): Promise<T>;
  /** Returns what the last beat found. Undefined: there was none yet. */
  judgement(): Judgement | undefined;
  /** Why the last change of the configuration was refused. Undefined: it was not. */
  refusal(): string | undefined;
}

/** A route module: adds its routes to the application. app.ts lists them. */
export type Routes = (app: Hono, service: Service) => void | Promise<void>;

/** The wired configuration of the service, which a reload replaces while it is in use. */
export class Wiring {
  #present: Wired;
  readonly #ending = new Set<Promise<void>>();

  constructor(config: Config, context: Composed) {
    this.#present = new Wired(config, context);
  }

  get config(): Config {
    return this.#present.config;
  }

  use<T>(run: (context: Composed) => Promise<T>): Promise<T> {
    return this.#present.use(run);
  }

  /** What begins from now on uses the new one. The old one is closed after its last use. */
  replace(config: Config, context: Composed): void {
    this.#retire();
    this.#present = new Wired(config, context);
  }

  /** Resolves when the last use has ended and everything is closed. */
  async end(): Promise<void> {
    this.#retire();
    await Promise.all(this.#ending);
  }

  #retire(): void {
    const ending = this.#present.end().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }
}

class Wired {
  readonly config: Config;
  readonly #context: Composed;
  readonly #uses = new Set<Promise<unknown>>();

  constructor(config: Config, context: Composed) {
    this.config = config;
    this.#context = context;
  }

  async use<T>(run: (context: Composed) => Promise<T>): Promise<T> {
    const running = run(this.#context);
    this.#uses.add(running);
    try {
      return await running;
    } finally {
      this.#uses.delete(running);
    }
  }

  async end(): Promise<void> {
    while (this.#uses.size > 0) await Promise.allSettled(this.#uses);
    await this.#context.close();
  }
}
