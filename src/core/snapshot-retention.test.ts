import assert from "node:assert/strict";
import { test } from "node:test";
import { pointAt } from "../../test/support/points.ts";
import type { RestorePoint } from "./restore-point.ts";
import { expireSnapshots, type ProviderPoint } from "./snapshot-retention.ts";

const DAY_MS = 86_400_000;
const NOW = new Date("2026-11-21T00:05:00Z");
const NIGHTLY = { tiers: [{ tier: "backup-{date}", cron: "0 0 * * *", keepMs: 7 * DAY_MS }], keepManualMs: 3 * DAY_MS };

/** A snapshot of so many days ago, five minutes past midnight. */
function held(daysAgo: number, change: Partial<RestorePoint> = {}, more: Partial<ProviderPoint> = {}): ProviderPoint {
  const at = new Date(NOW.getTime() - daysAgo * DAY_MS);
  return { point: pointAt(at, { kind: "snapshot", tiers: ["backup-{date}"], ...change }), ours: true, ...more };
}

const ages = (decisions: readonly { readonly point: RestorePoint }[]): number[] =>
  decisions.map(({ point }) => (NOW.getTime() - point.time.getTime()) / DAY_MS);

test("snapshots expire by their rule, oldest first, each with a reason", () => {
  const { keep, remove } = expireSnapshots(
    [0, 3, 6, 7, 9].map((days) => held(days)),
    NIGHTLY,
    NOW,
  );
  assert.deepEqual(
    [ages(keep), ages(remove)],
    [
      [6, 3, 0],
      [9, 7],
    ],
  );
  for (const { reasons } of [...keep, ...remove]) assert.ok(reasons.length > 0);
});

test("snapshots of other users and of the provider's schedule are kept at any age", () => {
  const points = [held(0), held(90, {}, { ours: false }), held(80, {}, { scheduled: true }), held(70)];
  const { keep, remove } = expireSnapshots(points, NIGHTLY, NOW);
  assert.deepEqual(ages(remove), [70]);
  assert.match(keep.find(({ point }) => ages([{ point }])[0] === 90)?.reasons[0] ?? "", /not made by Lifeboat/);
  assert.match(keep.find(({ point }) => ages([{ point }])[0] === 80)?.reasons[0] ?? "", /provider's schedule/);
});

test("the newest snapshot of Lifeboat is kept, even when another user has a newer one", () => {
  const { remove } = expireSnapshots([held(50, { tiers: [] }), held(1, {}, { ours: false })], { tiers: [], keepManualMs: DAY_MS }, NOW);
  assert.deepEqual(remove, []);
});

test("the provider's own expiry, a safety net, keeps no snapshot that the policy expires", () => {
  const net = { tiers: [], expiresAt: new Date(NOW.getTime() + 300 * DAY_MS) };
  const { remove } = expireSnapshots([held(0), held(20, net, { ownExpiresAt: null })], NIGHTLY, NOW);
  assert.deepEqual(ages(remove), [20]);
  assert.equal(remove[0]?.point.expiresAt, net.expiresAt, "it is shown with the provider's expiry");
});

test("a snapshot that the provider refuses to delete is kept with both reasons", () => {
  const { keep, remove } = expireSnapshots([held(0), held(20, {}, { pinned: "it has children" })], NIGHTLY, NOW);
  assert.deepEqual(remove, []);
  assert.match(keep[0]?.reasons.join("; ") ?? "", /kept it until .*the provider keeps it: it has children/);
});

test("the state before a restore is kept until accepted, then until its expiry, and is never the newest", () => {
  const kept = { job: "job1" };
  const accepted = { job: "job1", acceptedAt: new Date(NOW.getTime() - 8 * DAY_MS) };
  const past = new Date(NOW.getTime() - DAY_MS);
  const decide = (one: ProviderPoint) =>
    expireSnapshots([held(30, { tiers: [], expiresAt: new Date(NOW.getTime() + DAY_MS) }), one], NIGHTLY, NOW, { noRoom: true });
  assert.deepEqual(ages(decide(held(20, { tiers: [] }, { kept })).remove), [], "not accepted");
  assert.deepEqual(ages(decide(held(20, { tiers: [], expiresAt: past }, { kept: accepted })).remove), [20]);
  const hold = { by: "ann@host", at: past, reason: "to be looked at" };
  assert.deepEqual(ages(decide(held(20, { tiers: [], expiresAt: past, hold }, { kept: accepted })).remove), [], "on hold");
  const { remove } = expireSnapshots([held(0, { expiresAt: past }, { kept: accepted }), held(2)], NIGHTLY, NOW);
  assert.deepEqual(ages(remove), [0], "being the newest protects points, not leftovers");
});

test("after a failure nothing expires; after a failure because of a limit, expired snapshots do", () => {
  const points = [held(2), held(8), held(9)];
  assert.deepEqual(expireSnapshots(points, NIGHTLY, NOW, { lastAttemptFailed: true }).remove, []);
  assert.deepEqual(expireSnapshots(points, NIGHTLY, NOW).remove, [], "a night is missing");
  assert.deepEqual(ages(expireSnapshots(points, NIGHTLY, NOW, { lastAttemptFailed: true, noRoom: true }).remove), [9, 8]);
});

test("a small newest snapshot is not suspicious", () => {
  const points = [5, 4, 3, 2, 1].map((days) => held(days, { sizeBytes: 1_000_000, sourceBytes: 1_000_000 }));
  const { blocked } = expireSnapshots([...points, held(0, { sizeBytes: 1, sourceBytes: 1 })], NIGHTLY, NOW);
  assert.deepEqual(blocked, []);
});
