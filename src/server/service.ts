// What every part of the service works with: routes, scheduler and monitors get one object, and nothing else is global.
import type { Hono } from "hono";
import type { Composed } from "../compose.ts";
import type { Config } from "../config/load.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "./logs.ts";

export interface Service {
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts when the service was told to stop. */
  readonly signal: AbortSignal;
  /** Returns the present configuration. A reload replaces it. */
  config(): Config;
  /** Runs on the present wired configuration, which stays open until `run` has settled, also when a reload replaces it. */
  use<T>(run: (context: Composed) => Promise<T>): Promise<T>;
}

/** A route module: adds its routes to the application. app.ts lists them. */
export type Routes = (app: Hono, service: Service) => void | Promise<void>;

/** The wired configuration of the service, which a reload replaces while it is in use. */
export class Wiring {
  #present: Wired;

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
  async replace(config: Config, context: Composed): Promise<void> {
    const before = this.#present;
    this.#present = new Wired(config, context);
    await before.end();
  }

  /** Resolves when the last use has ended and everything is closed. */
  end(): Promise<void> {
    return this.#present.end();
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
