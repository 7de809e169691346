// Retention over years, against a second calculation in day numbers, and its laws over arbitrary points.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pointAt } from "../../test/support/points.ts";
import { isDamaged, isVerified, type PointKind, type RestorePoint } from "./restore-point.ts";
import { type Expiry, expire, type RetentionPolicy } from "./retention.ts";
import { tiersDue } from "./tiers.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const policy: RetentionPolicy = {
  tiers: [
    { tier: "daily", cron: "0 2 * * *", keepMs: 30 * DAY },
    { tier: "weekly", cron: "0 2 * * 0", keepMs: 90 * DAY, storageClass: "GLACIER" },
    { tier: "monthly", cron: "0 2 1 * *", keepMs: 365 * DAY, storageClass: "DEEP_ARCHIVE" },
  ],
};

/** What must exist `age` days after a night, derived only from that night's place in the calendar. */
function expectedClass(night: { readonly sunday: boolean; readonly first: boolean }, age: number): string | undefined {
  if (age < 30) return "STANDARD";
  if (night.sunday && age < 90) return "GLACIER";
  return night.first && age < 365 ? "DEEP_ARCHIVE" : undefined;
}

/** Simulates the days: a backup every night at 02:00, and an hour later the decisions of `expire`. Returns the rest. */
function live(startDay: string, days: number, compareEvery: number): RestorePoint[] {
  const start = Date.parse(`${startDay}T00:00:00Z`);
  const nights = new Map<string, { readonly day: number; readonly sunday: boolean; readonly first: boolean }>();
  let stored: RestorePoint[] = [];
  for (let day = 0; day < days; day++) {
    const midnight = new Date(start + day * DAY);
    const began = new Date(midnight.getTime() + 2 * HOUR);
    const id = midnight.toISOString().slice(0, 10);
    const tiers = tiersDue(policy.tiers, stored, began);
    const sunday = midnight.getUTCDay() === 0;
    const first = id.endsWith("-01");
    // The very first backup substitutes for its week and its month.
    nights.set(id, { day, sunday: sunday || day === 0, first: first || day === 0 });
    assert.deepEqual(tiers, ["daily", ...(sunday || day === 0 ? ["weekly"] : []), ...(first || day === 0 ? ["monthly"] : [])], id);
    stored.push(pointAt(new Date(began.getTime() + 5000), { id, tiers, verifiedAt: new Date(began.getTime() + 60_000) }));
    const expiry = expire(stored, policy, new Date(began.getTime() + HOUR));
    assert.deepEqual(expiry.blocked, []);
    const moved = new Map(expiry.transitions.map(({ point, to }) => [point.id, to]));
    stored = expiry.keep.map(({ point }) => ({ ...point, storageClass: moved.get(point.id) ?? point.storageClass ?? "STANDARD" }));
    if (day % compareEvery !== 0 && day !== days - 1) continue;
    const expected = [...nights].flatMap(([night, facts]) => {
      const storageClass = expectedClass(facts, day - facts.day);
      return storageClass === undefined ? [] : [`${night} ${storageClass}`];
    });
    assert.deepEqual(
      stored.map((point) => `${point.id} ${point.storageClass}`),
      expected,
      id,
    );
  }
  return stored;
}

test("R24 after ninety days thirty daily backups are left, and before them the Sundays and the firsts", () => {
  // Wednesday 2026-09-02 to Monday 2026-11-30: 30 dailies; before them eight Sundays, the start, and 2026-10-01.
  assert.equal(live("2026-09-02", 90, 1).length, 30 + 8 + 1 + 1);
});

test("R24 eight hundred days over a 29 February and two year ends keep exactly the expected backups", () => {
  assert.equal(live("2027-06-15", 800, 7).length, 30 + 9 + 11 - 1);
});

test("R24 the rule holds for a start on 29 February, on 31 December and on a Sunday the first", () => {
  for (const startDay of ["2028-02-29", "2027-12-31", "2026-11-01"]) live(startDay, 130, 1);
});

// --- laws ---

