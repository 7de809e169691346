import assert from "node:assert/strict";
import { test } from "node:test";
import { pointAt } from "../../test/support/points.ts";
import { missedSlot, standIns, type Tier, tiersDue } from "./tiers.ts";

const DAY = 86_400_000;
const daily: Tier = { tier: "daily", cron: "0 2 * * *", keepMs: 30 * DAY };
const weekly: Tier = { tier: "weekly", cron: "0 2 * * 0", keepMs: 90 * DAY };
const monthly: Tier = { tier: "monthly", cron: "0 2 1 * *", keepMs: 365 * DAY };
const tiers = [daily, weekly, monthly];
const at = (text: string): Date => new Date(text);
// 2026-11-22 is a Sunday, 2026-11-25 a Wednesday.

test("R24 a backup is made for every tier whose present slot has none", () => {
  assert.deepEqual(tiersDue(tiers, [], at("2026-11-25T02:00:00Z")), ["daily", "weekly", "monthly"]);
  const all = pointAt("2026-11-25T02:00:10Z", { tiers: ["daily", "weekly", "monthly"] });
  assert.deepEqual(tiersDue(tiers, [all], at("2026-11-25T12:00:00Z")), []);
  assert.deepEqual(tiersDue(tiers, [all], at("2026-11-26T02:00:00Z")), ["daily"]);
  assert.deepEqual(tiersDue(tiers, [all], at("2026-11-29T02:00:00Z")), ["daily", "weekly"]);
  assert.deepEqual(tiersDue(tiers, [all], at("2026-12-01T02:00:00Z")), ["daily", "weekly", "monthly"]);
});

test("R24 a missed weekly backup is still due on Monday, and counts for its Sunday", () => {
  const saturday = pointAt("2026-11-21T02:00:10Z", { tiers: ["daily", "weekly", "monthly"] });
  assert.deepEqual(tiersDue(tiers, [saturday], at("2026-11-23T02:00:00Z")), ["daily", "weekly"]);
  const monday = pointAt("2026-11-23T02:00:10Z", { tiers: ["daily", "weekly"] });
  assert.deepEqual(tiersDue(tiers, [saturday, monday], at("2026-11-28T02:00:00Z")), ["daily"]);
  assert.deepEqual(tiersDue(tiers, [saturday, monday], at("2026-11-29T02:00:00Z")), ["daily", "weekly"]);
});

test("a snapshot of a server whose clock is half a minute behind still belongs to the slot", () => {
  const early = pointAt("2026-11-25T01:59:30Z", { tiers: ["daily"] });
  assert.deepEqual(tiersDue([daily], [early], at("2026-11-25T02:00:00Z")), []);
  assert.deepEqual(tiersDue([daily], [early], at("2026-11-25T01:59:45Z")), []);
});

test("manual, damaged and other tiers' backups leave a slot due", () => {
  const now = at("2026-11-25T12:00:00Z");
  const time = "2026-11-25T02:00:10Z";
  for (const change of [{ tiers: [] }, { tiers: ["weekly"] }, { damagedAt: at("2026-11-25T03:00:00Z") }]) {
    assert.deepEqual(tiersDue([daily], [pointAt(time, change)], now), ["daily"]);
  }
});

test("R36 a daily backup is missing 25 hours after the last one, and not before", () => {
  const newestAt = at("2026-11-24T02:00:00Z");
  assert.equal(missedSlot(tiers, newestAt, at("2026-11-25T03:00:00Z")), undefined);
  assert.deepEqual(missedSlot(tiers, newestAt, at("2026-11-25T03:00:00.001Z")), { tier: "daily", slot: at("2026-11-25T02:00:00Z") });
  const weekOn = at("2026-12-02T03:00:00Z");
  assert.equal(missedSlot([weekly, daily], newestAt, weekOn)?.tier, "daily", "the earliest of several is named");
  assert.equal(missedSlot([daily, weekly], newestAt, weekOn)?.tier, "daily");
  assert.equal(missedSlot([], newestAt, at("2036-11-25T03:00:00Z")), undefined);
});

test("a schedule of weekdays has no missing backup at the weekend", () => {
  const weekdays: Tier = { tier: "weekdays", cron: "0 2 * * 1-5", keepMs: DAY };
  const friday = at("2026-11-20T02:00:00Z");
  assert.equal(missedSlot([weekdays], friday, at("2026-11-23T03:00:00Z")), undefined);
  assert.deepEqual(missedSlot([weekdays], friday, at("2026-11-23T03:00:01Z"))?.slot, at("2026-11-23T02:00:00Z"));
});

test("the newest backup of a slot without one substitutes for it", () => {
  const days = ["2026-11-15", "2026-11-16", "2026-11-17", "2026-11-22", "2026-11-23"];
  const points = days.map((day) => pointAt(`${day}T02:00:10Z`, { id: day }));
  const found = standIns([daily, weekly], points);
  assert.deepEqual([...found.keys()], ["2026-11-17", "2026-11-23"]);
  assert.deepEqual(found.get("2026-11-17"), [{ tier: weekly, slot: at("2026-11-15T02:00:00Z") }]);
  const recorded = points.map((point) => (point.id === "2026-11-15" ? { ...point, tiers: ["daily", "weekly"] } : point));
  assert.deepEqual([...standIns([daily, weekly], recorded).keys()], ["2026-11-23"]);
});

test("manual, damaged and partial backups never substitute, and a damaged one does not fill its slot", () => {
  const time = "2026-11-17T02:00:10Z";
  const damagedAt = at("2026-11-18T00:00:00Z");
  for (const change of [{ tiers: [] }, { damagedAt }, { kind: "schema" as const }, { kind: "tables" as const }]) {
    assert.equal(standIns([weekly], [pointAt(time, change)]).size, 0);
  }
  const sunday = pointAt("2026-11-15T02:00:10Z", { tiers: ["daily", "weekly"], damagedAt });
  const tuesday = pointAt(time, { id: "tuesday" });
  assert.deepEqual([...standIns([weekly], [sunday, tuesday]).keys()], ["tuesday"]);
});

test("R24 a schedule of every minute misses no slot, at any difference of the clocks", () => {
  const minutely: Tier = { tier: "minutely", cron: "* * * * *", keepMs: DAY };
  // The server's clock is 20 seconds ahead, and the beat 40 seconds late.
  const made = pointAt("2026-11-25T02:01:00Z", { tiers: ["minutely"], servesTo: at("2026-11-25T02:00:40Z") });
  assert.deepEqual(tiersDue([minutely], [made], at("2026-11-25T02:00:59Z")), []);
  assert.deepEqual(tiersDue([minutely], [made], at("2026-11-25T02:01:00Z")), ["minutely"]);
  const behind = pointAt("2026-11-25T01:58:00Z", { tiers: ["minutely"], servesTo: at("2026-11-25T02:00:00Z") });
  assert.deepEqual(tiersDue([minutely], [behind], at("2026-11-25T02:00:30Z")), []);
  // This machine's clock was set back by seconds after the backup.
  assert.deepEqual(tiersDue([minutely], [behind], at("2026-11-25T01:59:57Z")), []);
  const [found] = standIns([{ ...minutely, tier: "other" }], [made]).values();
  assert.deepEqual(found?.[0]?.slot, at("2026-11-25T02:00:00Z"), "it serves its own slot");
});
