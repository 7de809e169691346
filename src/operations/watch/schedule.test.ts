import assert from "node:assert/strict";
import { test } from "node:test";
import { delayOf } from "../sources.ts";
import { nextSlotOf } from "./schedule.ts";

test("R24 the delay of a source is always the same, within the jitter, and differs between sources", () => {
  const names = Array.from({ length: 40 }, (_, index) => `shop${index}`);
  const delays = names.map((name) => delayOf({ name, jitterMs: 600_000 }));
  assert.deepEqual(
    delays,
    names.map((name) => delayOf({ name, jitterMs: 600_000 })),
  );
  assert.ok(delays.every((delay) => delay >= 0 && delay < 600_000));
  assert.ok(new Set(delays).size > 30);
  assert.equal(delayOf({ name: "shop" }), 0);
});

test("R24 the next slot of a source is the earliest of its schedules, after its delay", () => {
  const source = {
    name: "shop",
    managed: false,
    engine: {},
    policy: { tiers: [{ tier: "daily", cron: "0 2 * * *", keepMs: 1 }] },
    expireCron: "0 1 * * * Europe/Berlin",
    jitterMs: 600_000,
  } as unknown as Parameters<typeof nextSlotOf>[0];
  const delayMs = delayOf(source);
  const after = (text: string): Date => new Date(Date.parse(text) + delayMs);
  assert.deepEqual(nextSlotOf(source, new Date("2026-11-29T00:30:00Z")), after("2026-11-29T02:00:00Z"));
  assert.deepEqual(nextSlotOf(source, new Date("2026-11-29T12:00:00Z")), after("2026-11-30T00:00:00Z"));
  // Within the delay, the slot is still to come.
  assert.deepEqual(nextSlotOf(source, new Date(after("2026-11-29T02:00:00Z").getTime() - 1000)), after("2026-11-29T02:00:00Z"));
});
