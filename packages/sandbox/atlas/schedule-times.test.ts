import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyItem } from "./schedule-rules.ts";
import { nextDue, nextOf } from "./schedule-times.ts";

const item = (frequencyType: PolicyItem["frequencyType"], frequencyInterval: number): PolicyItem => ({
  id: `${frequencyType}-${frequencyInterval}`,
  frequencyType,
  frequencyInterval,
  retentionUnit: "days",
  retentionValue: 7,
});
const at = { hour: 3, minute: 15 };

const CASES: readonly (readonly [PolicyItem["frequencyType"], number, string, string])[] = [
  ["hourly", 6, "2026-11-21T00:00:00Z", "2026-11-21T03:15:00Z"],
  ["hourly", 6, "2026-11-21T03:15:00Z", "2026-11-21T09:15:00Z"],
  ["hourly", 12, "2026-11-21T15:15:00Z", "2026-11-22T03:15:00Z"],
  ["hourly", 1, "2026-11-21T23:59:00Z", "2026-11-22T00:15:00Z"],
  ["daily", 1, "2026-11-21T03:14:59Z", "2026-11-21T03:15:00Z"],
  ["daily", 1, "2026-11-21T03:15:00Z", "2026-11-22T03:15:00Z"],
  ["weekly", 6, "2026-11-21T04:00:00Z", "2026-11-28T03:15:00Z"],
  ["weekly", 7, "2026-11-21T04:00:00Z", "2026-11-22T03:15:00Z"],
  ["monthly", 40, "2028-02-01T00:00:00Z", "2028-02-29T03:15:00Z"],
  ["monthly", 28, "2026-11-28T04:00:00Z", "2026-12-28T03:15:00Z"],
  ["yearly", 12, "2026-12-01T04:00:00Z", "2027-12-01T03:15:00Z"],
];

for (const [type, interval, after, expected] of CASES) {
  test(`R54 a ${type} item of ${interval} is due at ${expected} after ${after}`, () => {
    assert.equal(nextDue(item(type, interval), at, new Date(after))?.toISOString(), new Date(expected).toISOString());
  });
}

test("R54 no clock brings an on-demand item about", () => {
  assert.equal(nextDue(item("ondemand", 0), at, new Date("2026-11-21T00:00:00Z")), undefined);
  assert.equal(nextOf([], at, new Date("2026-11-21T00:00:00Z")), undefined);
});

test("R54 items that are due together are found together", () => {
  const items = [item("hourly", 6), item("daily", 1), item("weekly", 6), item("monthly", 40)];
  const next = nextOf(items, at, new Date("2026-11-21T00:00:00Z"));
  assert.equal(next?.at.toISOString(), "2026-11-21T03:15:00.000Z");
  assert.deepEqual(
    next?.items.map((each) => each.frequencyType),
    ["hourly", "daily", "weekly"],
  );
});
