// The Atlas sandbox: schedules, snapshots in time, retention, and what a Backup Compliance Policy forbids.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterBody, REAL_TIME, type SandboxedAtlas, startAtlas } from "../support/atlas-sandbox.ts";

const DAY_MS = 24 * 3_600_000;

const item = (frequencyType: string, frequencyInterval: number, retentionValue: number, retentionUnit = "days"): object => ({
  frequencyType,
  frequencyInterval,
  retentionUnit,
  retentionValue,
});

interface Shown {
  readonly id: string;
  readonly createdAt: string;
  readonly frequencyType: string;
  readonly snapshotType: string;
  readonly status: string;
}

async function snapshotsOf({ expect, sandbox }: SandboxedAtlas, cluster = sandbox.cluster): Promise<readonly Shown[]> {
  return (await expect(200, "GET", `/clusters/${cluster}/backup/snapshots?itemsPerPage=500`)).results;
}

/** A clock that stands still until it is put. */
function standing(text: string): { now(): Date; at: Date } {
  return {
    at: new Date(text),
    now() {
      return this.at;
    },
  };
}

test("R54 a schedule keeps what is not sent and the ids of its items; emptied, it keeps its reference time", async () => {
  await using atlas = await startAtlas();
  const path = `/clusters/${atlas.sandbox.cluster}/backup/schedule`;
  const before = await atlas.expect(200, "GET", path);
  const described = before.policies[0].policyItems.map((each: Record<string, unknown>) =>
    [each.frequencyType, each.frequencyInterval, each.retentionValue, each.retentionUnit].join(" "),
  );
  assert.deepEqual(described, ["hourly 6 7 days", "daily 1 7 days", "weekly 6 4 weeks", "monthly 40 12 months", "yearly 12 1 years"]);
  assert.equal(before.restoreWindowDays, 7);
  const [{ id, policyItems }] = before.policies;
  const after = await atlas.expect(200, "PATCH", path, {
    policies: [{ id, policyItems: [{ ...policyItems[1], retentionValue: 30 }, item("weekly", 7, 12, "weeks")] }],
  });
  assert.deepEqual([after.policies[0].id, after.policies[0].policyItems[0].id], [id, policyItems[1].id]);
  assert.equal(after.restoreWindowDays, 7);
  assert.equal(after.referenceHourOfDay, before.referenceHourOfDay);
  const moved = await atlas.expect(200, "PATCH", path, { restoreWindowDays: 2, referenceHourOfDay: 4, referenceMinuteOfHour: 30 });
  assert.match(moved.nextSnapshot, /T04:30:00Z$/);
  const empty = await atlas.expect(200, "DELETE", path);
  assert.deepEqual([empty.policies, empty.restoreWindowDays, empty.referenceHourOfDay], [[{ id, policyItems: [] }], 2, 4]);
  assert.equal("nextSnapshot" in empty, false);
});

test("R54 a schedule that the API would refuse is refused, and nothing of it is taken over", async () => {
  await using atlas = await startAtlas({ clusters: [{}, { name: "bare", backup: false }] });
  const path = `/clusters/${atlas.sandbox.cluster}/backup/schedule`;
  const before = await atlas.expect(200, "GET", path);
  const patch = (body: object): Promise<string> => atlas.refused(400, "PATCH", path, body);
  const policy = (...policyItems: object[]): object => ({ policies: [{ policyItems }] });
  assert.equal(await patch({ restoreWindowDays: 8 }), "INVALID_RESTORE_WINDOW");
  assert.equal(await patch(policy(item("daily", 1, 30), item("weekly", 1, 4, "weeks"))), "INVALID_BACKUP_POLICY");
  assert.equal(await patch({ policies: [] }), "INVALID_NUM_OF_POLICIES");
  assert.equal(await patch(policy(item("hourly", 5, 7))), "INVALID_ATTRIBUTE");
  assert.equal(await patch({ referenceHourOfDay: 24 }), "INVALID_ATTRIBUTE");
  assert.equal(await patch({ restoreWindow: 2 }), "INVALID_ATTRIBUTE");
  assert.deepEqual(await atlas.expect(200, "GET", path), before);
  assert.equal(await atlas.refused(404, "GET", "/clusters/bare/backup/schedule"), "BACKUP_CONFIG_NOT_FOUND");
  assert.equal(await atlas.refused(400, "GET", "/clusters/bare/backup/snapshots"), "BACKUP_JOB_NOT_FOUND");
});

