// How far the heap of a command may grow.
import { setFlagsFromString } from "node:v8";

/** V8 collects when the heap has grown by so much since the last time. Its own choice is to let it double, and more. */
const GROWTH_PERCENT = 15;

/** For commands that go through every source, or run for long: less memory, for more work of the collector. */
export function growSlowly(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
