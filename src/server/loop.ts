// A part of the service that acts again and again until the service stops.
import { once } from "node:events";
import { asLifeboatError } from "../core/errors.ts";
import type { Service } from "./service.ts";

export interface Loop {
  /** Ends the present pause, or makes the next one end at once. */
  wake(): void;
  /** Resolves when the service is stopping and the last turn has ended. */
  readonly ended: Promise<void>;
}

interface LoopOptions {
  /** What the log says when a turn throws. */
  readonly failed: string;
  /** What it says when a later turn has ended without. Absent: turns that end well are rare. */
  readonly again?: string;
  /** How long to wait after a turn. */
  pauseMs(): Promise<number>;
  /** One turn. What it throws is logged once, not in each turn, and the loop continues. */
  act(): Promise<void>;
}

/** The longest pause of a timer in Node. */
const LONGEST_MS = 2 ** 31 - 1;

export function beginLoop({ log, signal }: Pick<Service, "log" | "signal">, { failed, again, pauseMs, act }: LoopOptions): Loop {
  let isWoken = false;
  let woken = Promise.withResolvers<void>();
  const wake = (): void => {
    isWoken = true;
    woken.resolve();
  };
  let logged: string | undefined;
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      isWoken = false;
      woken = Promise.withResolvers<void>();
      try {
        await act();
        if (logged !== undefined && again !== undefined) log.info(again);
        logged = undefined;
      } catch (error) {
        if (signal.aborted) return;
        const { code, message } = asLifeboatError(error);
        if (logged !== message) log.error(`${failed}: ${message}`, { code });
        logged = message;
      }
      if (isWoken || signal.aborted) continue;
      const over = new AbortController();
      const timer = setTimeout(woken.resolve, Math.min(Math.max(0, await pauseMs()), LONGEST_MS));
      await Promise.race([woken.promise, once(signal, "abort", { signal: over.signal }).catch(() => undefined)]);
      over.abort();
      clearTimeout(timer);
    }
  };
  return { wake, ended: run() };
}