test("R54 as the clock advances the schedule takes snapshots, and each is deleted when its retention ends", async () => {
  const clock = standing("2026-11-20T00:00:00Z");
  await using atlas = await startAtlas({ clock });
  const { sandbox } = atlas;
  const path = `/clusters/${sandbox.cluster}/backup/schedule`;
  const policyItems = [item("hourly", 12, 2), item("daily", 1, 4), item("weekly", 7, 1, "weeks")];
  await atlas.expect(200, "PATCH", path, { restoreWindowDays: 2, policies: [{ policyItems }] });
  clock.at = new Date("2026-11-23T13:00:00Z");
  await sandbox.tick();
  const shown = (await snapshotsOf(atlas)).map((each) => `${each.frequencyType} ${each.createdAt.slice(5, 13)} ${each.status}`);
  assert.deepEqual(shown, [
    "hourly 11-23T12 completed",
    "daily 11-23T00 completed",
    "hourly 11-22T12 completed",
    "weekly 11-22T00 completed",
    "daily 11-21T00 completed",
    "hourly 11-20T00 completed",
  ]);
  clock.at = new Date("2026-11-28T00:30:00Z");
  await sandbox.tick();
  const left = await snapshotsOf(atlas);
  assert.ok(
    left.some((each) => each.createdAt.startsWith("2026-11-22T00")),
    "the weekly one is kept a week",
  );
  assert.ok(!left.some((each) => each.createdAt.startsWith("2026-11-23T12")), "an hourly one is kept two days");
  assert.ok(!left.some((each) => each.createdAt.startsWith("2026-11-23T00")), "a daily one is kept four days");
});

test("R54 an on-demand snapshot is queued, in progress, completed, and holds the data of its instant", async () => {
  const clock = standing("2026-11-21T10:00:00Z");
  await using atlas = await startAtlas({ clock, speed: 1 });
  const { sandbox } = atlas;
  const data = await atlas.data();
  await data.db("shop").collection("users").insertOne({ n: 1 });
  const snapshots = `/clusters/${sandbox.cluster}/backup/snapshots`;
  const made = await atlas.expect(200, "POST", snapshots, { description: "before the release", retentionInDays: 3 });
  assert.deepEqual([made.status, made.snapshotType, made.frequencyType], ["queued", "onDemand", "ondemand"]);
  assert.deepEqual([made.createdAt, made.mongodVersion, made.cloudProvider, made.storageSizeBytes], [null, null, null, 0]);
  assert.equal(await atlas.refused(400, "POST", snapshots, { retentionInDays: 1 }), "UNFINISHED_ON_DEMAND_SNAPSHOT");
  assert.equal(await atlas.refused(400, "POST", snapshots, {}), "MISSING_ATTRIBUTE");
  await sandbox.advance(30_000);
  const begun = await atlas.expect(200, "GET", `${snapshots}/${made.id}`);
  assert.deepEqual([begun.status, begun.mongodVersion, begun.createdAt], ["inProgress", "8.0.16", null]);
  assert.equal(await atlas.refused(400, "DELETE", `${snapshots}/${made.id}`), "CANNOT_DELETE_IN_PROGRESS_SNAPSHOT");
  await data.db("shop").collection("orders").insertOne({ n: 2 });
  await sandbox.advance(80_000);
  await data.db("shop").collection("late").insertOne({ n: 3 });
  await sandbox.advance(80_000);
  const done = await atlas.expect(200, "GET", `${snapshots}/${made.id}`);
  assert.deepEqual([done.status, done.cloudProvider], ["completed", "AWS"]);
  const createdAt = new Date(done.createdAt).getTime();
  assert.ok(createdAt > new Date("2026-11-21T10:01:30Z").getTime(), "its data's time is well after the request");
  const keptMs = new Date(done.expiresAt).getTime() - createdAt - 3 * DAY_MS;
  assert.ok(keptMs > 0 && keptMs < 2 * 60_000, "its retention counts from its completion");
  assert.ok(done.storageSizeBytes > 0);
  const within = `${snapshots}/${made.id}/databases`;
  assert.deepEqual((await atlas.expect(200, "GET", within)).results, [{ name: "shop" }]);
  assert.deepEqual((await atlas.expect(200, "GET", `${within}/shop/collections`)).results, [{ name: "orders" }, { name: "users" }]);
  assert.equal((await atlas.expect(200, "GET", `${within}/shop/collections/users`)).name, "users");
  assert.equal(await atlas.refused(404, "GET", `${within}/shop/collections/late`), "COLLECTION_NOT_FOUND");

  const longer = await atlas.expect(200, "PATCH", `${snapshots}/${made.id}`, { retentionUnit: "WEEKS", retentionValue: 2 });
  assert.equal(new Date(longer.expiresAt).getTime(), createdAt + 14 * DAY_MS);
  await atlas.refused(400, "PATCH", `${snapshots}/${made.id}`, { retentionUnit: "weeks", retentionValue: 2 });
  assert.equal((await atlas.call("DELETE", `${snapshots}/${made.id}`)).status, 204);
  assert.equal(await atlas.refused(404, "GET", `${snapshots}/${made.id}`), "SNAPSHOT_NOT_FOUND");
});

