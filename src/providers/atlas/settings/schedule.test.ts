import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseDuration } from "../../../core/duration.ts";
import type { PointRule } from "../../../ports/descriptor.ts";
import { daysOf } from "../api/read.ts";
import type { AtlasPolicyItem } from "../api/types.ts";
import { desiredSchedule } from "./desired.ts";
import { describeItems, inOrder, lowers, sameItems, translateRule, withDesired } from "./schedule.ts";

const rule = (cron: string, keep = "30d", name = "backup-{date}"): PointRule => ({
  name,
  cron,
  keepMs: parseDuration(keep),
  by: "provider",
});
const item = (text: string, id?: string): AtlasPolicyItem => {
  const [frequency, interval, value, unit] = text.split(" ");
  return { ...(id === undefined ? {} : { id }), frequency, interval: Number(interval), value: Number(value), unit } as AtlasPolicyItem;
};
/** As Atlas makes it for a new cluster with continuous backup. */
const DEFAULT = ["hourly 6 7 days", "daily 1 7 days", "weekly 6 4 weeks", "monthly 40 12 months", "yearly 12 1 years"].map((text, at) =>
  item(text, `id${at}`),
);

const SAYABLE: readonly (readonly [cron: string, keep: string, said: string])[] = [
  ["0 0 * * *", "30d", "daily kept 30 days"],
  ["@daily", "7d", "daily kept 7 days"],
  ["30 2 * * *", "12h", "daily kept 1 day"],
  ["0 0 * * 0", "12w", "weekly on Sunday kept 12 weeks"],
  ["0 3 * * MON", "90d", "weekly on Monday kept 3 months"],
  ["0 0 * * 7", "4w", "weekly on Sunday kept 4 weeks"],
  ["0 0 1 * *", "1y", "monthly on day 1 kept 12 months"],
  ["0 0 28 * *", "12mo", "monthly on day 28 kept 12 months"],
  ["0 0 L * *", "60d", "monthly on the last day kept 2 months"],
  ["0 0 1 12 *", "7y", "yearly in Dec kept 7 years"],
  ["@yearly", "2y", "yearly in Jan kept 2 years"],
  ["0 * * * *", "2d", "every hour kept 2 days"],
  ["15 */6 * * *", "1w", "every 6 hours kept 7 days"],
];
for (const [cron, keep, said] of SAYABLE) {
  test(`R14 "${cron}" kept ${keep} is, for Atlas, ${said}`, () => {
    const translated = translateRule(rule(cron, keep));
    assert.ok("item" in translated, "why" in translated ? translated.why : "");
    assert.equal(describeItems([translated.item]), said);
  });
}

for (const [cron, why] of [
  ["*/5 * * * *", /one minute of the hour/],
  ["0 */5 * * *", /every 1, 2, 4, 6, 8 or 12 hours/],
  ["0 2,14 * * *", /one hour of the day/],
  ["0 0 * * 1-5", /one day of the week/],
  ["0 6 * * 0#1", /one day of the week/],
  ["0 0 31 * *", /from 1 to 28/],
  ["0 0 1 * 0", /not both/],
  ["0 0 2 6 *", /first day of one month/],
] as const) {
  test(`R14 Atlas cannot say "${cron}", and why is told`, () => {
    const translated = translateRule(rule(cron));
    assert.ok("why" in translated);
    assert.match(translated.why, why);
    assert.match(translated.why, /by: snapshot/);
  });
}

test("R14 Atlas's schedule takes neither `forever` nor a branch", () => {
  assert.match(String(Object.values(translateRule({ ...rule("0 0 * * *"), keepMs: "forever" }))), /forever/);
  assert.match(String(Object.values(translateRule({ ...rule("0 0 * * *"), by: "branch" }))), /no branches/);
});

