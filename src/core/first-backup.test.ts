import assert from "node:assert/strict";
import { test } from "node:test";
import { type Alert, advanceAlerts, type Look } from "./alerts.ts";
import { type Awaited, withholdFirst } from "./first-backup.ts";
import type { HealthCode } from "./monitors.ts";

const T0 = new Date("2026-11-29T00:00:00Z");
const after = (minutes: number): Date => new Date(T0.getTime() + minutes * 60_000);
const shop = (firstBackup: Look["firstBackup"], ...codes: HealthCode[]): Look[] => [
  { source: "shop", reasons: codes.map((code) => ({ code, message: `found ${code}` })), firstBackup },
];

/** Beats one after the other. */
function watcher() {
  let open: readonly Alert[] = [];
  let awaited: readonly Awaited[] = [];
  return (looks: readonly Look[], at: Date): string[] => {
    const first = withholdFirst(looks, open, awaited, at);
    ({ awaited } = first);
    const next = advanceAlerts(open, first.looks, at);
    ({ open } = next);
    return next.events.map(({ type, alert }) => `${type} ${alert.code}`);
  };
}

test("R36 a source that waits for its first backup alarms after an hour, and a day while the backup runs", () => {
  const beat = watcher();
  assert.deepEqual(beat(shop("due", "NO_BACKUP", "DRILL_MISSING"), T0), ["opened DRILL_MISSING"]);
  assert.deepEqual(beat(shop("running", "NO_BACKUP", "DRILL_MISSING"), after(90)), []);
  assert.deepEqual(beat(shop("due", "NO_BACKUP", "DRILL_MISSING"), after(91)), ["opened NO_BACKUP"], "it no longer runs");
  assert.deepEqual(beat(shop("running", "NO_BACKUP", "DRILL_MISSING"), after(92)), [], "what is open stays open");
  assert.deepEqual(beat(shop(undefined, "DRILL_MISSING"), after(100)), ["closed NO_BACKUP"]);

  const long = watcher();
  assert.deepEqual(long(shop("running", "NO_BACKUP", "NO_BASE"), T0), []);
  assert.deepEqual(long(shop("running", "NO_BACKUP", "NO_BASE"), after(24 * 60)), ["opened NO_BACKUP", "opened NO_BASE"]);
});

test("R36 a first backup that failed, is not scheduled, or waits through a clock set back, alarms", () => {
  const beat = watcher();
  assert.deepEqual(beat(shop("due", "NO_BACKUP"), T0), []);
  assert.deepEqual(beat(shop(undefined, "NO_BACKUP", "LAST_BACKUP_FAILED"), after(5)), ["opened NO_BACKUP", "opened LAST_BACKUP_FAILED"]);
  assert.deepEqual(watcher()(shop(undefined, "NO_BACKUP"), T0), ["opened NO_BACKUP"]);

  const back = watcher();
  assert.deepEqual(back(shop("due", "NO_BACKUP"), after(600)), []);
  assert.deepEqual(back(shop("due", "NO_BACKUP"), T0), []);
  assert.deepEqual(back([], after(30)), [], "not looked at now");
  assert.deepEqual(back(shop("due", "NO_BACKUP"), after(60)), ["opened NO_BACKUP"]);
});
