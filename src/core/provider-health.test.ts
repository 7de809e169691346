import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeSource } from "./health.ts";
import { verdictOf } from "./monitors.ts";
import { type ProviderFacts, providerReasons } from "./provider-health.ts";

const DAY_MS = 86_400_000;
const now = new Date("2026-11-21T06:00:00Z");
const window = { earliest: new Date(now.getTime() - 7 * DAY_MS), latest: now };
const well: ProviderFacts = { windowMs: 7 * DAY_MS, window, limits: [], drift: [], rules: [], now };
const codes = (change: Partial<ProviderFacts>): string[] => [...providerReasons({ ...well, ...change })].map(({ code }) => code);

test("a provider that matches the policy gives no finding", () => {
  assert.deepEqual(codes({}), []);
});

test("R16 orphaned scratch is named and is a finding", () => {
  const reasons = [...providerReasons({ ...well, orphans: ["lifeboat-00dka1v0000000"] })];
  assert.deepEqual(
    reasons.map(({ code }) => code),
    ["ORPHANED_SCRATCH"],
  );
  assert.match(reasons[0]?.message ?? "", /lifeboat-00dka1v0000000 .*jobs recover/);
  assert.equal(verdictOf("ORPHANED_SCRATCH"), "fail");
});

test("a disabled history is reported once, not also as drift", () => {
  const drift = [{ setting: "history window", message: "set the history window to 7d (it is off)" }];
  assert.deepEqual(codes({ window: undefined, drift }), ["PITR_OFF"]);
});

test("R1 R4 a short window and a missing protection have codes of their own; what a plan forbids is drift", () => {
  const drift = [
    { setting: "history window", message: "set it" },
    { setting: "protection", message: "protect it" },
    { setting: "snapshot schedule", message: "schedule it" },
    { setting: "history window", message: "the policy asks for 30d", blocked: "the plan keeps 7d" },
  ];
  assert.deepEqual(codes({ drift }), ["WINDOW_SHORT", "PROTECTION_OFF", "DRIFT", "DRIFT"]);
});

test("R3 use of 80 % of a limit causes a warning", () => {
  const limit = (used: number, max?: number) => ({ name: "branches", used, max, unit: "count" as const });
  assert.deepEqual(codes({ limits: [limit(7, 10)] }), []);
  assert.deepEqual(codes({ limits: [limit(8, 10)] }), ["LIMIT_NEAR"]);
  assert.deepEqual(codes({ limits: [limit(900), limit(0, 0)] }), []);
});

test("a snapshot rule is overdue an hour after its slot", () => {
  const tier = { tier: "backup-{date}", cron: "0 0 * * *", keepMs: DAY_MS };
  const of = (newest?: string) => codes({ rules: [{ tier, newest: newest === undefined ? undefined : new Date(newest) }] });
  assert.deepEqual(of("2026-11-21T00:05:00Z"), []);
  assert.deepEqual(of("2026-11-20T00:05:00Z"), ["SNAPSHOT_OVERDUE"]);
  assert.deepEqual(of(), ["SNAPSHOT_OVERDUE"]);
});

test("a provider that could not be queried makes the verdict inconclusive, and gives no other finding", () => {
  const reasons = [...providerReasons({ ...well, notAsked: "no answer" })];
  assert.deepEqual(
    reasons.map(({ code }) => code),
    ["PROVIDER_NOT_ASKED"],
  );
  const lastDrill = { verdict: "pass" as const, endedAt: now };
  const objective = { rpoSeconds: 60 };
  const judged = judgeSource({ points: [], policy: { tiers: [] }, objective, now, reachable: true, window, provider: reasons, lastDrill });
  assert.equal(judged.verdict, "inconclusive");
});

test("a window with a passed drill requires no backup, unless the policy stores backups in the repository", () => {
  const base = { points: [], objective: { rpoSeconds: 60 }, now, reachable: true, window, provider: [] };
  const lastDrill = { verdict: "pass" as const, endedAt: now };
  assert.equal(judgeSource({ ...base, policy: { tiers: [] }, lastDrill }).verdict, "pass");
  const tiers = [{ tier: "daily", cron: "0 2 * * *", keepMs: DAY_MS }];
  assert.deepEqual(
    judgeSource({ ...base, policy: { tiers }, lastDrill }).reasons.map(({ code }) => code),
    ["NO_BACKUP"],
  );
});

test("R14 a snapshot of the provider's schedule is missing only if due since the schedule first ran", () => {
  const tier = { tier: "weekly-{date}", cron: "0 0 * * 0", keepMs: 84 * DAY_MS };
  const of = (since: string, newest?: string): string[] =>
    [
      ...providerReasons({
        ...well,
        rules: [{ tier, since: new Date(since), newest: newest === undefined ? undefined : new Date(newest) }],
      }),
    ].map(({ message }) => message);
  assert.deepEqual(of("2026-11-16T00:00:00Z"), [], "the first Sunday is still to come");
  assert.match(of("2026-11-10T00:00:00Z")[0] ?? "", /there is no snapshot weekly.*one was due on 2026-11-15/);
  assert.deepEqual(of("2026-11-10T00:00:00Z", "2026-11-15T00:10:00Z"), []);
  assert.match(of("2026-10-01T00:00:00Z", "2026-11-08T00:10:00Z")[0] ?? "", /none was made on 2026-11-15/);
});
