import assert from "node:assert/strict";
import { test } from "node:test";
import { nextDue } from "./schedules.ts";

const AFTER = new Date("2026-11-21T03:00:00Z"); // a Saturday

const CASES = [
  [{ frequency: "daily", hour: 3 }, "2026-11-22T03:00:00.000Z"],
  [{ frequency: "daily", hour: 4 }, "2026-11-21T04:00:00.000Z"],
  [{ frequency: "weekly", hour: 0, day: 7 }, "2026-11-22T00:00:00.000Z"],
  [{ frequency: "weekly", hour: 2, day: 6 }, "2026-11-28T02:00:00.000Z"],
  [{ frequency: "monthly", hour: 5, day: 31 }, "2026-12-31T05:00:00.000Z"],
  [{ frequency: "monthly", hour: 5, day: 29, month: 2 }, "2028-02-29T05:00:00.000Z"],
] as const;

for (const [item, due] of CASES) {
  test(`a schedule ${JSON.stringify(item)} is due next at ${due}`, () => {
    assert.equal(nextDue(item, AFTER).toISOString(), due);
  });
}
