// Restore points for tests of the domain: one intact nightly backup, with the changes of the test.
import type { RestorePoint } from "../../src/core/restore-point.ts";

export function pointAt(time: Date | string, change: Partial<RestorePoint> = {}): RestorePoint {
  const at = new Date(time);
  return {
    id: `p${at.getTime().toString().padStart(14, "0")}`,
    source: "shop",
    kind: "full",
    name: `backup-${at.toISOString().slice(0, 10)}`,
    time: at,
    endedAt: new Date(at.getTime() + 60_000),
    sizeBytes: 1_000_000,
    sourceBytes: 10_000_000,
    tiers: ["daily"],
    madeBy: "tester@here",
    ...change,
  };
}
