import assert from "node:assert/strict";
import { test } from "node:test";
import { AtlasApiError } from "./errors.ts";
import type { Cluster, LogRange, Snapshot } from "./state.ts";
import { targetPointOf } from "./target-point.ts";
import { baseFor, beginLog, endLog, requireReachable } from "./window.ts";

const at = (text: string): Date => new Date(`2026-11-21T${text}Z`);
const snapshot = (id: string, text: string, status: Snapshot["status"] = "completed"): readonly [string, Snapshot] => [
  id,
  { id, status, createdAt: at(text) } as Snapshot,
];
function cluster(log: LogRange[], ...snapshots: (readonly [string, Snapshot])[]): Cluster {
  return {
    name: "c",
    log,
    snapshots: new Map(snapshots),
    settings: { pitEnabled: true },
    schedule: { restoreWindowDays: 2 },
  } as unknown as Cluster;
}
const seconds = (text: string): ReturnType<typeof targetPointOf> =>
  targetPointOf({ pointInTimeUTCSeconds: at(text).getTime() / 1000 }, "pointInTimeUTCSeconds");
const code = (errorCode: string): ((error: unknown) => boolean) => {
  return (error) => error instanceof AtlasApiError && error.errorCode === errorCode;
};

test("R54 a restore begins from the newest completed snapshot before the point", () => {
  const one = cluster(
    [{ from: at("08:00:00") }],
    snapshot("a", "08:01:00"),
    snapshot("b", "09:00:00"),
    snapshot("c", "09:30:00", "inProgress"),
  );
  assert.equal(baseFor(one, at("08:59:59"))?.id, "a");
  assert.equal(baseFor(one, at("10:00:00"))?.id, "b");
  assert.equal(baseFor(one, at("08:00:30")), undefined);
});

test("R54 a restore cannot begin from a snapshot before a gap in the oplog", () => {
  const one = cluster([{ from: at("08:00:00") }], snapshot("a", "08:01:00"));
  endLog(one, at("09:00:00"));
  beginLog(one, at("09:05:00"));
  assert.equal(baseFor(one, at("08:30:00"))?.id, "a");
  assert.equal(baseFor(one, at("09:30:00")), undefined);
  one.snapshots.set(...snapshot("b", "10:00:00"));
  assert.equal(baseFor(one, at("10:00:01"))?.id, "b");
  assert.equal(baseFor(one, at("09:59:00")), undefined);
});

test("R54 points before the window, later than the log, and without a snapshot before them are refused", () => {
  const one = cluster([{ from: at("08:00:00") }], snapshot("a", "08:01:00"));
  const now = at("10:00:00");
  requireReachable(one, seconds("08:01:00"), now, now);
  requireReachable(one, seconds("10:00:00"), now, now);
  assert.throws(() => requireReachable(one, seconds("10:00:01"), now, now), code("INVALID_PIT_RESTORE_TIME"));
  assert.throws(() => requireReachable(one, seconds("08:00:30"), now, now), code("UNABLE_T0_FIND_SNAPSHOT_PRIOR_TO_PIT_RESTORE_OPTIME"));
  const later = new Date(now.getTime() + 3 * 86_400_000);
  assert.throws(() => requireReachable(one, seconds("08:01:00"), later, later), code("INVALID_PIT_RESTORE_TIME"));
  const off = { ...one, settings: { ...one.settings, pitEnabled: false } };
  assert.throws(() => requireReachable(off, seconds("09:00:00"), now, now), code("INVALID_PIT_RESTORE_TIME"));
});

test("R54 a point is named by seconds or by an operation, and by one of them only", () => {
  const named = targetPointOf({ oplogTs: 1_795_256_198, oplogInc: 2 }, "pointInTimeUTCSeconds");
  assert.deepEqual(named, { kind: "oplog", t: 1_795_256_198, i: 2, end: new Date(1_795_256_198_000) });
  for (const bad of [{}, { pointInTimeUTCSeconds: 1_795_256_198, oplogTs: 1_795_256_198, oplogInc: 1 }, { oplogTs: 1_795_256_198 }])
    assert.throws(() => targetPointOf(bad, "pointInTimeUTCSeconds"), code("INVALID_ATTRIBUTE"));
  assert.throws(() => targetPointOf({ pointInTimeUTCSeconds: 1_199_145_599 }, "pointInTimeUTCSeconds"), code("INVALID_ATTRIBUTE"));
});