test("R14 all of a day's snapshots are taken at one time: a rule with another is named", () => {
  const desired = {
    protect: false,
    rules: [rule("0 2 * * *"), rule("0 3 * * 0", "12w", "weekly-{date}"), rule("0 2 1 * *", "1y", "monthly")],
  };
  const { items, at, impossible } = desiredSchedule({ desired });
  assert.equal(describeItems(items), "daily kept 30 days, monthly on day 1 kept 12 months");
  assert.deepEqual(at, { hour: 2, minute: 0 });
  assert.deepEqual(
    impossible.map((one) => [one.rule.name, /02:00 UTC, that of backup-/.test(one.why)]),
    [["weekly-{date}", true]],
  );
});

test("R14 a rule replaces the item that is there and keeps its id; what the policy does not name stays", () => {
  const frequencies = [item("daily 1 30 days"), item("weekly 7 12 weeks"), item("monthly 1 12 months")];
  const merged = withDesired(DEFAULT, frequencies);
  assert.equal(
    describeItems(merged),
    "every 6 hours kept 7 days, daily kept 30 days, weekly on Sunday kept 12 weeks, monthly on day 1 kept 12 months, yearly in Dec kept 1 year",
  );
  assert.deepEqual(
    merged.map(({ id }) => id),
    ["id0", "id1", "id2", "id3", "id4"],
  );
  assert.ok(sameItems(withDesired(merged, frequencies), merged), "and nothing is left to do");
  assert.equal(lowers(DEFAULT, merged), false);
});

test("R14 what is rarer is kept longer where Atlas asks for it", () => {
  const merged = withDesired(DEFAULT, [item("daily 1 60 days")]);
  assert.match(describeItems(merged), /daily kept 60 days, weekly on Saturday kept 60 days, monthly on the last day kept 12 months/);
});

test("R14 keeping something shorter, or taking it no more, is told as lowering protection", () => {
  assert.equal(lowers(DEFAULT, withDesired(DEFAULT, [item("monthly 40 6 months")])), true);
  assert.equal(
    lowers(
      [item("weekly 1 4 weeks", "a"), item("weekly 5 4 weeks", "b")],
      withDesired([item("weekly 1 4 weeks", "a"), item("weekly 5 4 weeks", "b")], [item("weekly 1 4 weeks")]),
    ),
    true,
  );
  assert.equal(lowers(DEFAULT, withDesired(DEFAULT, [item("hourly 12 7 days")])), true);
  assert.equal(lowers(DEFAULT, withDesired(DEFAULT, [item("weekly 7 4 weeks")])), false);
});

test("R14 no item is kept shorter than a more frequent one, and no rule is shortened", () => {
  const anyItem = fc.oneof(
    fc.record({ frequency: fc.constantFrom("hourly", "daily"), interval: fc.constant(1) }),
    fc.record({ frequency: fc.constant("weekly"), interval: fc.integer({ min: 1, max: 7 }) }),
    fc.record({ frequency: fc.constant("monthly"), interval: fc.integer({ min: 1, max: 28 }) }),
    fc.record({ frequency: fc.constant("yearly"), interval: fc.integer({ min: 1, max: 12 }) }),
  );
  const anyKept = fc.record({ unit: fc.constantFrom("days", "weeks", "months", "years"), value: fc.integer({ min: 1, max: 40 }) });
  const anyItems = fc
    .array(fc.tuple(anyItem, anyKept), { maxLength: 6 })
    .map((all) => all.map(([what, kept]) => ({ ...what, ...kept }) as AtlasPolicyItem));
  const order = ["hourly", "daily", "weekly", "monthly", "yearly"];
  fc.assert(
    fc.property(anyItems, (items) => {
      const after = inOrder(items);
      for (const a of after)
        for (const b of after) if (order.indexOf(a.frequency) < order.indexOf(b.frequency)) assert.ok(daysOf(b) >= daysOf(a) - 1e-9);
      const total = (all: readonly AtlasPolicyItem[]): number => all.reduce((sum, one) => sum + daysOf(one), 0);
      assert.ok(total(after) >= total(items) - 1e-6);
      assert.equal(after.length, items.length);
      assert.ok(sameItems(inOrder(after), after), "a second time changes nothing");
    }),
    { numRuns: 300 },
  );
});
