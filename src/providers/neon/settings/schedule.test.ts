import assert from "node:assert/strict";
import { test } from "node:test";
import { describeSchedule, translateRule } from "./schedule.ts";

const DAY_MS = 86_400_000;
const rule = (cron: string, keepMs: number | "forever" = DAY_MS) => ({ name: "x-{date}", cron, keepMs, by: "provider" as const });

test("daily, weekly and monthly expressions become Neon's own, Sunday being 7", () => {
  const items = [
    ["0 0 * * *", { frequency: "daily", hour: 0 }],
    ["0 23 * * *", { frequency: "daily", hour: 23 }],
    ["0 4 * * 0", { frequency: "weekly", hour: 4, day: 7 }],
    ["0 4 * * 7", { frequency: "weekly", hour: 4, day: 7 }],
    ["0 4 * * sun", { frequency: "weekly", hour: 4, day: 7 }],
    ["0 4 * * 1", { frequency: "weekly", hour: 4, day: 1 }],
    ["0 4 * * SAT", { frequency: "weekly", hour: 4, day: 6 }],
    ["0 2 1 * *", { frequency: "monthly", hour: 2, day: 1 }],
    ["@daily", { frequency: "daily", hour: 0 }],
    ["@weekly", { frequency: "weekly", hour: 0, day: 7 }],
    ["@monthly", { frequency: "monthly", hour: 0, day: 1 }],
  ] as const;
  for (const [cron, item] of items) assert.deepEqual(translateRule(rule(cron)), { item: { ...item, retentionSeconds: 86_400 } }, cron);
});

test("what Neon's schedule cannot say is refused with its reason, never bent", () => {
  const odd = [
    "5 0 * * *",
    "* * * * *",
    "0 */6 * * *",
    "0 1,2 * * *",
    "0 0 * * 1-5",
    "0 6 * * 0#1",
    "0 0 L * *",
    "0 0 1 1 *",
    "0 0 1 * 0",
    "0 24 * * *",
    "@yearly",
    "@hourly",
  ];
  for (const cron of odd) {
    const translated = translateRule(rule(cron));
    assert.ok("why" in translated && translated.why.includes("use `by: snapshot`"), cron);
  }
});

test("a keep that Neon's schedule cannot hold is refused: under an hour, over 35 days, forever", () => {
  assert.ok("why" in translateRule(rule("0 0 * * *", 60_000)));
  assert.ok("why" in translateRule(rule("0 0 * * *", 36 * DAY_MS)));
  assert.ok("why" in translateRule(rule("0 0 * * *", "forever")));
  assert.ok("item" in translateRule(rule("0 0 * * *", 35 * DAY_MS)));
});

test("a schedule is described the same in any order of its items", () => {
  const items = [
    { frequency: "weekly", hour: 0, day: 7, retentionSeconds: 86_400 },
    { frequency: "daily", hour: 3 },
  ];
  assert.equal(describeSchedule(items), "daily at 03:00 kept 35 days, weekly on Sunday at 00:00 kept 1 days");
  assert.equal(describeSchedule(items.toReversed()), describeSchedule(items));
  assert.equal(describeSchedule([]), "none");
});
