import assert from "node:assert/strict";
import { test } from "node:test";
import { ClockMap } from "./clock-map.ts";

/** Two clocks that are moved by hand. */
function clocks(drivenMs: number): { driven: number; real: number; timeline: ClockMap; pass(ms: number): void } {
  const hands = {
    driven: drivenMs,
    real: 1_000_000,
    timeline: undefined as unknown as ClockMap,
    /** Both advance together. */
    pass(ms: number) {
      hands.driven += ms;
      hands.real += ms;
      hands.timeline.read();
    },
  };
  hands.timeline = new ClockMap(
    () => hands.driven,
    () => hands.real,
  );
  return hands;
}

const real = (timeline: ClockMap, driven: number): number => timeline.toReal(new Date(driven)).getTime();

test("while the driven clock runs with the machine's, an instant is the one that was", () => {
  const hands = clocks(50_000);
  for (let second = 0; second < 10; second++) hands.pass(1000);
  assert.equal(real(hands.timeline, 53_210), 1_003_210);
  assert.equal(hands.timeline.toDriven(1_003_210).getTime(), 53_210);
});

test("after a jump, five minutes ago is still what was real then", () => {
  const hands = clocks(0);
  hands.pass(10_000);
  hands.driven += 86_400_000;
  hands.timeline.read();
  hands.pass(5000);
  assert.equal(real(hands.timeline, 4000), 1_004_000, "before the jump");
  assert.equal(real(hands.timeline, 86_400_000 + 12_000), 1_012_000, "after it");
  assert.equal(real(hands.timeline, 40_000_000), 1_010_000, "inside of it nothing happened");
});

test("an instant at which the driven clock stood includes all that happened while it stood", () => {
  const hands = clocks(7000);
  for (let second = 0; second < 3; second++) {
    hands.real += 1000;
    hands.timeline.read();
  }
  hands.driven += 60_000;
  hands.timeline.read();
  hands.real += 500;
  hands.timeline.read();
  assert.equal(real(hands.timeline, 7000), 1_003_000);
  assert.equal(real(hands.timeline, 30_000), 1_003_000);
  assert.equal(hands.timeline.toDriven(1_002_500).getTime(), 7000);
});

test("the driven clock never goes back", () => {
  const hands = clocks(7000);
  hands.pass(1000);
  hands.driven = 10;
  assert.equal(hands.timeline.read(), 8000);
});

test("an advance puts the clock forward while it runs", () => {
  const hands = clocks(0);
  hands.pass(1000);
  hands.timeline.advance(3_600_000);
  assert.equal(hands.timeline.read(), 3_601_000);
  hands.pass(1000);
  assert.equal(real(hands.timeline, 3_601_500), 1_001_500);
});
