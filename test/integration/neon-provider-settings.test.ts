// Settings at Neon against a policy, over the sandbox's API.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError } from "../../src/core/errors.ts";
import type { Drift } from "../../src/ports/control.ts";
import { asked, DAY_MS, providerOf } from "../support/neon-provider.ts";
import { startFakeNeon } from "../support/neon-sandbox.ts";

const find = (drift: readonly Drift[], setting: string): Drift[] => drift.filter((one) => one.setting === setting);

test("R1 the status names of the restore window say what is set, and both its edges", async () => {
  await using neon = await startFakeNeon({ plan: "scale", project: { historySeconds: 2 * 86_400 } });
  const { sandbox } = neon;
  await sandbox.advance(10 * DAY_MS);
  const { settings, window } = await providerOf(sandbox).settings.read();
  assert.equal(settings.pitr_enabled, true);
  assert.equal(settings.pitr_retention_days, 2);
  assert.equal(settings.latest_restore_time, window?.latest.toISOString());
  assert.equal(settings.earliest_restore_time, window?.earliest.toISOString());
  assert.equal(window && window.latest.getTime() - window.earliest.getTime(), 2 * DAY_MS);
  assert.equal(settings.branch, "production");
  assert.equal(settings.branch_protected, false);
});

test("R1 the window of a young branch begins with the branch, not before", async () => {
  await using neon = await startFakeNeon({ plan: "scale", project: { historySeconds: 30 * 86_400 } });
  await neon.sandbox.advance(DAY_MS);
  const { window } = await providerOf(neon.sandbox).settings.read();
  assert.ok(window && window.latest.getTime() - window.earliest.getTime() <= DAY_MS + 60_000);
});

test("R1 history that is turned off gives no window and a warning", async () => {
  await using neon = await startFakeNeon({ plan: "scale", project: { historySeconds: 0 } });
  const provider = providerOf(neon.sandbox, { desired: { windowMs: 30 * DAY_MS } });
  const state = await provider.settings.read();
  assert.equal(state.settings.pitr_enabled, false);
  assert.equal(state.settings.earliest_restore_time, null);
  assert.equal(state.window, undefined);
  assert.equal(await provider.history.window(), undefined);
  assert.match(find(state.drift, "history window")[0]?.message ?? "", /set the history window to 30d \(it is off\)/);
});

test("R1 apply sets the window of the policy once, and the second time changes nothing", async () => {
  await using neon = await startFakeNeon({ plan: "scale" });
  const { sandbox } = neon;
  const { settings } = providerOf(sandbox, { desired: { windowMs: 30 * DAY_MS } });
  const { drift } = await settings.read();
  const [history] = find(drift, "history window");
  assert.ok(history);
  await settings.apply(history);
  await settings.apply(history);
  assert.equal(asked(sandbox, "PATCH", /^\/projects\/[^/]+$/), 1);
  const after = await settings.read();
  assert.equal(after.settings.pitr_retention_days, 30);
  assert.deepEqual(after.drift, []);
});

test("R1 a window beyond the plan is applied as far as the plan goes, and the rest says what it costs", async () => {
  await using neon = await startFakeNeon({ plan: "launch" });
  const { settings } = providerOf(neon.sandbox, { desired: { windowMs: 30 * DAY_MS } });
  const [possible, rest] = find((await settings.read()).drift, "history window");
  assert.ok(possible && rest);
  assert.equal(possible.blocked, undefined);
  assert.match(possible.message, /to 7d, the most that the Launch plan keeps \(it is 1d\)/);
  assert.match(rest.blocked ?? "", /Launch plan keeps at most 7d; the Scale plan allows it, with compute at \$0\.222 instead of \$0\.106/);
  await settings.apply(possible);
  await assert.rejects(settings.apply(rest), (error) => isLifeboatError(error, "PROVIDER_LIMIT") && /keeps at most 7d/.test(error.message));
  const after = await settings.read();
  assert.equal(after.settings.pitr_retention_days, 7);
  assert.deepEqual(
    after.drift.map(({ blocked }) => blocked === undefined),
    [false],
  );
});

