// The time and chance of this machine.
import { randomBytes } from "node:crypto";
import type { Clock } from "./ports/clock.ts";

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  randomBytes: (sizeBytes) => randomBytes(sizeBytes),
};
