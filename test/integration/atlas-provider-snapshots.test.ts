import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import type { AtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";
import { silentProgress } from "../../src/ports/progress.ts";
import { asked, atlasSandbox, DAY_MS, failureOf, JOB, journal, providerOf, values, write } from "../support/atlas-provider.ts";
import { testMaker } from "../support/maker.ts";

const MAKER = testMaker(JOB);

const snapshotsOf = (sandbox: AtlasSandbox) => [...(sandbox.store.clusters.get(sandbox.cluster)?.snapshots.values() ?? [])];

test("R18 a snapshot on demand has the given name, is awaited with a note, listed, put on hold and deleted", async (t) => {
  const sandbox = await atlasSandbox(t, { speed: 600 });
  const { snapshots } = providerOf(sandbox);
  const notes: string[] = [];
  const made = await snapshots.create({
    name: "backup-20261121-101500",
    form: "snapshot",
    progress: { ...silentProgress, note: (message) => void notes.push(message) },
  });
  assert.equal(made.name, "backup-20261121-101500");
  assert.ok(notes.some((note) => /the snapshot backup-20261121-101500 of Cluster0 is being taken/.test(note)));
  const listed = await snapshots.list();
  const [scheduled, ours] = [listed.filter((one) => one.scheduled), listed.filter((one) => !one.scheduled)];
  assert.deepEqual(ours, [made]);
  assert.equal(scheduled.length, 1);
  assert.ok(
    made.expiresAt && made.expiresAt.getTime() - sandbox.now().getTime() > 364 * DAY_MS,
    "Atlas keeps it long: our policy removes it",
  );
  assert.equal(await snapshots.connection(made), undefined);
  assert.equal((await failureOf(snapshots.create({ name: made.name, form: "snapshot" }))).code, "PROVIDER_REFUSED");
  await snapshots.remove(made);
  await snapshots.remove(made);
  assert.deepEqual(
    (await snapshots.list()).filter((one) => !one.scheduled),
    [],
  );
});

test("R18 how long Atlas keeps one follows the rule it is made for, or the instant that is named", async (t) => {
  const sandbox = await atlasSandbox(t);
  const rules = [{ name: "archive-{month}", cron: "0 0 1 * *", keepMs: 900 * DAY_MS, by: "snapshot" as const }];
  const { snapshots } = providerOf(sandbox, { desired: { rules } });
  const days = async (name: string, expiresAt?: Date): Promise<number> => {
    const made = await snapshots.create({ name, form: "snapshot", expiresAt });
    return Math.round(((made.expiresAt?.getTime() ?? 0) - sandbox.now().getTime()) / DAY_MS);
  };
  assert.equal(await days("archive-2026-11"), 930);
  assert.equal(await days("named", new Date(sandbox.now().getTime() + 3 * DAY_MS)), 3);
});

test("R18 only complete snapshots are points; one being taken is found by its id and deleted once complete", async (t) => {
  const sandbox = await atlasSandbox(t, { speed: 150 });
  const { snapshots, history } = providerOf(sandbox);
  const stop = new AbortController();
  const making = snapshots.create({ name: "half", form: "snapshot", signal: stop.signal });
  while (asked(sandbox, "POST", /snapshots$/) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 30));
  stop.abort(new Error("killed"));
  await assert.rejects(making, /killed/);
  const [left] = snapshotsOf(sandbox).filter(({ description }) => description === "half");
  assert.ok(left && left.status !== "completed");
  assert.ok(!(await snapshots.list()).some(({ name }) => name === "half"));
  const found = await history.find("half");
  assert.equal(found?.form, "snapshot");
  const [point] = (await snapshots.list({ known: [found?.id ?? ""] })).filter(({ name }) => name === "half");
  assert.ok(point);
  await snapshots.remove(point);
  assert.ok(!snapshotsOf(sandbox).some(({ description }) => description === "half"));
});

test("R18 a snapshot that fails at Atlas is told as that, and none is left", async (t) => {
  const sandbox = await atlasSandbox(t);
  sandbox.faults.nextWork({ work: "snapshot", outcome: "fail" });
  const { snapshots } = providerOf(sandbox);
  const error = await failureOf(snapshots.create({ name: "broken", form: "snapshot" }));
  assert.equal(error.code, "PROVIDER_FAILED");
  assert.match(error.message, /snapshot broken of Cluster0 .* failed/);
  assert.equal(asked(sandbox, "POST", /snapshots$/), 1);
  assert.ok(!snapshotsOf(sandbox).some(({ description }) => description === "broken"));
});