const START = Date.UTC(2027, 11, 1);
const NOW_MAX = START + 1000 * DAY;
const instant = fc.integer({ min: START, max: START + 800 * DAY }).map((ms) => new Date(ms));
/** Mostly undefined, by the given weight. */
const seldom = <T>(value: fc.Arbitrary<T>, undefinedWeight = 10): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: undefinedWeight, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const points: fc.Arbitrary<RestorePoint[]> = fc.uniqueArray(
  fc
    .record({
      id: fc.stringMatching(/^[a-z0-9]{6}$/),
      time: instant,
      kind: fc.constantFrom<PointKind>("full", "full", "full", "base", "snapshot", "schema", "tables"),
      tiers: fc.subarray(["daily", "weekly", "monthly", "gone"]),
      hold: seldom(fc.record({ by: fc.constant("ann"), at: instant })),
      verifiedAt: seldom(instant, 1),
      damagedAt: seldom(instant),
      expiresAt: seldom(instant, 1),
      storageClass: fc.constantFrom(undefined, "STANDARD", "GLACIER", "DEEP_ARCHIVE"),
      sizeBytes: fc.integer({ min: 600, max: 1200 }),
      sourceBytes: fc.integer({ min: 6000, max: 12_000 }),
    })
    .map(({ time, ...change }) => pointAt(time, change)),
  { selector: (point) => point.id, maxLength: 40, size: "max" },
);
const keepMs = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 1, max: 100 }).map((days) => days * DAY) },
  fc.constant("forever" as const),
);
const policies: fc.Arbitrary<RetentionPolicy> = fc.record({
  // Yearly schedules, so that most of these lists are not overdue and some points expire.
  tiers: fc.tuple(keepMs, keepMs, keepMs).map(([daily, weekly, monthly]) => [
    { tier: "daily", cron: "0 0 1 1 *", keepMs: daily },
    { tier: "weekly", cron: "0 0 * * 0", keepMs: weekly, storageClass: "GLACIER" },
    { tier: "monthly", cron: "0 0 1 * *", keepMs: monthly, storageClass: "DEEP_ARCHIVE" },
  ]),
  keepManualMs: fc.option(keepMs, { nil: undefined, freq: 6 }),
});
const now = fc.integer({ min: NOW_MAX - 300 * DAY, max: NOW_MAX }).map((ms) => new Date(ms));
/** A grace period so long that only other reasons block, and any number may expire at once. */
const unhurried = { graceMs: 5000 * DAY, most: true };
const ids = (decisions: Expiry["keep"]): string[] => decisions.map(({ point }) => point.id);

test("every point is either kept or expires, with reasons, oldest first, in any order of the input", () => {
  fc.assert(
    fc.property(points, policies, now, fc.boolean(), fc.nat(), (list, by, at, lastAttemptFailed, turn) => {
      const expiry = expire(list, by, at, { ...unhurried, lastAttemptFailed });
      assert.deepEqual([...ids(expiry.keep), ...ids(expiry.remove)].sort(), list.map(({ id }) => id).sort());
      for (const side of [expiry.keep, expiry.remove]) {
        for (const { reasons } of side) assert.ok(reasons.length > 0 && reasons.every((reason) => /\w/.test(reason)));
        const times = side.map(({ point }) => point.time.getTime());
        assert.deepEqual(
          times,
          times.toSorted((a, b) => a - b),
        );
      }
      const turned = list.map((_, index) => list[(index + turn) % list.length]).filter((point) => point !== undefined);
      assert.deepEqual(expire(turned.reverse(), by, at, { ...unhurried, lastAttemptFailed }), expiry);
    }),
  );
});

