import assert from "node:assert/strict";
import { test } from "node:test";
import { baseOf, lsn, nameOf, segmentOf } from "../../test/support/log.ts";
import { pointAt } from "../../test/support/points.ts";
import { expireLog, windowKeepReasons } from "./log-retention.ts";
import { type LogBase, viewLog } from "./log-window.ts";
import { dateOfMicros } from "./micros.ts";
import { expire } from "./retention.ts";

const DAY = 86_400;
const DAY_MS = DAY * 1000;
/** Twenty days, a segment a day, a base backup every second day; the newest log is of day 20. */
const segments = Array.from({ length: 20 }, (_, day) => segmentOf(day, [[0.9, (day + 0.9) * DAY]]));
const bases = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18].map((day) => baseOf(`b${day}`, day + 0.1, day + 0.2, (day + 0.2) * DAY));
const none = { histories: new Map(), damage: new Map() };
const now = new Date(Date.UTC(2026, 10, 21) + 20 * DAY_MS);

function decide(some: readonly LogBase[], log = segments, windowMs = 7 * DAY_MS) {
  const { windows } = viewLog(some, { segments: log, ...none });
  const keepReasons = windowKeepReasons(windows, some, windowMs);
  const points = some.map(({ id, facts }) => pointAt(dateOfMicros(facts.endedAt), { id, kind: "base", tiers: [] }));
  const { keep, remove } = expire(points, { tiers: [] }, now, { keepReasons, most: true });
  return { kept: keep.map(({ point }) => point.id), removed: remove.map(({ point }) => point.id), keepReasons, remove };
}

test("R25 the window keeps its oldest required base and every later one; the others expire with a reason", () => {
  // Seven days before day 20 is day 13, which base 12 reaches.
  const { kept, removed, remove } = decide(bases);
  assert.deepEqual(kept, ["b12", "b14", "b16", "b18"]);
  assert.deepEqual(removed, ["b0", "b2", "b4", "b6", "b8", "b10"]);
  assert.match(remove.at(-1)?.reasons.join() ?? "", /the window of 7d kept it until 2026-12-10/);
});

test("R25 a base backup without log replaces no other, because it reaches one instant only", () => {
  // Base 12's own log is gone, so base 10 must stay to reach day 13 through the later log.
  const alone = bases.map((base) => (base.id === "b12" ? baseOf("b12", 112.1, 112.2, 12.2 * DAY) : base));
  assert.deepEqual(decide(alone).kept.slice(0, 2), ["b10", "b14"]);
});

test("R25 a base whose recovery window ended before the configured window began expires", () => {
  const interrupted = segments.filter(({ name }) => name !== nameOf(5));
  const { removed } = decide(bases.slice(0, 5), interrupted);
  assert.deepEqual(removed, ["b0", "b2", "b4", "b6"]);
});

test("R25 the only base backup never expires", () => {
  assert.deepEqual(decide(bases.slice(0, 1)).kept, ["b0"]);
});

test("R25 log expires only when no kept base requires it; the window's leading base keeps all later log", () => {
  const kept = bases.filter(({ id }) => ["b12", "b14", "b16", "b18"].includes(id));
  const { keep, remove, reasons } = expireLog({ segments, bases: kept, leading: new Set(["b12", "b14"]), blocked: [] });
  assert.deepEqual([remove[0]?.name, remove.at(-1)?.name, keep[0]?.name], [nameOf(0), nameOf(11), nameOf(12)]);
  assert.match(reasons[0] ?? "", /base backup b12 .* requires it/);
});

test("R25 a base kept for another reason keeps the log written while it was made, and no more", () => {
  const kept = [baseOf("held", 3.5, 4.5, 4 * DAY), ...bases.slice(6)];
  const { remove } = expireLog({ segments, bases: kept, leading: new Set(["b12"]), blocked: [] });
  const gone = new Set(remove.map(({ name }) => name));
  assert.deepEqual(
    [2, 3, 4, 5].map((day) => gone.has(nameOf(day))),
    [true, false, false, true],
  );
});

test("R25 without a base, or while expiry is blocked, no log expires", () => {
  assert.equal(expireLog({ segments, bases: [], leading: new Set(), blocked: [] }).remove.length, 0);
  assert.equal(expireLog({ segments, bases, leading: new Set(["b18"]), blocked: ["the newest backup is damaged"] }).remove.length, 0);
});

test("R25 log of a database cluster without a base is kept", () => {
  const foreign = segmentOf(3, [], { systemIdentifier: "99" });
  assert.deepEqual(expireLog({ segments: [foreign], bases, leading: new Set(["b18"]), blocked: [] }).remove, []);
});

test("R25 every instant of the window can still be reached after expiry", () => {
  for (let windowDays = 1; windowDays <= 20; windowDays++) {
    const { kept, keepReasons } = decide(bases, segments, windowDays * DAY_MS);
    const stay = bases.filter(({ id }) => kept.includes(id));
    const leading = new Set(stay.filter(({ id }) => isNeeded(keepReasons.get(id)?.until)).map(({ id }) => id));
    const { keep } = expireLog({ segments, bases: stay, leading, blocked: [] });
    const { window } = viewLog(stay, { segments: keep, ...none });
    const wanted = Math.max(now.getTime() - windowDays * DAY_MS, dateOfMicros(bases[0]?.facts.endedAt ?? "").getTime());
    assert.ok(window && dateOfMicros(window.earliest).getTime() <= wanted, `${windowDays} days`);
    assert.equal(window.latest, segments.at(-1)?.maxCommitAt);
    assert.equal(lsn(20), segments.at(-1)?.endLsn);
  }
});

const isNeeded = (until: Date | "forever" | undefined): boolean => until === "forever" || (until !== undefined && until > now);
