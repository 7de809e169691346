import assert from "node:assert/strict";
import { test } from "node:test";
import { readCluster, readSnapshot } from "../api/read.ts";
import { clusterBody, GROUP } from "../api/testing.ts";
import type { AtlasRestoreJob, AtlasSchedule } from "../api/types.ts";
import { gapAt, type WindowFacts, windowOf } from "./window.ts";

const NOW = new Date("2026-11-21T12:00:00.500Z");
const LAG_MS = 60_000;
const schedule: AtlasSchedule = { items: [], windowDays: 2, copies: [] };
const snapshot = (createdAt: string, status = "completed") =>
  readSnapshot({ id: "a".repeat(24), status, snapshotType: "scheduled", createdAt });
const restore = (more: Partial<AtlasRestoreJob>): AtlasRestoreJob => ({
  id: "b".repeat(24),
  requestedAt: new Date("2026-11-21T10:00:00Z"),
  target: "shop",
  failed: false,
  cancelled: false,
  expired: false,
  ...more,
});

const of = (more: Partial<WindowFacts> & { readonly cluster?: never } = {}, cluster: Readonly<Record<string, unknown>> = {}) =>
  windowOf(
    {
      groupId: GROUP,
      schedule,
      snapshots: [snapshot("2026-11-01T00:00:00Z"), snapshot("2026-11-21T06:00:00Z")],
      restores: [],
      ...more,
      cluster: readCluster(clusterBody("shop", cluster)),
    },
    NOW,
    LAG_MS,
  );

test("R13 the window has as many days as Atlas keeps the log, and ends a little before now", () => {
  const window = of();
  assert.equal(window?.earliest.toISOString(), "2026-11-19T12:00:01.000Z");
  assert.equal(window?.latest.toISOString(), "2026-11-21T11:59:00.000Z");
});

test("R13 nothing before the first complete snapshot can be reached", () => {
  const window = of({ snapshots: [snapshot("2026-11-21T06:00:00.250Z"), snapshot("2026-11-20T00:00:00Z", "inProgress")] });
  assert.equal(window?.earliest.toISOString(), "2026-11-21T06:00:01.000Z");
  assert.equal(of({ snapshots: [snapshot("2026-11-21T06:00:00Z", "failed")] }), undefined);
});

test("R13 there is no window without continuous backup, for M0, or of a paused cluster", () => {
  assert.equal(of({}, { pitEnabled: false }), undefined);
  assert.equal(of({}, { paused: true }), undefined);
  assert.equal(of({ schedule: undefined }), undefined);
  const free = [
    {
      regionConfigs: [
        { providerName: "TENANT", backingProviderName: "AWS", regionName: "EU_WEST_1", electableSpecs: { instanceSize: "M0" } },
      ],
    },
  ];
  assert.equal(of({}, { replicationSpecs: free }), undefined);
});

test("R16 a restore over the cluster leaves a gap until its next snapshot", () => {
  const finishedAt = new Date("2026-11-21T10:30:00Z");
  const open = of({ restores: [restore({ finishedAt })] });
  assert.equal(open?.latest.toISOString(), "2026-11-21T10:00:00.000Z");
  const closed = of({
    snapshots: [snapshot("2026-11-01T00:00:00Z"), snapshot("2026-11-21T11:00:00Z")],
    restores: [restore({ finishedAt })],
  });
  assert.ok(closed);
  assert.equal(closed.latest.toISOString(), "2026-11-21T11:59:00.000Z");
  assert.ok(gapAt(closed, new Date("2026-11-21T10:59:59Z")));
  assert.equal(gapAt(closed, new Date("2026-11-21T11:00:00Z")), undefined);
  assert.equal(gapAt(closed, new Date("2026-11-21T10:00:00Z")), undefined);
});

test("R16 a restore to a cluster of the same name in another project leaves no gap here", () => {
  assert.deepEqual(of({ restores: [restore({ targetGroupId: "f".repeat(24) })] })?.gaps, []);
  assert.equal(of({ restores: [restore({ targetGroupId: GROUP })] })?.gaps.length, 1);
});

test("R16 a restore to another cluster, and one that failed, leave no gap", () => {
  const gaps = of({ restores: [restore({ target: "copy" }), restore({ failed: true }), restore({ cancelled: true })] })?.gaps;
  assert.deepEqual(gaps, []);
});