test("a restore point on hold, the newest one and the newest verified one never expire", () => {
  let removals = 0;
  fc.assert(
    fc.property(points, policies, now, (list, by, at) => {
      const gone = new Set(ids(expire(list, by, at, unhurried).remove));
      removals += gone.size;
      for (const point of list) assert.ok(point.hold === undefined || !gone.has(point.id));
      for (const group of [list, list.filter(isVerified)]) {
        const latest = Math.max(...group.map((point) => point.time.getTime()));
        assert.ok(group.length === 0 || group.some((point) => point.time.getTime() === latest && !gone.has(point.id)));
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(removals > 300, `only ${removals} removals were looked at`);
});

test("where there was an undamaged point of the whole database, one is left", () => {
  const usable = (point: RestorePoint): boolean =>
    ["full", "base", "snapshot"].includes(point.kind) && (!point.damagedAt || isVerified(point));
  fc.assert(
    fc.property(points, policies, now, (list, by, at) => {
      const { keep } = expire(list, by, at, unhurried);
      assert.equal(
        keep.some(({ point }) => usable(point)),
        list.some(usable),
      );
    }),
    { numRuns: 300 },
  );
});

test("a second expiry at the same instant removes nothing", () => {
  fc.assert(
    fc.property(points, policies, now, (list, by, at) => {
      const first = expire(list, by, at, unhurried);
      const again = expire(
        first.keep.map(({ point }) => point),
        by,
        at,
        unhurried,
      );
      assert.deepEqual(again.remove, []);
    }),
    { numRuns: 300 },
  );
});

test("a point that expires now also expires later, as long as nothing blocks", () => {
  fc.assert(
    fc.property(points, policies, now, fc.nat(500), (list, by, at, days) => {
      const later = expire(list, by, new Date(at.getTime() + days * DAY), unhurried);
      if (later.blocked.length > 0) return;
      const gone = new Set(ids(later.remove));
      for (const id of ids(expire(list, by, at, unhurried).remove)) assert.ok(gone.has(id), id);
    }),
    { numRuns: 300 },
  );
});

test("an additional hold, or a longer time to keep, never removes more", () => {
  fc.assert(
    fc.property(points, policies, now, fc.nat(), (list, by, at, pick) => {
      const before = new Set(ids(expire(list, by, at, unhurried).remove));
      const held = list.map((point, index) => (index === pick % list.length ? { ...point, hold: { by: "bob", at } } : point));
      const longer = {
        ...by,
        tiers: by.tiers.map((tier) => ({ ...tier, keepMs: tier.keepMs === "forever" ? tier.keepMs : tier.keepMs * 2 })),
      };
      for (const id of ids(expire(held, by, at, unhurried).remove)) assert.ok(before.has(id));
      for (const id of ids(expire(list, longer, at, unhurried).remove)) assert.ok(before.has(id));
    }),
    { numRuns: 300 },
  );
});

test("nothing expires or moves while the newest backup is missing, failed or suspiciously small", () => {
  fc.assert(
    fc.property(points, policies, now, (list, by, at) => {
      const last = list.reduce((ms, point) => Math.max(ms, point.time.getTime()), START);
      const tiny = pointAt(new Date(last + HOUR), { id: "tiny", sizeBytes: 1, sourceBytes: 1 });
      const afterwards = new Date(last + 400 * DAY);
      const cases = [expire(list, by, at, { ...unhurried, lastAttemptFailed: true }), expire(list, by, afterwards)];
      if (list.some((point) => point.kind === "full"))
        cases.push(expire([...list, tiny], by, new Date(Math.max(at.getTime(), last + HOUR)), unhurried));
      for (const expiry of cases) assert.deepEqual([expiry.remove, expiry.transitions], [[], []]);
    }),
  );
});

test("only kept points move, and only to colder classes", () => {
  const order = ["STANDARD", "GLACIER", "DEEP_ARCHIVE"];
  fc.assert(
    fc.property(points, policies, now, (list, by, at) => {
      const expiry = expire(list, by, at, unhurried);
      const kept = new Set(ids(expiry.keep));
      for (const { point, from, to } of expiry.transitions) {
        assert.ok(kept.has(point.id));
        assert.equal(from, point.storageClass ?? "STANDARD");
        assert.ok(order.indexOf(to) > order.indexOf(from));
      }
    }),
  );
});

test("R24 more than half of the restore points never expire at once without the option, and are named", () => {
  let withheldOnce = 0;
  fc.assert(
    fc.property(points, policies, now, (all, by, at) => {
      const list = all.filter(({ time }) => time <= at);
      const told = expire(list, by, at, unhurried);
      const untold = expire(list, by, at, { ...unhurried, most: false });
      if (told.remove.length <= Math.max(2, list.length / 2)) return assert.deepEqual(untold, told);
      withheldOnce++;
      assert.deepEqual([untold.remove, untold.transitions, untold.withheld], [[], [], told.remove]);
      assert.deepEqual(ids(untold.keep).sort(), list.map(({ id }) => id).sort());
      assert.match(untold.blocked.join(), /more than half/);
    }),
    { numRuns: 300 },
  );
  assert.ok(withheldOnce > 10, `only ${withheldOnce} such lists`);
});

test("R24 a point dated in the future does not affect the others, and expires only with the option", () => {
  const ahead = fc.integer({ min: HOUR, max: 900 * DAY });
  fc.assert(
    fc.property(points, policies, now, ahead, (list, by, at, ms) => {
      const future = pointAt(new Date(at.getTime() + ms), { id: "future", verifiedAt: at, tiers: ["daily", "weekly"] });
      const past = list.filter(({ time }) => time <= at);
      const without = expire(past, by, at, unhurried);
      const { keep, ...rest } = expire([...past, future], by, at, unhurried);
      assert.deepEqual({ keep: keep.slice(0, -1), ...rest }, without);
      assert.deepEqual(keep.at(-1)?.point, future);
      assert.match(keep.at(-1)?.reasons.join() ?? "", /dated .*, in the future/);
      const told = expire([...past, future], by, at, { ...unhurried, future: true });
      const sound = without.blocked.length === 0 && past.some((point) => isSoundWhole(point));
      assert.equal(ids(told.remove).includes("future"), sound);
      const held = { ...future, hold: { by: "ann", at } };
      assert.ok(!ids(expire([...past, held], by, at, { ...unhurried, future: true }).remove).includes("future"));
    }),
    { numRuns: 300 },
  );
});

const isSoundWhole = (point: RestorePoint): boolean => ["full", "base", "snapshot"].includes(point.kind) && !isDamaged(point);
