import assert from "node:assert/strict";
import { test } from "node:test";
import { Timekeeper } from "./time.ts";

function clocks(speed: number, driven?: { ms: number }): { readonly real: { ms: number }; readonly time: Timekeeper } {
  const real = { ms: 1_000_000 };
  return { real, time: new Timekeeper(speed, driven && (() => driven.ms), () => real.ms) };
}

test("R54 work runs so many times as fast as the machine's clock", () => {
  const { real, time } = clocks(100);
  real.ms += 50;
  assert.equal(time.work(), 5000);
  assert.equal(time.now().getTime(), 1_000_050);
});

test("R54 work continues while a driven clock stands still", () => {
  const driven = { ms: 0 };
  const { real, time } = clocks(10, driven);
  real.ms += 100;
  assert.equal(time.work(), 1000);
  assert.equal(time.now().getTime(), 0);
});

test("R54 a jump of the driven clock takes the work along", () => {
  const { time } = clocks(10);
  time.advance(3_600_000);
  assert.equal(time.work(), 3_600_000);
  assert.equal(time.now().getTime(), 4_600_000);
});

test("R54 neither clock runs backwards", () => {
  const driven = { ms: 5000 };
  const { real, time } = clocks(1, driven);
  time.read();
  driven.ms = 1000;
  real.ms -= 500;
  assert.equal(time.now().getTime(), 5000);
  assert.equal(time.work(), 0);
});

test("R54 what a jump left behind is caught up with as of its own instants", async () => {
  const { time } = clocks(1);
  time.settle();
  time.advance(1000);
  assert.equal(time.instantOf(250), 1_000_250);
  assert.equal(time.workAt(1_000_750), 750);
  await time.at({ driven: 1_000_250, work: 250 }, () => {
    assert.equal(time.now().getTime(), 1_000_250);
    assert.equal(time.work(), 250);
    assert.equal(time.clock().getTime(), 1_001_000);
  });
  assert.equal(time.now().getTime(), 1_001_000);
});
