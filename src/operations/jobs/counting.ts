// Tells how many of many things are done. What is done at once is not told.
import type { Progress } from "../../ports/progress.ts";

const SILENT_MS = 1_000;

export interface Things {
  /** Name of the step. */
  readonly step: string;
  /** Such as `sources`. */
  readonly what: string;
  /** Absent: not known. */
  readonly total?: number | undefined;
}

/** Does the work, which calls `done` with how many more are done. */
export async function counting<T>(
  progress: Progress,
  { step, what, total }: Things,
  work: (done: (more: number) => void) => Promise<T>,
): Promise<T> {
  let sum = 0;
  let isTold = false;
  const begin = setTimeout(() => {
    isTold = true;
    progress.step(step);
    progress.count?.(sum, what, total);
  }, SILENT_MS);
  try {
    const result = await work((more) => {
      sum += more;
      if (isTold) progress.count?.(sum, what, total);
    });
    if (isTold) progress.count?.(sum, what, sum);
    return result;
  } finally {
    clearTimeout(begin);
  }
}
