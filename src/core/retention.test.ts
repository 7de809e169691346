import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { pointAt } from "../../test/support/points.ts";
import type { RestorePoint } from "./restore-point.ts";
import { type ExpireOptions, type Expiry, expectedExpiry, expire, type RetentionPolicy } from "./retention.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const at = (text: string): Date => new Date(text);

/** The tiers of R24. */
const policy: RetentionPolicy = {
  tiers: [
    { tier: "daily", cron: "0 2 * * *", keepMs: 30 * DAY },
    { tier: "weekly", cron: "0 2 * * 0", keepMs: 90 * DAY, storageClass: "GLACIER" },
    { tier: "monthly", cron: "0 2 1 * *", keepMs: 365 * DAY, storageClass: "DEEP_ARCHIVE" },
  ],
};
/** For tests of a single tier. With those of R24, an old daily backup would substitute for a week or month without one. */
const nightly: RetentionPolicy = { tiers: policy.tiers.slice(0, 1) };
const NOW = at("2026-11-25T12:00:00Z");
/** Satisfies the schedule, so that nothing blocks. */
const fresh = pointAt("2026-11-25T02:00:05Z", { id: "fresh", verifiedAt: at("2026-11-25T03:00:00Z") });
const run = (points: readonly RestorePoint[], options: ExpireOptions = {}, by = policy): Expiry =>
  expire([...points, fresh], by, NOW, options);
const removed = (expiry: Expiry): string[] => expiry.remove.map(({ point }) => point.id);
const reasonsFor = (expiry: Expiry, id: string): string =>
  [...expiry.keep, ...expiry.remove].find(({ point }) => point.id === id)?.reasons.join("; ") ??
  assert.fail(`nothing was decided about ${id}`);

test("a tier keeps a backup for exactly its duration after the snapshot", () => {
  const until = { id: "x" };
  assert.deepEqual(removed(run([pointAt(new Date(NOW.getTime() - 30 * DAY + 1), until)], {}, nightly)), []);
  const gone = run([pointAt(new Date(NOW.getTime() - 30 * DAY), until)], {}, nightly);
  assert.deepEqual(removed(gone), ["x"]);
  assert.equal(reasonsFor(gone, "x"), "tier daily kept it until 2026-11-25 12:00 UTC");
  assert.match(reasonsFor(gone, "fresh"), /newest restore point; .*tier daily keeps it until 2026-12-25 02:00 UTC/);
});

test("the present policy decides, not the expiry expected when the backup was made", () => {
  const early = pointAt("2026-11-01T02:00:05Z", { id: "early", expiresAt: at("2026-11-02T00:00:00Z") });
  const late = pointAt("2026-08-01T02:00:05Z", { id: "late", expiresAt: at("2027-11-02T00:00:00Z") });
  assert.deepEqual(removed(run([early, late], {}, nightly)), ["late"]);
});

test("a manual backup has its own expiry, else that of the rule for manual backups, else none", () => {
  const own = pointAt("2026-11-20T10:00:00Z", { id: "own", tiers: [], expiresAt: at("2026-11-25T11:00:00Z") });
  const old = pointAt("2020-01-01T10:00:00Z", { id: "old", tiers: [] });
  assert.deepEqual(removed(run([own, old])), ["own"]);
  assert.match(reasonsFor(run([own, old]), "old"), /rule for manual backups keeps it forever/);
  const ruled = run([own, old], { most: true }, { ...policy, keepManualMs: 7 * DAY });
  assert.deepEqual(removed(ruled), ["old", "own"]);
  assert.equal(reasonsFor(ruled, "old"), "the rule for manual backups (7d) kept it until 2020-01-08 10:00 UTC");
});

test("a tier with keep forever expires nothing", () => {
  const old = pointAt("1999-01-01T00:00:00Z", { id: "old", tiers: ["major"] });
  const expiry = run([old], {}, { tiers: [...policy.tiers, { tier: "major", cron: "0 0 1 1 *", keepMs: "forever" }] });
  assert.match(reasonsFor(expiry, "old"), /tier major keeps it forever/);
});

