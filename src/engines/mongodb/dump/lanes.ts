// How many collections are read at a time.
import { availableParallelism } from "node:os";

/** Two keep a server busy while one answer is on its way; more than four only cost memory. */
export const readingLanes = (): number => Math.max(2, Math.min(4, availableParallelism()));