test("R1 an unknown plan is tried, and its refusal is reported with the limit", async () => {
  await using neon = await startFakeNeon({ plan: "free" });
  const provider = providerOf(neon.sandbox, { plan: "enterprise", desired: { windowMs: 30 * DAY_MS } });
  const { drift, warnings } = await provider.settings.read();
  assert.match(warnings.join("\n"), /the plan enterprise is not known here/);
  const [history] = find(drift, "history window");
  assert.ok(history && history.blocked === undefined);
  await assert.rejects(
    provider.settings.apply(history),
    (error) => isLifeboatError(error, "PROVIDER_LIMIT") && error.details.max === 21_600 && /21600 seconds/.test(error.message),
  );
});

test("R1 a policy that asks for less than the plan would keep says so", async () => {
  await using neon = await startFakeNeon({ plan: "scale", project: { historySeconds: 7 * 86_400 } });
  const { warnings, drift } = await providerOf(neon.sandbox, { desired: { windowMs: 7 * DAY_MS } }).settings.read();
  assert.match(warnings.join("\n"), /asks for a history window of 7d, and the Scale plan would keep 30d/);
  assert.deepEqual(drift, []);
});

test("R4 a production branch that is neither default nor protected is drift, and apply fixes both", async () => {
  await using neon = await startFakeNeon({ plan: "launch" });
  const { branch } = await neon.expect(201, "POST", "/branches", { branch: { name: "shop" } });
  const { settings } = providerOf(neon.sandbox, { branch: "shop", desired: { protect: true } });
  const { drift } = await settings.read();
  assert.deepEqual(
    drift.map(({ setting }) => setting),
    ["default branch", "protection"],
  );
  for (const one of [...drift, ...drift]) await settings.apply(one);
  const after = await settings.read();
  assert.deepEqual(after.drift, []);
  assert.equal(after.settings.branch_id, branch.id);
  assert.equal(after.settings.branch_protected, true);
  assert.match(after.warnings.join("\n"), /shop is not a root branch/);
});

test("R4 removed protection is found as drift", async () => {
  await using neon = await startFakeNeon({ plan: "launch" });
  const { settings } = providerOf(neon.sandbox, { desired: { protect: true } });
  for (const drift of (await settings.read()).drift) await settings.apply(drift);
  const { branch_id: id } = (await settings.read()).settings;
  await neon.expect(200, "PATCH", `/branches/${id}`, { branch: { protected: false } });
  assert.match((await settings.read()).drift[0]?.message ?? "", /protect the branch production/);
});

test("R4 where the plan has no protection, or none left, the drift says why apply cannot help", async () => {
  await using free = await startFakeNeon({ plan: "free" });
  const [drift] = (await providerOf(free.sandbox, { desired: { protect: true } }).settings.read()).drift;
  assert.match(drift?.blocked ?? "", /the Free plan has no protected branches/);
  await using launch = await startFakeNeon({ plan: "launch" });
  for (const name of ["a", "b"]) await launch.expect(201, "POST", "/branches", { branch: { name, protected: true } });
  const [full] = (await providerOf(launch.sandbox, { desired: { protect: true } }).settings.read()).drift;
  assert.match(full?.blocked ?? "", /all 2 protected branches/);
});

test("a production branch that is not there is drift with the way out, and nothing is renamed for it", async () => {
  await using neon = await startFakeNeon();
  const { settings, connection } = providerOf(neon.sandbox, { branch: "prodution" });
  const state = await settings.read();
  assert.equal(state.settings.branch, null);
  assert.match(state.drift[0]?.blocked ?? "", /set `branch: production`, its default branch/);
  await assert.rejects(
    connection(),
    (error) => isLifeboatError(error, "PROVIDER_NOT_FOUND") && /default branch is production/.test(error.message),
  );
});

