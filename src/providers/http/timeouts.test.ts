import assert from "node:assert/strict";
import { test } from "node:test";
import { pauseMs, retryAfterMs } from "./timeouts.ts";

const FIRST = { retryMs: 250 };
const NOW = new Date("2026-11-21T06:00:00Z");

test("Retry-After is read as seconds and as a date, and nothing else", () => {
  assert.equal(retryAfterMs("7", NOW), 7000);
  assert.equal(retryAfterMs("Sat, 21 Nov 2026 06:00:30 GMT", NOW), 30_000);
  assert.equal(retryAfterMs("Sat, 21 Nov 2026 05:00:00 GMT", NOW), 0);
  for (const odd of ["", "-1", "1.5", "soon", undefined, null]) assert.equal(retryAfterMs(odd, NOW), undefined);
});

test("pauses double, stay between half and all of their ceiling, and end at ten seconds", () => {
  for (const chance of [0, 128, 255]) {
    assert.ok(pauseMs(FIRST, 1, chance) >= 125 && pauseMs(FIRST, 1, chance) <= 250);
    assert.ok(pauseMs(FIRST, 3, chance) >= 500 && pauseMs(FIRST, 3, chance) <= 1000);
    assert.ok(pauseMs(FIRST, 40, chance) <= 10_000);
  }
});