test("R18 a snapshot is exported to a bucket, by its name or id; without one the way to get there is named", async (t) => {
  const sandbox = await atlasSandbox(t);
  const { snapshots } = providerOf(sandbox);
  await write(sandbox, [1, 2]);
  const snapshot = await snapshots.create({ name: "offline", form: "snapshot" });
  const none = await failureOf(snapshots.export({ snapshot, bucket: "acme" }));
  assert.equal(none.code, "CAPABILITY_MISSING");
  assert.match(none.hint, /exports buckets create/);
  sandbox.store.buckets.set("e".repeat(24), {
    id: "e".repeat(24),
    bucketName: "acme",
    cloudProvider: "AWS",
    more: { iamRoleId: "f".repeat(24) },
  });
  const notes: string[] = [];
  const progress = { ...silentProgress, note: (message: string) => void notes.push(message) };
  const exported = await snapshots.export({ snapshot, bucket: "acme", progress });
  assert.equal(exported.bucket, "acme");
  assert.match(exported.prefix, /exported_snapshots/);
  assert.ok(notes.some((note) => /is being exported to acme/.test(note)));
  assert.ok(existsSync(await sandbox.bucketRoot()) && readdirSync(await sandbox.bucketRoot()).length > 0);
  await snapshots.export({ snapshot, bucket: "e".repeat(24) });
  assert.equal((await failureOf(snapshots.export({ snapshot, bucket: "other" }))).code, "CAPABILITY_MISSING");
});

test("R18 a failed export is told, and one under way is taken up rather than begun twice", async (t) => {
  const sandbox = await atlasSandbox(t, { speed: 1000 });
  const { snapshots } = providerOf(sandbox);
  const id = "e".repeat(24);
  sandbox.store.buckets.set(id, { id, bucketName: "acme", cloudProvider: "AWS", more: {} });
  const snapshot = await snapshots.create({ name: "offline", form: "snapshot" });
  sandbox.faults.nextWork({ work: "export", outcome: "fail" });
  assert.match((await failureOf(snapshots.export({ snapshot, bucket: "acme" }))).message, /ended as Failed/);
  const stop = new AbortController();
  const first = snapshots.export({ snapshot, bucket: "acme", signal: stop.signal });
  while (asked(sandbox, "GET", /exports\/[0-9a-f]{24}$/) < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort(new Error("killed"));
  await assert.rejects(first, /killed/);
  await snapshots.export({ snapshot, bucket: "acme" });
  assert.equal(asked(sandbox, "POST", /exports$/), 2);
});

test("R18 under a compliance policy a snapshot cannot be deleted, and is kept no longer than required", async (t) => {
  const sandbox = await atlasSandbox(t);
  const { snapshots, settings } = providerOf(sandbox);
  const made = await snapshots.create({ name: "before", form: "snapshot" });
  sandbox.store.compliance = {
    state: "ACTIVE",
    settings: { state: "ACTIVE", pitEnabled: true, restoreWindowDays: 2 },
    updatedDate: sandbox.now(),
    deletable: false,
  };
  const error = await failureOf(snapshots.remove(made));
  assert.equal(error.code, "PROVIDER_REFUSED");
  assert.equal(error.details.compliance, true, `${error.message} ${JSON.stringify(error.details)}`);
  const [point] = (await snapshots.list()).filter(({ id }) => id === made.id);
  assert.match(point?.pinned ?? "", /Backup Compliance Policy keeps it until/);
  const short = await snapshots.create({ name: "after", form: "snapshot" });
  assert.ok(short.expiresAt && short.expiresAt.getTime() - sandbox.now().getTime() < 31 * DAY_MS);
  const state = await settings.read();
  assert.equal(state.settings.compliancePolicy, "ACTIVE");
  assert.ok(state.warnings.some((warning) => /Backup Compliance Policy/.test(warning)));
});

test("R16 a snapshot of a Flex cluster is restored into a scratch cluster; only Atlas deletes the snapshot", async (t) => {
  const sandbox = await atlasSandbox(t, { tier: "FLEX" });
  const { snapshots, history, undo } = providerOf(sandbox);
  await write(sandbox, [1, 2]);
  await sandbox.advance(2 * DAY_MS);
  const [point] = (await snapshots.list()).slice(-1);
  assert.ok(point?.scheduled);
  assert.equal((await failureOf(snapshots.remove(point))).code, "PROVIDER_REFUSED");
  const target = { kind: "snapshot", id: point.id, form: "snapshot" } as const;
  const branch = await history.branch({ name: history.scratchName(MAKER), target, maker: MAKER, declare: journal().declare });
  assert.deepEqual(await values(branch.connection), [1, 2]);
  assert.equal(await undo(branch.resource, MAKER), "removed");
});
