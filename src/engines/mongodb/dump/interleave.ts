// Several sources of things read side by side, as many at a time as allowed, given out in the order in which they arrive.
import { availableParallelism } from "node:os";

/**
 * Nothing is asked of a source before what it gave last was taken, so a slow taker holds everything up and nothing piles up. The first
 * failure ends all; left early, every source is closed.
 */
export async function* interleave<T>(sources: Iterable<() => AsyncGenerator<T, void>>, lanes: number): AsyncGenerator<T, void> {
  const waiting = sources[Symbol.iterator]();
  const active = new Map<AsyncGenerator<T, void>, Promise<Arrival<T>>>();
  const ask = (source: AsyncGenerator<T, void>): void => {
    const arrival = source.next().then((result): Arrival<T> => ({ source, result }));
    arrival.catch(() => {}); // seen by the race
    active.set(source, arrival);
  };
  const begin = (): void => {
    while (active.size < lanes) {
      const next = waiting.next();
      if (next.done) return;
      ask(next.value());
    }
  };
  try {
    for (begin(); active.size > 0; begin()) {
      const { source, result } = await Promise.race(active.values());
      if (result.done) {
        active.delete(source);
        continue;
      }
      yield result.value;
      ask(source);
    }
  } finally {
    await Promise.allSettled([...active.keys()].map((source) => source.return()));
  }
}

interface Arrival<T> {
  readonly source: AsyncGenerator<T, void>;
  readonly result: IteratorResult<T, void>;
}

// How many collections are read at a time.

/** Two keep a server busy while one answer is on its way; more than four only cost memory. */
export const readingLanes = (): number => Math.max(2, Math.min(4, availableParallelism()));
