// How far the heap of a command may grow.
import { setFlagsFromString } from "node:v8";

/** V8 collects when the heap has grown by so much since the last time. Its own choice is to let it double, and more. */
const GROWTH_PERCENT = 15;

/** For commands that go through every source, or run for long: less memory, for more work of the collector. */
export function growSlowly(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}

/** The same for a command that has gone on for longer than this: it reads everything anew, which it seldom has to. */
export function growSlowlyAfter(milliseconds: number): void {
  setTimeout(growSlowly, milliseconds).unref();
}