test("R54 the list names the snapshot that a restore to a second would begin from", async () => {
  const clock = standing("2026-11-21T10:00:00Z");
  await using atlas = await startAtlas({ clock });
  await atlas.sandbox.advance(DAY_MS);
  const seconds = (text: string): number => new Date(text).getTime() / 1000;
  const ask = async (text: string): Promise<readonly string[]> => {
    const query = `pointInTimeUtcSeconds=${seconds(text)}`;
    const { results } = await atlas.expect(200, "GET", `/clusters/${atlas.sandbox.cluster}/backup/snapshots?${query}`);
    return results.map((each: Shown) => each.createdAt.slice(11, 16));
  };
  assert.deepEqual(await ask("2026-11-21T15:00:00Z"), ["10:00"]);
  assert.deepEqual(await ask("2026-11-21T20:00:00Z"), ["16:01"]);
  assert.deepEqual(await ask("2026-11-21T09:00:00Z"), []);
});

test("R54 turning backup off removes all snapshots; ending a cluster keeps them when that is asked for", async () => {
  await using atlas = await startAtlas({ clusters: [{ name: "one" }, { name: "two" }] });
  await atlas.expect(200, "PATCH", "/clusters/one", { backupEnabled: false });
  const one = await atlas.until("/clusters/one", (cluster) => cluster.stateName === "IDLE");
  assert.deepEqual([one.backupEnabled, one.pitEnabled], [false, false]);
  assert.equal(await atlas.refused(400, "GET", "/clusters/one/backup/snapshots"), "BACKUP_JOB_NOT_FOUND");
  await atlas.expect(200, "PATCH", "/clusters/one", { backupEnabled: true });
  await atlas.until("/clusters/one/backup/snapshots", ({ results }) => results.length === 1 && results[0].status === "completed");

  assert.equal((await atlas.call("DELETE", "/clusters/two?retainBackups=true")).status, 202);
  assert.equal((await atlas.expect(200, "GET", "/clusters/two")).backupEnabled, false);
  await atlas.sandbox.advance(180_000);
  assert.equal(await atlas.refused(404, "GET", "/clusters/two"), "CLUSTER_NOT_FOUND");
  const names = async (query: string): Promise<readonly string[]> =>
    (await atlas.expect(200, "GET", `/clusters${query}`)).results.map((each: { name: string }) => each.name);
  assert.deepEqual(await names(""), ["one"]);
  assert.deepEqual(await names("?includeDeletedWithRetainedBackups=true"), ["one", "two"]);
  assert.equal((await snapshotsOf(atlas, "two")).length, 1);
});

