import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../../src/core/secret.ts";
import type { Work } from "../../src/ports/connection.ts";
import { type AtlasProvider, asked, atlasSandbox, DAY_MS, failureOf, providerOf, RULES, write } from "../support/atlas-provider.ts";
import { testMaker } from "../support/maker.ts";

const MAKER = testMaker("0123456789abcd");

const KEYS = { publicKey: "publicKey", privateKey: "privateKey" } as const;

async function applyAll({ settings }: AtlasProvider, work?: Work): Promise<string[]> {
  const done: string[] = [];
  for (const drift of (await settings.read(work)).drift) {
    if (drift.blocked !== undefined) continue;
    await settings.apply(drift, work);
    done.push(drift.setting);
  }
  return done;
}

test("R13 R14 apply turns on each missing setting, in an order that Atlas accepts, and is idempotent", async (t) => {
  const sandbox = await atlasSandbox(t, { backup: false, keys: ["AWS"] });
  const provider = providerOf(sandbox, { desired: { protect: true, rules: RULES, encryptionProvider: "aws" } });
  const before = await provider.settings.read();
  assert.equal(before.settings.continuousBackupEnabled, false);
  assert.equal(before.settings.pointInTimeWindowHours, 0);
  assert.equal(before.settings.earliestRestoreTime, null);
  assert.equal(before.window, undefined);
  assert.deepEqual(
    before.drift.map(({ setting }) => setting),
    ["cloud backup", "continuous backup", "snapshot schedule", "history window", "protection", "encryption key provider"],
  );
  for (const { blocked, message } of before.drift) assert.equal(blocked, undefined, message);

  await applyAll(provider);
  const after = await provider.settings.read();
  assert.deepEqual(after.drift, []);
  const { settings } = after;
  assert.deepEqual(
    [
      settings.backupEnabled,
      settings.continuousBackupEnabled,
      settings.snapshotRetentionInDays,
      settings.terminationProtection,
      settings.encryptionAtRestProvider,
    ],
    [true, true, 30, true, "AWS"],
  );
  assert.ok(Number(settings.pointInTimeWindowHours) >= 48);
  assert.match(String(settings.snapshotSchedule), /daily kept 30 days, weekly on Sunday kept 12 weeks, monthly on day 1 kept 12 months/);

  const changes = asked(sandbox, "PATCH", /./);
  assert.deepEqual(await applyAll(provider), []);
  for (const drift of before.drift) await provider.settings.apply(drift);
  assert.equal(asked(sandbox, "PATCH", /./), changes, "what is so already is not asked for again");
});

test("R13 with an API key (digest) the same is read and set as with a service account", async (t) => {
  const sandbox = await atlasSandbox(t, { pit: false });
  const credentials = { [KEYS.publicKey]: sandbox.publicKey, [KEYS.privateKey]: Secret.of(sandbox.privateKey) } as {
    publicKey: string;
    privateKey: Secret;
  };
  const provider = providerOf(sandbox, { credentials });
  assert.deepEqual(await applyAll(provider), ["continuous backup", "history window"]);
  const { settings, drift } = await provider.settings.read();
  assert.deepEqual([settings.continuousBackupEnabled, drift], [true, []]);
});

test("R13 the window begins at the first snapshot, and no earlier than Atlas's log", async (t) => {
  const sandbox = await atlasSandbox(t);
  const provider = providerOf(sandbox);
  await write(sandbox, [1]);
  const fresh = (await provider.settings.read()).window;
  assert.ok(fresh && sandbox.now().getTime() - fresh.earliest.getTime() < 3_600_000);
  await sandbox.advance(9 * DAY_MS);
  const { window, settings } = await provider.settings.read();
  assert.ok(window);
  const reachMs = window.latest.getTime() - window.earliest.getTime();
  // Never further back than the oldest snapshot: those of every six hours are kept as long as the window.
  assert.ok(reachMs <= 7 * DAY_MS && reachMs > 6.7 * DAY_MS, `${reachMs}`);
  assert.equal(settings.earliestRestoreTime, window.earliest.toISOString());
});

test("R14 the window is extended together with the hourly snapshots it requires; ids and other items stay", async (t) => {
  const sandbox = await atlasSandbox(t);
  const provider = providerOf(sandbox, { desired: { windowMs: 20 * DAY_MS } });
  const schedule = () => sandbox.store.clusters.get(sandbox.cluster)?.schedule;
  const before = schedule()?.items ?? [];
  const { drift } = await provider.settings.read();
  assert.deepEqual(
    drift.map(({ setting, wanted, actual }) => [setting, wanted, actual]),
    [["history window", "20d", "7d"]],
  );
  assert.match(drift[0]?.message ?? "", /keep hourly snapshots 20 days/);
  await applyAll(provider);
  assert.deepEqual((await provider.settings.read()).drift, []);
  assert.equal(schedule()?.restoreWindowDays, 20);
  assert.deepEqual(
    schedule()?.items.map(({ id }) => id),
    before.map(({ id }) => id),
  );
  assert.deepEqual(
    schedule()?.items.map(({ frequencyType, retentionValue, retentionUnit }) => `${frequencyType} ${retentionValue} ${retentionUnit}`),
    ["hourly 20 days", "daily 20 days", "weekly 4 weeks", "monthly 12 months", "yearly 1 years"],
  );
});

