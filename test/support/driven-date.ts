// Loaded into the real program by NODE_OPTIONS (`--import`): `Date` is ahead of the machine's clock by what a file says, so that a
// test drives the calendar of a process that it can kill.
import { readFileSync } from "node:fs";

const file = process.env.LIFEBOAT_TEST_CLOCK ?? "";
const { now } = Date;
/** How long an offset that was read counts, in milliseconds. */
const FRESH_MS = 5;
let offsetMs = 0;
let readAtMs = Number.NEGATIVE_INFINITY;

function drivenNow(): number {
  if (performance.now() - readAtMs > FRESH_MS) {
    offsetMs = Number(readFileSync(file, "utf8"));
    readAtMs = performance.now();
  }
  return now() + offsetMs;
}

if (file !== "") {
  Date.now = drivenNow;
  globalThis.Date = new Proxy(Date, {
    construct: (target, args, self) => Reflect.construct(target, args.length === 0 ? [drivenNow()] : args, self),
  });
}