const POLICY = {
  authorizedEmail: "a@example.com",
  authorizedUserFirstName: "A",
  authorizedUserLastName: "B",
  pitEnabled: true,
  restoreWindowDays: 5,
  scheduledPolicyItems: [item("daily", 1, 14)],
  onDemandPolicyItem: item("ondemand", 1, 3),
};

test("R54 a compliance policy forbids deleting, shortening and turning off, and only support can end it", async () => {
  await using atlas = await startAtlas({ clusters: [{ name: "one" }, { name: "bare", backup: false }], speed: REAL_TIME });
  const policy = "/backupCompliancePolicy";
  assert.equal((await atlas.expect(200, "GET", policy)).state, null);
  assert.equal((await atlas.expect(200, "PUT", policy, POLICY)).state, "ENABLING");
  const pending = "CANNOT_UPDATE_BACKUP_COMPLIANCE_POLICY_SETTINGS_WITH_PENDING_ACTION";
  assert.equal(await atlas.refused(400, "PUT", policy, POLICY), pending);
  await atlas.until(policy, ({ state }) => state === "ACTIVE");
  assert.equal((await atlas.expect(200, "GET", "/clusters/bare")).pitEnabled, true);
  const { policies } = await atlas.expect(200, "GET", "/clusters/one/backup/schedule");
  assert.equal(policies[0].policyItems[1].retentionValue, 14);

  const [snapshot] = await snapshotsOf(atlas, "one");
  const path = `/clusters/one/backup/snapshots/${snapshot?.id}`;
  assert.equal(await atlas.refused(400, "DELETE", path), "BACKUP_COMPLIANCE_POLICY_CANNOT_DELETE_SNAPSHOT");
  const shorter = { retentionUnit: "DAYS", retentionValue: 1 };
  assert.equal(await atlas.refused(400, "PATCH", path, shorter), "BACKUP_COMPLIANCE_POLICY_CANNOT_DECREASE_RETENTION");
  assert.equal(
    await atlas.refused(400, "POST", "/clusters/one/backup/snapshots", { retentionInDays: 2 }),
    "BACKUP_COMPLIANCE_POLICY_CANNOT_DECREASE_RETENTION",
  );
  assert.equal(await atlas.refused(400, "PATCH", "/clusters/one", { backupEnabled: false }), "BACKUP_COMPLIANCE_POLICY_BACKUP_REQUIRED");
  assert.equal(await atlas.refused(400, "PATCH", "/clusters/one", { pitEnabled: false }), "BACKUP_COMPLIANCE_POLICY_PIT_REQUIRED");
  const weaker = "BACKUP_POLICIES_NOT_MEETING_BACKUP_COMPLIANCE_POLICY_REQUIREMENTS";
  assert.equal(await atlas.refused(400, "PATCH", "/clusters/one/backup/schedule", { restoreWindowDays: 2 }), weaker);
  assert.equal(await atlas.refused(400, "DELETE", "/clusters/one/backup/schedule"), weaker);
  assert.equal(await atlas.refused(400, "POST", "/clusters", clusterBody("new")), "BACKUP_COMPLIANCE_POLICY_BACKUP_REQUIRED");
  const lowered = { ...POLICY, restoreWindowDays: 1 };
  assert.equal(await atlas.refused(400, "PUT", policy, lowered), "BACKUP_COMPLIANCE_POLICY_CANNOT_BE_LOWERED");

  assert.equal(await atlas.refused(400, "DELETE", policy), "BACKUP_COMPLIANCE_POLICY_CANNOT_BE_DISABLED");
  atlas.sandbox.allowComplianceRemoval();
  assert.equal((await atlas.call("DELETE", policy)).status, 204);
  assert.equal((await atlas.expect(200, "GET", policy)).state, "DISABLING");
  await atlas.until(policy, ({ state }) => state === null);
  assert.equal((await atlas.call("DELETE", path)).status, 204);
});