test("renaming a tier or dropping it from the policy expires nothing before the recorded expiry", () => {
  const times = ["2026-06-01T02:00:05Z", "2026-06-01T08:00:05Z"];
  const points = times.map((time, i) => pointAt(time, { id: `p${i}`, tiers: ["nightly"], expiresAt: at("2026-12-01T00:00:00Z") }));
  assert.deepEqual(removed(run(points)), []);
  assert.match(reasonsFor(run(points), "p0"), /tier nightly, which is no longer in the policy, keeps it until 2026-12-01/);
  const unrecorded = points.map((point) => ({ ...point, expiresAt: undefined }));
  assert.match(reasonsFor(run(unrecorded), "p0"), /recorded no expiry, keeps it forever/);
  const passed = points.map((point) => ({ ...point, expiresAt: at("2026-06-30T00:00:00Z") }));
  const expiry = run(passed);
  assert.deepEqual(removed(expiry), ["p0"], "the newer one substitutes for the month, so the older one expires");
  assert.match(
    reasonsFor(expiry, "p1"),
    /tier monthly, for whose slot of 2026-06-01 02:00 UTC no other backup was recorded, keeps it until 2027-06-01/,
  );
});

test("the newest backup of a week substitutes for a missed weekly one and is kept as long", () => {
  const days = ["2026-10-05", "2026-10-06", "2026-10-07", "2026-10-12"];
  const points = days.map((day) => pointAt(`${day}T02:00:05Z`, { id: day }));
  const served = pointAt("2026-10-11T02:00:05Z", { id: "sunday", tiers: ["daily", "weekly"] });
  const month = pointAt("2026-10-01T02:00:05Z", { id: "month", tiers: ["daily", "weekly", "monthly"] });
  const expiry = run([...points, served, month]);
  assert.deepEqual(removed(expiry), ["2026-10-05", "2026-10-06", "2026-10-12"]);
  assert.match(
    reasonsFor(expiry, "2026-10-07"),
    /tier weekly, for whose slot of 2026-10-04 02:00 UTC no other backup was recorded, keeps it until 2027-01-05/,
  );
});

test("a hold keeps any point and names its user", () => {
  const hold = { by: "ann@laptop", at: at("2025-01-02T03:04:05Z"), reason: "audit of 2024" };
  const expiry = run([pointAt("2025-01-01T02:00:05Z", { id: "old", hold })]);
  assert.deepEqual(removed(expiry), []);
  assert.match(
    reasonsFor(expiry, "old"),
    /^ann@laptop put it on hold on 2025-01-02 03:04 UTC: audit of 2024; tier daily kept it until 2025-01-31/,
  );
});

test("the newest restore point and the newest verified one are kept at any age", () => {
  const points = [
    pointAt("2020-01-01T00:00:00Z", {
      id: "older-verified",
      tiers: [],
      expiresAt: at("2020-02-01T00:00:00Z"),
      verifiedAt: at("2026-01-01T00:00:00Z"),
    }),
    pointAt("2020-01-02T00:00:00Z", {
      id: "verified",
      tiers: [],
      expiresAt: at("2020-02-01T00:00:00Z"),
      verifiedAt: at("2020-01-03T00:00:00Z"),
    }),
    pointAt("2020-01-03T00:00:00Z", { id: "unverified", tiers: [], expiresAt: at("2020-02-01T00:00:00Z") }),
    pointAt("2020-01-04T00:00:00Z", { id: "newest", tiers: [], expiresAt: at("2020-02-01T00:00:00Z") }),
  ];
  const expiry = expire(points, { tiers: [] }, NOW);
  assert.deepEqual(removed(expiry), ["older-verified", "unverified"]);
  assert.match(reasonsFor(expiry, "verified"), /newest verified restore point; its own expiry kept it until 2020-02-01/);
  assert.match(reasonsFor(expiry, "newest"), /newest restore point/);
});

test("a backup of a part never replaces the newest one of the whole database", () => {
  const expiresAt = at("2020-02-01T00:00:00Z");
  const verifiedAt = at("2020-01-05T00:00:00Z");
  const points = [
    pointAt("2020-01-01T00:00:00Z", { id: "whole", tiers: [], expiresAt, verifiedAt }),
    pointAt("2020-01-02T00:00:00Z", { id: "unverified", tiers: [], expiresAt }),
    pointAt("2020-01-03T00:00:00Z", { id: "schema", kind: "schema", tiers: [], expiresAt, verifiedAt }),
  ];
  const expiry = expire(points, { tiers: [] }, NOW);
  assert.deepEqual(removed(expiry), []);
  assert.match(reasonsFor(expiry, "whole"), /newest verified restore point of the whole database/);
  assert.match(reasonsFor(expiry, "unverified"), /newest restore point of the whole database/);
});