test("R14 a change by hand is drift, reported with the present and the desired value", async (t) => {
  const sandbox = await atlasSandbox(t);
  const provider = providerOf(sandbox, { desired: { protect: true, rules: RULES } });
  await applyAll(provider);
  const cluster = sandbox.store.clusters.get(sandbox.cluster);
  assert.ok(cluster?.schedule);
  cluster.schedule.items = cluster.schedule.items.map((item) => (item.frequencyType === "daily" ? { ...item, retentionValue: 10 } : item));
  cluster.settings = { ...cluster.settings, terminationProtectionEnabled: false, pitEnabled: false };
  const { drift } = await provider.settings.read();
  assert.deepEqual(
    drift.map(({ setting }) => setting),
    ["continuous backup", "snapshot schedule", "history window", "protection"],
  );
  const schedule = drift.find(({ setting }) => setting === "snapshot schedule");
  assert.match(schedule?.actual ?? "", /daily kept 10 days/);
  assert.match(schedule?.wanted ?? "", /daily kept 30 days/);
  assert.equal(schedule?.lowers, undefined);
  await applyAll(provider);
  assert.deepEqual((await provider.settings.read()).drift, []);
});

test("R14 a rule that Atlas cannot follow is named and blocked, and keeps no other from being applied", async (t) => {
  const sandbox = await atlasSandbox(t);
  const rules = [...RULES, { name: "odd-{date}", cron: "0 6 * * 0#1", keepMs: 30 * DAY_MS, by: "provider" as const }];
  const provider = providerOf(sandbox, { desired: { rules } });
  await applyAll(provider);
  const { drift } = await provider.settings.read();
  assert.deepEqual(
    drift.map(({ setting, message }) => [setting, message]),
    [["snapshot schedule", "Atlas's schedule cannot make odd-{date}"]],
  );
  assert.match(drift[0]?.blocked ?? "", /by: snapshot/);
  const [blocked] = drift;
  assert.ok(blocked);
  assert.equal((await failureOf(provider.settings.apply(blocked))).code, "PROVIDER_LIMIT");
});

test("R14 keeping snapshots shorter than now is marked as lowering protection", async (t) => {
  const sandbox = await atlasSandbox(t);
  await applyAll(providerOf(sandbox, { desired: { rules: RULES } }));
  const rules = RULES.map((rule) => (rule.name.startsWith("weekly") ? { ...rule, keepMs: 35 * DAY_MS } : rule));
  const { drift } = await providerOf(sandbox, { desired: { rules } }).settings.read();
  assert.deepEqual(
    drift.map(({ setting, lowers }) => [setting, lowers]),
    [["snapshot schedule", true]],
  );
});

test("R15 a key that the project does not have blocks, and says where it is set up", async (t) => {
  const sandbox = await atlasSandbox(t);
  const provider = providerOf(sandbox, { desired: { encryptionProvider: "azure" } });
  const { drift, settings } = await provider.settings.read();
  assert.equal(settings.encryptionAtRestProvider, "NONE");
  assert.deepEqual(
    drift.map(({ setting, wanted }) => [setting, wanted]),
    [["encryption key provider", "AZURE"]],
  );
  assert.match(drift[0]?.blocked ?? "", /Encryption at Rest in Atlas/);
});

test("R15 connections below TLS 1.2 are found and shut out", async (t) => {
  const sandbox = await atlasSandbox(t);
  const provider = providerOf(sandbox);
  await setTls(sandbox, "TLS1_0");
  const { drift, settings } = await provider.settings.read();
  assert.equal(settings.minimumTls, "TLS1_0");
  assert.match(drift[0]?.message ?? "", /below TLS 1\.2 \(it takes TLS 1\.0\)/);
  assert.deepEqual(await applyAll(provider), ["minimum TLS"]);
  assert.equal((await provider.settings.read()).settings.minimumTls, "TLS1_2");
});

async function setTls(sandbox: Awaited<ReturnType<typeof atlasSandbox>>, minimumEnabledTlsProtocol: string): Promise<void> {
  const cluster = sandbox.store.clusters.get(sandbox.cluster);
  assert.ok(cluster);
  cluster.settings = { ...cluster.settings, more: { ...cluster.settings.more, advancedConfiguration: { minimumEnabledTlsProtocol } } };
}

for (const [tier, words, blocked] of [
  ["M0", /makes no backups of those/, /M10 or larger/],
  ["FLEX", /one snapshot a day.*newest eight/, /offers nothing else/],
] as const) {
  test(`R13 what a ${tier} cluster cannot have is explained: nothing of it is tried, and nothing is hidden`, async (t) => {
    const sandbox = await atlasSandbox(t, { tier });
    const provider = providerOf(sandbox, { desired: { rules: RULES } });
    const { settings, drift, warnings, window } = await provider.settings.read();
    assert.equal(settings.tier, tier);
    assert.equal(window, undefined);
    assert.ok(
      warnings.some((warning) => words.test(warning)),
      warnings.join("; "),
    );
    assert.ok(drift.length > 0);
    for (const one of drift) assert.match(one.blocked ?? "", blocked, one.message);
    assert.equal((await failureOf(provider.snapshots.create({ name: "x", form: "snapshot" }))).code, "CAPABILITY_MISSING");
    const error = await failureOf(
      provider.history.branch({
        name: "restore-x",
        target: { kind: "latest" },
        maker: MAKER,
        declare: async () => assert.fail("nothing is declared"),
      }),
    );
    assert.equal(error.code, "RECOVERY_TARGET_OUTSIDE_WINDOW");
    assert.ok((await provider.connection()).url.startsWith("mongodb://"));
    assert.equal(asked(sandbox, "PATCH", /./) + asked(sandbox, "POST", /groups/), 0);
  });
}

test("R13 a cluster that is not there is told, with the ones that are", async (t) => {
  const sandbox = await atlasSandbox(t, { clusters: [{ name: "production" }] });
  const error = await failureOf(providerOf(sandbox, { cluster: "producton" }).settings.read());
  assert.equal(error.code, "PROVIDER_NOT_FOUND");
  assert.match(error.message, /did you mean "production"/);
});