test("R5 rules by the provider become its schedule, and a second apply changes nothing", async () => {
  await using neon = await startFakeNeon({ plan: "launch" });
  const rules = [
    { name: "backup-{date}", cron: "0 3 * * *", keepMs: 7 * DAY_MS, by: "provider" as const },
    { name: "weekly-{date}", cron: "0 0 * * 0", keepMs: 28 * DAY_MS, by: "provider" as const },
  ];
  const { settings } = providerOf(neon.sandbox, { desired: { rules } });
  const { drift } = await settings.read();
  assert.match(drift[0]?.message ?? "", /daily at 03:00 kept 7 days, weekly on Sunday at 00:00 kept 28 days \(there is none\)/);
  for (const one of drift) await settings.apply(one);
  const after = await settings.read();
  assert.deepEqual(after.drift, []);
  assert.equal(after.settings.snapshot_schedule, "daily at 03:00 kept 7 days, weekly on Sunday at 00:00 kept 28 days");
});

test("R5 a schedule set by hand is reported; with rules it is drift whose fix requires confirmation", async () => {
  await using neon = await startFakeNeon({ plan: "launch" });
  const { branches } = await neon.expect(200, "GET", "/branches");
  const schedule = [{ frequency: "weekly", hour: 1, day: 3, retention_seconds: 86_400 }];
  await neon.expect(200, "PUT", `/branches/${branches[0].id}/backup_schedule`, { schedule });
  const without = await providerOf(neon.sandbox).settings.read();
  assert.deepEqual(without.drift, []);
  assert.match(without.warnings.join("\n"), /schedule that the policy does not name: weekly on Wednesday at 01:00/);
  const rules = [{ name: "d-{date}", cron: "0 3 * * *", keepMs: DAY_MS, by: "provider" as const }];
  const [drift] = (await providerOf(neon.sandbox, { desired: { rules } }).settings.read()).drift;
  assert.equal(drift?.lowers, true);
  assert.match(drift?.message ?? "", /it is: weekly on Wednesday/);
});

test("R5 rules that the provider's schedule cannot say are drift, each with its reason", async () => {
  await using neon = await startFakeNeon({ plan: "launch" });
  const rule = (cron: string, keepDays: number) => ({ name: "x-{date}", cron, keepMs: keepDays * DAY_MS, by: "provider" as const });
  const rules = [rule("30 3 * * *", 7), rule("0 6 * * 0#1", 7), rule("0 0 * * 0", 90)];
  const { drift } = await providerOf(neon.sandbox, { desired: { rules } }).settings.read();
  assert.equal(drift.length, 3);
  assert.match(drift[0]?.blocked ?? "", /begin on the hour/);
  assert.match(drift[1]?.blocked ?? "", /one day of the week/);
  assert.match(drift[2]?.blocked ?? "", /at most 35 days/);
});

test("R3 use is reported against every limit, and warned of from four fifths on", async () => {
  await using neon = await startFakeNeon({ plan: "free" });
  for (let i = 0; i < 7; i++) await neon.expect(201, "POST", "/branches", { branch: { name: `b${i}` } });
  const { settings } = providerOf(neon.sandbox);
  const before = await settings.read();
  assert.deepEqual(
    before.limits.map(({ name, used, max }) => [name, used, max]),
    [
      ["branches", 8, 10],
      ["root branches", 1, 3],
      ["snapshots", 0, 1],
      ["protected branches", 0, 0],
      ["storage", 0, 500_000_000],
    ],
  );
  assert.match(before.warnings.join("\n"), /8 of 10 branches are used \(80 %\)/);
  assert.doesNotMatch(before.warnings.join("\n"), /protected|snapshots/);
});

test("R12 a policy that can never fit is told what it needs, what the plan has, and what would fit", async () => {
  await using neon = await startFakeNeon({ plan: "launch", limits: { branches: 10 } });
  const rules = [
    { name: "backup-{date}", cron: "0 0 * * *", keepMs: 30 * DAY_MS, by: "branch" as const },
    { name: "weekly-{date}", cron: "0 0 * * 0", keepMs: 90 * DAY_MS, by: "branch" as const },
  ];
  const { warnings } = await providerOf(neon.sandbox, { desired: { rules } }).settings.read();
  // 12 or 13 Sundays lie within 90 days, by the day on which this runs.
  assert.match(warnings.join("\n"), /needs 4[34] branches, and the Launch plan has 10: use `by: snapshot`/);
});