test("a verified point that was found damaged later is no longer the newest verified one", () => {
  const old = { tiers: [], expiresAt: at("2020-02-01T00:00:00Z") };
  const points = [
    pointAt("2020-01-01T00:00:00Z", { id: "good", ...old, verifiedAt: at("2020-01-05T00:00:00Z") }),
    pointAt("2020-01-02T00:00:00Z", { id: "bad", ...old, verifiedAt: at("2020-01-05T00:00:00Z"), damagedAt: at("2020-01-06T00:00:00Z") }),
    pointAt("2020-01-03T00:00:00Z", { id: "newest", ...old }),
  ];
  assert.deepEqual(removed(expire(points, { tiers: [] }, NOW)), ["bad"]);
});

const expired = pointAt("2025-01-05T02:00:05Z", { id: "expired" });

test("nothing expires or moves while the newest backup is missing, failed, damaged or suspiciously small", () => {
  const toMove = pointAt("2026-10-04T02:00:05Z", { id: "move", tiers: ["daily", "weekly"] });
  const calm = run([expired, toMove]);
  assert.deepEqual([removed(calm), calm.transitions.length, calm.blocked], [["expired"], 1, []]);
  const late = new Date(fresh.time.getTime() + 26 * HOUR);
  const cases: readonly [Expiry, RegExp][] = [
    [run([expired, toMove], { lastAttemptFailed: true }), /the last backup failed/],
    [
      expire([expired, toMove, fresh], policy, late),
      /backup of 2026-11-26 02:00 UTC \(tier daily\) is missing: the newest is of 2026-11-25 02:00 UTC/,
    ],
    [expire([expired, toMove, { ...fresh, damagedAt: NOW }], policy, NOW), /newest backup fresh was found damaged on 2026-11-25 12:00 UTC/],
    [expire([expired, toMove, { ...fresh, sizeBytes: 1000, sourceBytes: 2000 }], policy, NOW), /backup fresh is suspiciously small/],
  ];
  for (const [expiry, why] of cases) {
    assert.deepEqual([removed(expiry), expiry.transitions], [[], []]);
    assert.match(expiry.blocked.join(), why);
    assert.match(reasonsFor(expiry, "expired"), /^tier daily kept it until 2025-02-04 02:00 UTC; nothing is deleted while /);
    assert.match(reasonsFor(expiry, "expired"), why);
  }
});

test("a backup of a part does not substitute for a missing one of the whole database", () => {
  const part = pointAt("2026-11-25T11:00:00Z", { id: "part", kind: "schema", tiers: [] });
  const old = pointAt("2026-11-23T02:00:05Z", { id: "old" });
  assert.match(expire([expired, old, part], policy, NOW).blocked.join(), /backup of 2026-11-24 02:00 UTC \(tier daily\) is missing/);
});

test("a backup of two tiers stays warm while the daily tier keeps it, then moves to colder classes", () => {
  const point = pointAt("2026-11-01T02:00:05Z", { id: "x", tiers: ["daily", "weekly", "monthly"] }); // a Sunday and a first
  const moveAt = (days: number, storageClass?: string) => {
    const now = new Date(point.time.getTime() + days * DAY);
    const keeper = pointAt(new Date(now.getTime() - HOUR), { id: "keeper" });
    return expire([{ ...point, storageClass }, keeper], policy, now).transitions.map(({ from, to }) => `${from} → ${to}`);
  };
  assert.deepEqual(moveAt(29.9), []);
  assert.deepEqual(moveAt(30), ["STANDARD → GLACIER"]);
  assert.deepEqual(moveAt(30, "GLACIER"), []);
  assert.deepEqual(moveAt(89, "STANDARD"), ["STANDARD → GLACIER"]);
  assert.deepEqual(moveAt(90, "GLACIER"), ["GLACIER → DEEP_ARCHIVE"]);
  assert.deepEqual(moveAt(30, "DEEP_ARCHIVE"), [], "never warmer");
  assert.deepEqual(moveAt(30, "SOMETHING_ELSE"), [], "an unknown class is left alone");
});

test("while a recorded tier keeps a backup it substitutes for nothing", () => {
  const month = pointAt("2026-09-01T02:00:05Z", { id: "month", tiers: ["daily", "monthly"] }); // its week's Sunday is gone
  const expiry = run([month]);
  assert.deepEqual(
    expiry.transitions.map(({ to }) => to),
    ["DEEP_ARCHIVE"],
  );
  assert.doesNotMatch(reasonsFor(expiry, "month"), /weekly/);
});

test("a backup that an unknown tier still keeps stays in its class", () => {
  const expiresAt = at("2027-01-01T00:00:00Z");
  const points = [
    ["w", ["weekly"]],
    ["u", ["weekly", "gone"]],
  ] as const;
  const expiry = run(points.map(([id, tiers]) => pointAt("2026-10-04T02:00:05Z", { id, tiers, expiresAt })));
  assert.deepEqual(
    expiry.transitions.map(({ point }) => point.id),
    ["w"],
  );
});

