import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pointAt } from "../../test/support/points.ts";
import { type HealthFacts, judgeSource } from "./health.ts";
import { nextOfFinding, verdictOf } from "./monitors.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const now = new Date("2026-11-25T12:00:00Z");
const ago = (ms: number): Date => new Date(now.getTime() - ms);
const verifiedAt = ago(HOUR);

/** All facts are known and good. */
const well: HealthFacts = {
  points: [3, 2, 1, 0].map((days) => pointAt(new Date(Date.UTC(2026, 10, 25 - days, 2, 0, 5)), { id: `p${days}`, verifiedAt })),
  lastDrill: { verdict: "pass", endedAt: ago(20 * DAY) },
  lastAttempt: { outcome: "done", endedAt: ago(9 * HOUR) },
  objective: { rtoSeconds: 3600, rpoSeconds: 86_400 },
  policy: { tiers: [{ tier: "daily", cron: "0 2 * * *", keepMs: 30 * DAY }] },
  now,
  reachable: true,
};
const withNewest = (change: Partial<(typeof well.points)[number]>) =>
  well.points.map((point) => (point.id === "p0" ? { ...point, ...change } : point));
const older = well.points.slice(0, -1);

test("R33 a source is green only when all facts are known and good", () => {
  assert.deepEqual(judgeSource(well), { verdict: "pass", reasons: [] });
});

const nextYear = pointAt("2027-12-30T02:00:05Z", { id: "ahead", verifiedAt });

const cases: readonly [string, Partial<HealthFacts>, readonly string[], RegExp][] = [
  ["a source that does not answer", { reachable: false }, ["SOURCE_UNREACHABLE"], /cannot be reached/],
  ["a point dated in the future", { points: [...well.points, nextYear] }, ["DATED_IN_FUTURE"], /\(ahead\) is dated 2027-12-30 02:00 UTC/],
  [
    "nothing new but a point dated in the future",
    { points: [...older, nextYear] },
    ["BACKUP_OVERDUE", "EXPOSURE_ABOVE_RPO", "DATED_IN_FUTURE"],
    /the newest backup is of 2026-11-24/,
  ],
  ["a point dated within clock skew", { points: withNewest({ time: new Date(now.getTime() + 60_000) }) }, [], /^$/],
  ["a machine whose clock is behind", { points: [...well.points, nextYear], present: nextYear.time, objective: {} }, [], /^$/],
  [
    "a window that ends in the future",
    { points: older, window: { earliest: ago(DAY), latest: nextYear.time }, policy: { tiers: [] } },
    ["BACKUP_OVERDUE", "EXPOSURE_ABOVE_RPO", "DATED_IN_FUTURE"],
    /window ends on 2027-12-30/,
  ],
  ["a drill of the future", { lastDrill: { verdict: "pass", endedAt: nextYear.time } }, ["DRILL_MISSING"], /no drill/],
  ["clocks that differ", { clocks: [{ code: "CLOCK_OFF", message: "they are 2h apart" }] }, ["CLOCK_OFF"], /2h apart/],
  ["no backup at all", { points: [] }, ["NO_BACKUP"], /no restore point of the whole database$/],
  ["backups of parts only", { points: [pointAt(now, { kind: "schema", verifiedAt })] }, ["NO_BACKUP"], /only of parts/],
  [
    "a failed last attempt",
    { lastAttempt: { outcome: "failed", endedAt: ago(HOUR), message: "the server went away" } },
    ["LAST_BACKUP_FAILED"],
    /failed on 2026-11-25 11:00 UTC: the server went away/,
  ],
  ["a failed attempt that a good backup followed", { lastAttempt: { outcome: "failed", endedAt: ago(20 * HOUR) } }, [], /^$/],
  [
    "a missed night",
    { points: older },
    ["BACKUP_OVERDUE", "EXPOSURE_ABOVE_RPO"],
    /2026-11-24 02:00 UTC, and none was made for tier daily on 2026-11-25 02:00 UTC.*1d 10h of work would be lost now, and 1d/,
  ],
  ["a missed night with a long RPO", { points: older, objective: { rpoSeconds: 7 * 86_400 } }, ["BACKUP_OVERDUE"], /tier daily/],
  ["no schedule and a day old", { policy: { tiers: [] }, points: older, objective: {} }, ["BACKUP_OVERDUE"], /more than 1d 1h ago/],
  ["no schedule and no promise, but fresh", { policy: { tiers: [] }, objective: {} }, [], /^$/],
  ["a short RPO", { objective: { rpoSeconds: 3600 } }, ["EXPOSURE_ABOVE_RPO"], /10h of work would be lost now, and 1h is/],
  [
    "a minute's RPO missed by seconds",
    { objective: { rpoSeconds: 60 }, points: [pointAt(ago(63_000), { verifiedAt })] },
    ["EXPOSURE_ABOVE_RPO"],
    /1m 03s of work/,
  ],
  ["a minute's RPO missed by a second", { objective: { rpoSeconds: 60 }, points: [pointAt(ago(61_000), { verifiedAt })] }, [], /^$/],
  [
    "a month's RPO missed by two hours",
    { objective: { rpoSeconds: 30 * 86_400 }, policy: { tiers: [] }, points: [pointAt(ago(30 * DAY + 2 * HOUR), { verifiedAt })] },
    ["BACKUP_OVERDUE", "EXPOSURE_ABOVE_RPO"],
    /30d 2h of work/,
  ],
  [
    "nothing whole verified",
    { points: [...well.points.map((point) => ({ ...point, verifiedAt: undefined })), pointAt(now, { kind: "schema", verifiedAt })] },
    ["NEVER_VERIFIED"],
    /whole/,
  ],
  [
    "a damaged newest backup",
    { points: withNewest({ damagedAt: now }) },
    ["EXPOSURE_ABOVE_RPO", "BACKUP_DAMAGED"],
    /newest backup p0 was found damaged/,
  ],
  [
    "nothing but damaged backups",
    { points: well.points.map((point) => ({ ...point, damagedAt: now })) },
    ["EXPOSURE_ABOVE_RPO", "BACKUP_DAMAGED", "NEVER_VERIFIED"],
    /every restore point .* damaged/,
  ],
  ["a tiny newest backup", { points: withNewest({ sizeBytes: 10, sourceBytes: 10 }) }, ["SIZE_SUSPICIOUS"], /p0 is suspiciously small/],
  ["nothing verified", { points: well.points.map((point) => ({ ...point, verifiedAt: undefined })) }, ["NEVER_VERIFIED"], /ever verified/],
  ["no drill", { lastDrill: undefined }, ["DRILL_MISSING"], /nothing proves/],
  ["a failed drill", { lastDrill: { verdict: "fail", endedAt: ago(DAY) } }, ["DRILL_FAILED"], /failed on 2026-11-24/],
  ["a drill that proved nothing", { lastDrill: { verdict: "inconclusive", endedAt: ago(DAY) } }, ["DRILL_INCONCLUSIVE"], /proved nothing/],
  ["a drill of long ago", { lastDrill: { verdict: "pass", endedAt: ago(37 * DAY) } }, ["DRILL_OVERDUE"], /more than 36d ago/],
];

