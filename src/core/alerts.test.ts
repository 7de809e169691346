import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Alert, advanceAlerts, alertInWords, haveSameCauses, type Look } from "./alerts.ts";
import type { HealthReason } from "./health.ts";
import { type HealthCode, MONITORS } from "./monitors.ts";

const T0 = new Date("2026-11-29T00:00:00Z");
const after = (hours: number): Date => new Date(T0.getTime() + hours * 3_600_000);
const found = (...codes: HealthCode[]): HealthReason[] => codes.map((code) => ({ code, message: `found ${code}` }));
const shop = (...codes: HealthCode[]): Look[] => [{ source: "shop", reasons: found(...codes) }];
const types = ({ events }: ReturnType<typeof advanceAlerts>) => events.map(({ type, alert }) => `${type} ${alert.code}`);

test("R36 a finding opens one alert, is repeated at growing intervals, and closes with a message", () => {
  const first = advanceAlerts([], shop("NO_BACKUP"), T0);
  assert.deepEqual(types(first), ["opened NO_BACKUP"]);
  let { open } = first;
  const told: number[] = [];
  for (let hour = 0.25; hour <= 60; hour += 0.25) {
    const next = advanceAlerts(open, shop("NO_BACKUP"), after(hour));
    if (next.events.length > 0) told.push(hour);
    open = next.open;
  }
  assert.deepEqual(told, [1, 5, 29, 53]);
  const closed = advanceAlerts(open, shop(), after(61));
  assert.deepEqual([types(closed), closed.open], [["closed NO_BACKUP"], []]);
  assert.match(alertInWords(closed.events[0] ?? assert.fail()), /^shop: NO_BACKUP is over after 2d 13h$/);
});

test("R36 what is not known closes nothing: a source that was not judged, a provider that was not asked", () => {
  const { open } = advanceAlerts([], shop("PITR_OFF", "DRILL_FAILED"), T0);
  assert.deepEqual(types(advanceAlerts(open, [], after(0.1))), []);
  const away = advanceAlerts(open, shop("PROVIDER_NOT_ASKED"), after(0.1));
  assert.deepEqual(types(away).sort(), ["closed DRILL_FAILED", "opened PROVIDER_NOT_ASKED"]);
  assert.deepEqual(
    away.open.map(({ code }) => code),
    ["PITR_OFF", "PROVIDER_NOT_ASKED"],
  );
  assert.deepEqual(types(advanceAlerts(away.open, shop(), after(0.2))).sort(), ["closed PITR_OFF", "closed PROVIDER_NOT_ASKED"]);
});

test("R36 a finding that hides others closes none of them: they close when they can be seen again", () => {
  const hidden: readonly (readonly [HealthCode, readonly HealthCode[]])[] = [
    ["PROVIDER_NOT_ASKED", ["NEVER_VERIFIED", "BACKUP_DAMAGED", "OBJECT_UNREADABLE", "MARKS_ROLLED_BACK"]],
    ["REPOSITORY_UNREACHABLE", ["AUDIT_INVALID", "AUDIT_BEHIND", "QUEUE_AWAY"]],
    ["NO_BACKUP", ["BACKUP_OVERDUE", "EXPOSURE_ABOVE_RPO", "BACKUP_DAMAGED"]],
    ["NO_BASE", ["LOG_BEHIND", "WINDOW_SHORT"]],
    ["DRILL_MISSING", ["DRILL_FAILED", "DRILL_INCONCLUSIVE", "DRILL_OVERDUE"]],
    ["MEMORY_LOST", ["POINT_MISSING", "POINT_CHANGED", "LOG_MISSING"]],
    ["MEMORY_AWAY", ["MEMORY_LOST", "POINT_MISSING"]],
    ["EVIDENCE_UNSIGNED", ["DRILL_FAILED"]],
    ["MARKS_UNSIGNED", ["BACKUP_DAMAGED"]],
    ["POINT_UNSIGNED", ["TABLE_EMPTIED", "SIZE_SUSPICIOUS"]],
    ["OBJECT_UNREADABLE", ["SIZE_SUSPICIOUS", "DRILL_INCONCLUSIVE", "MARKS_ROLLED_BACK"]],
  ];
  for (const [cause, codes] of hidden) {
    const { open } = advanceAlerts([], shop(...codes), T0);
    const dark = advanceAlerts(open, shop(cause), after(0.1));
    assert.deepEqual(types(dark), [`opened ${cause}`]);
    assert.deepEqual(types(advanceAlerts(dark.open, shop(), after(0.2))).sort(), [cause, ...codes].map((code) => `closed ${code}`).sort());
  }
});

test("R36 two findings of one code are one alert, and severity follows from the verdict of the code", () => {
  const { events } = advanceAlerts([], [{ source: null, reasons: [...found("DRIFT"), ...found("DRIFT")] }], T0);
  assert.equal(events.length, 1);
  assert.deepEqual([events[0]?.alert.severity, events[0]?.alert.message], ["warning", "found DRIFT (and 1 more)"]);
});

test("R36 over any sequence of looks, alerts open and close in turn; the open ones were found or hidden", () => {
  const codes = Object.keys(MONITORS) as HealthCode[];
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(fc.constantFrom(...codes), { maxLength: 5 }), { maxLength: 30 }), (sequence) => {
      let open: readonly Alert[] = [];
      const state = new Set<string>();
      for (const [step, present] of sequence.entries()) {
        const next = advanceAlerts(open, shop(...present), after(step));
        for (const { type, alert } of next.events) {
          if (type === "opened") assert.ok(!state.has(alert.code));
          else assert.ok(state.has(alert.code));
          if (type === "opened") state.add(alert.code);
          if (type === "closed") state.delete(alert.code);
        }
        assert.deepEqual(new Set(next.open.map(({ code }) => code)), state);
        for (const code of present) assert.ok(state.has(code), code);
        assert.deepEqual(types(advanceAlerts(next.open, shop(...present), after(step))), []);
        ({ open } = next);
      }
    }),
  );
});

test("R36 an open alert says what to do about the cause that was found last", () => {
  const look = (next?: string): Look[] => [{ source: "shop", reasons: [{ code: "LAST_BACKUP_FAILED", message: "it failed", next }] }];
  const { open } = advanceAlerts([], look("free space"), T0);
  assert.equal(open[0]?.next, "free space");
  assert.equal(advanceAlerts(open, look(), after(1)).open[0]?.next, undefined);
});

test("R36 an alert whose cause has become another one is stored again; one with other figures is not", () => {
  const open = (message: string): Alert[] => advanceAlerts([], [{ source: "shop", reasons: [{ code: "LOG_BEHIND", message }] }], T0).open;
  const said = open("the log is 45m 34s behind (1.2 GB of 8 GB, since 2026-11-29T00:00:00Z)");
  assert.ok(haveSameCauses(said, open("the log is 2h behind (940 MB of 8 GB, since 2026-11-28T00:00:00Z)")));
  assert.ok(!haveSameCauses(said, open("the log is 45m 34s behind: the slot is gone")));
  assert.ok(!haveSameCauses(said, [...said, ...open("x")]));
});

test("R36 what only the source itself can tell stays open while the source does not answer", () => {
  const codes = ["COLLATION_CHANGED", "BASE_OUTDATED", "SLOT_LOST"] as const;
  const { open } = advanceAlerts([], shop(...codes), T0);
  assert.deepEqual(
    types(advanceAlerts(open, shop("SOURCE_UNREACHABLE"), after(1))).filter((one) => one.startsWith("closed")),
    [],
  );
});