test("a storage without classes moves nothing, and a transition gives its reason", () => {
  const weekly = pointAt("2026-10-04T02:00:05Z", { id: "w", tiers: ["daily", "weekly"] });
  assert.deepEqual(run([weekly], { storageClasses: [] }).transitions, []);
  assert.match(run([weekly]).transitions[0]?.reason ?? "", /GLACIER is the warmest class.*tier weekly keeps it until 2027-01-02 02:00 UTC/);
});

test("the expected expiry is the end of the last tier", () => {
  const time = at("2028-02-29T02:00:00Z");
  assert.deepEqual(expectedExpiry(["daily", "monthly"], policy, time), at("2029-02-28T02:00:00Z"));
  assert.deepEqual(expectedExpiry(["daily"], policy, time), at("2028-03-30T02:00:00Z"));
  assert.equal(expectedExpiry([], policy, time), undefined);
  assert.deepEqual(expectedExpiry([], { ...policy, keepManualMs: DAY }, time), at("2028-03-01T02:00:00Z"));
  assert.equal(expectedExpiry(["unknown"], policy, time), undefined);
});

test("no points give no decisions, and points of two sources are refused", () => {
  assert.deepEqual(expire([], policy, NOW), { keep: [], remove: [], transitions: [], blocked: [] });
  assert.throws(() => expire([fresh, { ...fresh, source: "other" }], policy, NOW), /several sources/);
});

test("decisions do not depend on the machine's time zone, across both changes of clocks", () => {
  const [retention, points] = ["./retention.ts", "../../test/support/points.ts"].map((path) =>
    JSON.stringify(new URL(path, import.meta.url).href),
  );
  const script = `
    import { expire } from ${retention};
    import { pointAt } from ${points};
    const start = Date.UTC(2026, 1, 20), made = [], out = [];
    for (let day = 0; day < 280; day++) {
      const time = new Date(start + day * 86400000 + 7205000);
      made.push(pointAt(time, { tiers: time.getUTCDay() === 0 ? ["daily", "weekly"] : ["daily"] }));
      if (day % 20 === 0) out.push(expire(made, ${JSON.stringify(policy)}, new Date(time.getTime() + 3600000), { most: true }));
    }
    console.log(JSON.stringify([out, new Date(start).getTimezoneOffset() - new Date("2026-07-01").getTimezoneOffset()]));`;
  const inZone = (TZ: string) =>
    JSON.parse(
      execFileSync(process.execPath, ["--input-type=module", "-e", script], {
        env: { ...process.env, TZ },
        encoding: "utf8",
        maxBuffer: 1e8,
      }),
    );
  const [decisions] = inZone("UTC");
  assert.ok(decisions.at(-1).remove.length > 100);
  for (const zone of ["America/New_York", "Australia/Lord_Howe"]) {
    const [there, change] = inZone(zone);
    assert.notEqual(change, 0, `${zone} must change its clocks here, else this proves nothing`);
    assert.deepEqual(there, decisions, zone);
  }
});

test("R24 a clock that is ahead expires nothing, and a point with its time does not count afterwards", () => {
  const days = [5, 4, 3, 2, 1].map((ago) => pointAt(new Date(NOW.getTime() - ago * DAY), { id: `day-${ago}`, tiers: [], expiresAt: NOW }));
  const clock = "this machine's clock says 2027-12-30 12:00 UTC, the database's 2026-11-25 12:00 UTC";
  const doubted = expire([...days, fresh], { tiers: [] }, NOW, { most: true, doubts: [clock] });
  assert.deepEqual(removed(doubted), []);
  assert.match(reasonsFor(doubted, "day-5"), /nothing is deleted while this machine's clock says/);
  const later = new Date(NOW.getTime() + 400 * DAY);
  const made = pointAt(later, { id: "of-2027", verifiedAt: later });
  const ahead = expire([...days, made], nightly, new Date(later.getTime() + HOUR));
  assert.deepEqual([removed(ahead), ahead.withheld?.length, ahead.keep.length], [[], 5, 6]);
  const back = expire([...days, fresh, made], nightly, NOW, { future: true, most: true });
  assert.deepEqual(removed(back), ["day-5", "day-4", "day-3", "day-2", "day-1", "of-2027"]);
  assert.match(reasonsFor(back, "fresh"), /newest restore point/);
});
