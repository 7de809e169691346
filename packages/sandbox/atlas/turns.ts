// One thing at a time: a request's work, or what the clock brought about. A timer does what is due when nobody asks.

export interface Turns {
  take<T>(act: () => Promise<T>): Promise<T>;
  /** Does what is due, after something else. */
  due(first?: () => void): Promise<void>;
  stop(): void;
  /** Waits for what is going on. The first failure of the timer's, if there was one. */
  end(): Promise<unknown>;
}

const TICK_MS = 50;

export function beginTurns(runDue: () => Promise<void>): Turns {
  let last: Promise<unknown> = Promise.resolve();
  let failure: unknown;
  const take = <T>(act: () => Promise<T>): Promise<T> => {
    const done = last.then(act);
    last = done.catch(() => undefined); // told to whoever asked
    return done;
  };
  const due = (first?: () => void): Promise<void> =>
    take(async () => {
      first?.();
      await runDue();
    });
  let waiting = false;
  const timer = setInterval(() => {
    if (waiting) return;
    waiting = true;
    due()
      .catch((error: unknown) => {
        failure ??= error; // told at the end
      })
      .finally(() => {
        waiting = false;
      });
  }, TICK_MS);
  timer.unref();
  const stop = (): void => clearInterval(timer);
  return {
    take,
    due,
    stop,
    async end() {
      stop();
      await last;
      return failure;
    },
  };
}