for (const [what, change, codes, message] of cases) {
  test(`R36 ${what} gives ${codes.join(", ") || "no alarm"}`, () => {
    const { verdict, reasons } = judgeSource({ ...well, ...change });
    assert.deepEqual(
      reasons.map(({ code }) => code),
      codes,
    );
    assert.match(reasons.map((reason) => reason.message).join("; "), message);
    const failed = reasons.some(({ code }) => verdictOf(code) === "fail");
    assert.equal(verdict, failed ? "fail" : codes.length > 0 ? "inconclusive" : "pass");
  });
}

test("R36 a daily dump with an RPO of 24 hours turns red at 25 hours and not before", () => {
  const at = (ms: number) =>
    judgeSource({ ...well, now: new Date((well.points.at(-1)?.time.getTime() ?? 0) + ms), lastDrill: { verdict: "pass", endedAt: now } });
  assert.equal(at(25 * HOUR - 5000).verdict, "pass");
  assert.equal(at(25 * HOUR + 1).verdict, "fail");
});

test("R33 a source without a verified backup, a passed drill and an answer is never green", () => {
  const maybe = <T>(value: T) => fc.constantFrom(value, undefined);
  const facts = fc.record({
    points: fc.subarray([...well.points, pointAt(ago(2 * HOUR), { id: "bare" })]),
    lastDrill: fc.constantFrom(
      undefined,
      ...(["pass", "fail", "inconclusive"] as const).map((verdict) => ({ verdict, endedAt: ago(DAY) })),
    ),
    lastAttempt: maybe({ outcome: "failed" as const, endedAt: ago(HOUR) }),
    reachable: fc.boolean(),
  });
  fc.assert(
    fc.property(facts, (change) => {
      const { verdict, reasons } = judgeSource({ ...well, ...change });
      assert.equal(verdict === "pass", reasons.length === 0);
      if (verdict !== "pass") return;
      assert.ok(change.points.some((point) => point.verifiedAt !== undefined));
      assert.equal(change.lastDrill?.verdict, "pass");
      assert.equal(change.lastAttempt, undefined);
      assert.equal(change.reachable, true);
    }),
  );
});

test("failures come before inconclusive findings", () => {
  const { reasons } = judgeSource({ ...well, reachable: false, points: older, lastDrill: undefined });
  assert.deepEqual(
    reasons.map(({ code }) => code),
    ["SOURCE_UNREACHABLE", "BACKUP_OVERDUE", "EXPOSURE_ABOVE_RPO", "DRILL_MISSING"],
  );
});

test("R36 after a failed backup the next step removes the cause of the failure, and then backs up", () => {
  const next = (code: string | undefined): string => {
    const { reasons } = judgeSource({ ...well, lastAttempt: { outcome: "failed", endedAt: ago(HOUR), code } });
    const reason = reasons.find((one) => one.code === "LAST_BACKUP_FAILED") ?? assert.fail();
    return nextOfFinding(reason, "shop").text;
  };
  assert.equal(next("STORAGE_FULL"), "free or add space, then run `lifeboat backup shop`; nothing was left behind");
  assert.match(next("DISK_FULL"), /^free space in the directory named, .*; then run `lifeboat backup shop`$/);
  assert.match(next("SOURCE_AUTH"), /; then run `lifeboat backup shop`$/);
  for (const unknown of [undefined, "NO_SUCH_CODE", "INTEGRITY"]) assert.equal(next(unknown), "run `lifeboat backup shop`");
});
