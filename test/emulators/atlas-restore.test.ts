// The Atlas sandbox: restores bring back what was there, to the second, and refuse what cannot be.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { deserialize, EJSON } from "bson";
import type { MongoClient } from "mongodb";
import { nextSecond, REAL_TIME, type SandboxedAtlas, startAtlas } from "../support/atlas-sandbox.ts";

const TWO = [{ name: "prod" }, { name: "scratch", backup: false }];

interface Row {
  readonly _id: number;
}
const rows = (client: MongoClient, collection = "rows"): ReturnType<ReturnType<MongoClient["db"]>["collection"]> =>
  client.db("shop").collection(collection);
const ids = async (client: MongoClient, collection = "rows"): Promise<readonly number[]> =>
  (await rows(client, collection).find().sort({ _id: 1 }).toArray()).map((row) => (row as unknown as Row)._id);
const insert = async (client: MongoClient, _id: number): Promise<void> => {
  await client.db("shop").collection<Row>("rows").insertOne({ _id });
};

async function snapshotNow({ expect, until }: SandboxedAtlas, cluster = "prod"): Promise<string> {
  const path = `/clusters/${cluster}/backup/snapshots`;
  const { id } = await expect(200, "POST", path, { retentionInDays: 1, description: "now" });
  await until(`${path}/${id}`, ({ status }) => status === "completed");
  return id;
}

async function restore(atlas: SandboxedAtlas, body: object, cluster = "prod"): Promise<{ failed: boolean; finishedAt: string }> {
  const path = `/clusters/${cluster}/backup/restoreJobs`;
  const target = { targetClusterName: "scratch", targetGroupId: atlas.sandbox.groupId };
  const { id, finishedAt } = await atlas.expect(200, "POST", path, { ...target, ...body });
  assert.equal(finishedAt, null);
  return atlas.until(`${path}/${id}`, (job) => job.finishedAt !== null);
}

test("R54 a snapshot comes back on another cluster with its indexes; the source stays as it is", async () => {
  await using atlas = await startAtlas({ clusters: TWO });
  const prod = await atlas.data("prod");
  await insert(prod, 1);
  await rows(prod).createIndex({ a: 1 }, { unique: true, name: "a" });
  const scratch = await atlas.data("scratch");
  await scratch.db("other").collection("old").insertOne({ gone: true });
  const snapshotId = await snapshotNow(atlas);
  await rows(prod).deleteMany({});
  const job = await restore(atlas, { deliveryType: "automated", snapshotId });
  assert.equal(job.failed, false);
  assert.deepEqual(await ids(scratch), [1]);
  assert.deepEqual(
    (await rows(scratch).indexes()).map((index) => [index.name, index.unique ?? false]),
    [
      ["_id_", false],
      ["a", true],
    ],
  );
  assert.deepEqual(await scratch.db("other").listCollections().toArray(), []);
  assert.deepEqual(await ids(prod), []);
});

test("R54 a point in time holds all writes before its second; an operation's point holds that write too", async () => {
  await using atlas = await startAtlas({ clusters: TWO });
  const prod = await atlas.data("prod");
  const scratch = await atlas.data("scratch");
  await nextSecond();
  await insert(prod, 1);
  const second = await nextSecond();
  await insert(prod, 2);
  await insert(prod, 3);
  const at = (pointInTimeUTCSeconds: number): object => ({ deliveryType: "pointInTime", pointInTimeUTCSeconds });
  await restore(atlas, at(second));
  assert.deepEqual(await ids(scratch), [1]);
  const [, two] = await prod.db("local").collection("oplog.rs").find({ op: "i", ns: "shop.rows" }).toArray();
  assert.ok(two);
  await restore(atlas, { deliveryType: "pointInTime", oplogTs: two.ts.t, oplogInc: two.ts.i });
  assert.deepEqual(await ids(scratch), [1, 2]);
  await nextSecond();
  await restore(atlas, at(await nextSecond()));
  assert.deepEqual(await ids(scratch), [1, 2, 3]);
});

test("R54 a restore to each of ten random seconds brings back exactly what was written before it", async () => {
  const begin = new Date("2026-11-21T10:00:00Z");
  const clock = { at: begin, now: (): Date => clock.at };
  await using atlas = await startAtlas({ clusters: TWO, clock });
  const prod = await atlas.data("prod");
  const SECONDS = 40;
  for (let second = 0; second < SECONDS; second++) {
    clock.at = new Date(begin.getTime() + second * 1000 + 500);
    await insert(prod, second);
  }
  clock.at = new Date(begin.getTime() + 3_600_000);
  const scratch = await atlas.data("scratch");
  const chosen = Array.from({ length: 10 }, () => Math.floor(Math.random() * SECONDS));
  for (const second of chosen) {
    await restore(atlas, { deliveryType: "pointInTime", pointInTimeUTCSeconds: begin.getTime() / 1000 + second });
    const expected = Array.from({ length: second }, (_, at) => at);
    assert.deepEqual(await ids(scratch), expected, `of second ${second}`);
  }
});

test("R54 a cluster cannot be reached while it is restored, and is UPDATING until the job has ended", async () => {
  await using atlas = await startAtlas({ clusters: TWO, speed: REAL_TIME });
  const scratch = await atlas.data("scratch");
  await insert(scratch, 7);
  const snapshotId = await snapshotNow(atlas);
  const jobs = "/clusters/prod/backup/restoreJobs";
  const job = { deliveryType: "automated", snapshotId, targetClusterName: "scratch", targetGroupId: atlas.sandbox.groupId };
  const { id } = await atlas.expect(200, "POST", jobs, job);
  await atlas.until("/clusters/scratch", () => atlas.sandbox.clusters()[1]?.server === undefined);
  const [, target] = atlas.sandbox.clusters();
  assert.deepEqual([target?.name, target?.stateName], ["scratch", "UPDATING"]);
  await assert.rejects(rows(scratch).findOne({}));
  assert.equal(await atlas.refused(409, "POST", jobs, job), "ATLAS_CLUSTER_RESTORE_IN_PROGRESS");
  const update = { terminationProtectionEnabled: true };
  assert.equal(await atlas.refused(400, "PATCH", "/clusters/scratch", update), "CLUSTER_RESTORE_IN_PROGRESS_CANNOT_UPDATE");
  assert.equal((await atlas.until(`${jobs}/${id}`, ({ finishedAt }) => finishedAt !== null)).failed, false);
  assert.equal((await atlas.expect(200, "GET", "/clusters/scratch")).stateName, "IDLE");
  assert.deepEqual(await ids(scratch), []);
});

test("R54 after a restore over itself, earlier points can be reached, later ones after the next snapshot", async () => {
  await using atlas = await startAtlas({ clusters: TWO });
  const prod = await atlas.data("prod");
  const scratch = await atlas.data("scratch");
  await insert(prod, 1);
  const good = await nextSecond();
  await rows(prod).deleteMany({});
  const bad = await nextSecond();
  const over = { deliveryType: "pointInTime", pointInTimeUTCSeconds: good, targetClusterName: "prod" };
  await restore(atlas, over);
  assert.deepEqual(await ids(prod), [1]);
  await restore(atlas, { deliveryType: "pointInTime", pointInTimeUTCSeconds: bad });
  assert.deepEqual(await ids(scratch), []);
  await restore(atlas, { deliveryType: "pointInTime", pointInTimeUTCSeconds: good });
  assert.deepEqual(await ids(scratch), [1]);
  await insert(prod, 2);
  const later = await nextSecond();
  const ask = {
    deliveryType: "pointInTime",
    pointInTimeUTCSeconds: later,
    targetClusterName: "scratch",
    targetGroupId: atlas.sandbox.groupId,
  };
  const none = "UNABLE_T0_FIND_SNAPSHOT_PRIOR_TO_PIT_RESTORE_OPTIME";
  assert.equal(await atlas.refused(404, "POST", "/clusters/prod/backup/restoreJobs", ask), none);
  await snapshotNow(atlas);
  await restore(atlas, { deliveryType: "pointInTime", pointInTimeUTCSeconds: await nextSecond() });
  assert.deepEqual(await ids(scratch), [1, 2]);
});

test("R54 a clock that jumps over a restore finds the restored data in every snapshot after it", async () => {
  const clock = { at: new Date("2026-11-21T10:00:00Z"), now: (): Date => clock.at };
  await using atlas = await startAtlas({ clusters: [{ name: "prod" }], clock, speed: 1 });
  const prod = await atlas.data("prod");
  await prod.db("old").collection("a").insertOne({});
  await atlas.sandbox.advance(3_600_000);
  await prod.db("new").collection("a").insertOne({});
  const at = new Date("2026-11-21T10:30:00Z").getTime() / 1000;
  const body = { deliveryType: "pointInTime", pointInTimeUTCSeconds: at, targetClusterName: "prod", targetGroupId: atlas.sandbox.groupId };
  const jobs = "/clusters/prod/backup/restoreJobs";
  const { id } = await atlas.expect(200, "POST", jobs, body);
  await atlas.sandbox.advance(8 * 3_600_000);
  const { finishedAt, failed } = await atlas.expect(200, "GET", `${jobs}/${id}`);
  assert.match(finishedAt, /^2026-11-21T11:0/);
  assert.equal(failed, false);
  const { results } = await atlas.expect(200, "GET", "/clusters/prod/backup/snapshots");
  assert.match(results[0].createdAt, /^2026-11-21T16:0/);
  const answer = await atlas.expect(200, "GET", `/clusters/prod/backup/snapshots/${results[0].id}/databases`);
  assert.deepEqual(answer.results, [{ name: "old" }]);
  const later = new Date("2026-11-21T17:00:00Z").getTime() / 1000;
  const again = await atlas.expect(200, "POST", jobs, { ...body, pointInTimeUTCSeconds: later });
  await atlas.sandbox.advance(3_600_000);
  assert.equal((await atlas.expect(200, "GET", `${jobs}/${again.id}`)).failed, false);
  const after = await atlas.data("prod");
  assert.deepEqual(
    (await after.db().admin().listDatabases({ nameOnly: true })).databases.map(({ name }) => name).filter((name) => name.length === 3),
    ["old"],
  );
});

test("R54 points outside the window, and targets that cannot take the data, are refused", async () => {
  await using atlas = await startAtlas({
    keys: ["AWS"],
    clusters: [
      { name: "prod", encryption: "AWS", extraBytes: 11 * 1024 ** 3, tier: "M30" },
      { name: "small" },
      { name: "old", majorVersion: "7.0", tier: "M30", encryption: "AWS" },
      { name: "plain", tier: "M30" },
      { name: "free", tier: "M0" },
      { name: "asleep", tier: "M30", encryption: "AWS" },
    ],
  });
  const { groupId } = atlas.sandbox;
  const jobs = "/clusters/prod/backup/restoreJobs";
  const snapshotId = await snapshotNow(atlas);
  const onto = (targetClusterName: string): object => ({
    deliveryType: "automated",
    snapshotId,
    targetClusterName,
    targetGroupId: groupId,
  });
  assert.equal(await atlas.refused(403, "POST", jobs, onto("small")), "CANNOT_RESTORE_TO_TARGET");
  assert.equal(await atlas.refused(403, "POST", jobs, onto("old")), "CANNOT_RESTORE_TO_TARGET");
  assert.equal(await atlas.refused(403, "POST", jobs, onto("free")), "CANNOT_RESTORE_TO_TARGET");
  assert.equal(await atlas.refused(400, "POST", jobs, onto("plain")), "INVALID_SNAPSHOT_RESTORE_ENCRYPTION");
  assert.equal(await atlas.refused(404, "POST", jobs, onto("nowhere")), "CLUSTER_NOT_FOUND");
  await atlas.expect(200, "PATCH", "/clusters/asleep", { paused: true });
  assert.equal(await atlas.refused(400, "POST", jobs, onto("asleep")), "CLUSTER_PAUSED_CANNOT_RESTORE");
  const download = { deliveryType: "download", snapshotId };
  assert.equal(await atlas.refused(400, "POST", jobs, download), "CANNOT_DOWNLOAD_SNAPSHOT_WITH_ENCRYPTION");
  const now = Math.floor(atlas.sandbox.now().getTime() / 1000);
  const at = (pointInTimeUTCSeconds: number): object => ({
    ...onto("prod"),
    deliveryType: "pointInTime",
    pointInTimeUTCSeconds,
    snapshotId: null,
  });
  assert.equal(await atlas.refused(400, "POST", jobs, at(now + 60)), "INVALID_PIT_RESTORE_TIME");
  assert.equal(await atlas.refused(400, "POST", jobs, at(now - 8 * 86_400)), "INVALID_PIT_RESTORE_TIME");
  const none = "UNABLE_T0_FIND_SNAPSHOT_PRIOR_TO_PIT_RESTORE_OPTIME";
  assert.equal(await atlas.refused(404, "POST", jobs, at(now - 3600)), none);
  assert.equal(await atlas.refused(400, "POST", jobs, at(now * 1000)), "INVALID_PIT_RESTORE_TIME");
  await atlas.expect(200, "PATCH", "/clusters/prod", { pitEnabled: false });
  assert.equal(await atlas.refused(400, "POST", jobs, at(now)), "INVALID_PIT_RESTORE_TIME");
});

test("R54 a download is an archive behind an address that expires after an hour", async () => {
  await using atlas = await startAtlas({ clusters: TWO });
  const prod = await atlas.data("prod");
  await insert(prod, 1);
  await insert(prod, 2);
  const snapshotId = await snapshotNow(atlas);
  const jobs = "/clusters/prod/backup/restoreJobs";
  const asked = await atlas.expect(200, "POST", jobs, { deliveryType: "download", snapshotId });
  assert.deepEqual([asked.deliveryUrl, asked.expired], [[], false]);
  const ready = await atlas.until(`${jobs}/${asked.id}`, ({ deliveryUrl }) => deliveryUrl.length === 1);
  assert.equal(ready.finishedAt, null);
  const directory = mkdtempSync(join(tmpdir(), "lifeboat-test-"));
  try {
    const file = join(directory, "a.tar.gz");
    writeFileSync(file, new Uint8Array(await (await fetch(ready.deliveryUrl[0])).arrayBuffer()));
    execFileSync("tar", ["-xzf", file, "-C", directory]);
    const home = join(directory, `prod-${snapshotId}`, "shop");
    assert.deepEqual(readdirSync(home).sort(), ["rows.bson", "rows.metadata.json"]);
    assert.deepEqual(deserialize(readFileSync(join(home, "rows.bson")).subarray(0, 14)), { _id: 1 });
  } finally {
    rmSync(directory, { recursive: true });
  }
  await atlas.sandbox.advance(3_600_000);
  assert.equal((await fetch(ready.deliveryUrl[0])).status, 403);
});

test("R54 a restore onto a cluster cannot be called off; a download can", async () => {
  await using atlas = await startAtlas({ clusters: TWO });
  const snapshotId = await snapshotNow(atlas);
  const jobs = "/clusters/prod/backup/restoreJobs";
  const onto = { deliveryType: "automated", snapshotId, targetClusterName: "scratch", targetGroupId: atlas.sandbox.groupId };
  const { id } = await atlas.expect(200, "POST", jobs, onto);
  assert.equal(await atlas.refused(400, "DELETE", `${jobs}/${id}`), "CANNOT_CANCEL_AUTOMATED_RESTORE");
  const download = await atlas.expect(200, "POST", jobs, { deliveryType: "download", snapshotId });
  assert.equal((await atlas.call("DELETE", `${jobs}/${download.id}`)).status, 204);
  assert.equal((await atlas.expect(200, "GET", `${jobs}/${download.id}`)).cancelled, true);
  assert.equal((await atlas.expect(200, "GET", jobs)).totalCount, 2);
  assert.equal(await atlas.refused(404, "GET", `${jobs}/${"0".repeat(24)}`), "RESTORE_JOB_NOT_FOUND");
});

test("R54 chosen collections come back beside the present ones or over them; what cannot is named", async () => {
  await using atlas = await startAtlas({ clusters: TWO, speed: REAL_TIME });
  const prod = await atlas.data("prod");
  await insert(prod, 1);
  await rows(prod).createIndex({ at: 1 }, { expireAfterSeconds: 60, name: "ttl" });
  await prod.db("shop").createCollection("view", { viewOn: "rows", pipeline: [] });
  const snapshotId = await snapshotNow(atlas);
  await rows(prod).deleteMany({});
  await insert(prod, 9);
  const jobs = "/clusters/prod/collectionRestoreJobs";
  const body = { snapshotId, targetClusterName: "prod", targetGroupId: atlas.sandbox.groupId, indexStrategy: "ALL_EXCEPT_TTL" };
  const one = [{ sourceNamespace: "shop.rows" }];
  const job = await atlas.expect(201, "POST", jobs, { ...body, writeStrategy: "CREATE_NEW", collections: one, collectionSuffix: "_back" });
  assert.equal(job.state, "INITIALIZING");
  assert.equal(
    await atlas.refused(409, "POST", jobs, { ...body, writeStrategy: "CREATE_NEW", collections: one }),
    "ATLAS_CLUSTER_RESTORE_IN_PROGRESS",
  );
  const done = await atlas.until(`${jobs}/${job.id}`, ({ finishedAt }) => finishedAt !== null);
  assert.deepEqual([done.state, done.restoredDocuments, done.totalDocuments], ["SUCCESSFUL", 1, 1]);
  assert.deepEqual([await ids(prod), await ids(prod, "rows_back")], [[9], [1]]);
  assert.equal((await rows(prod, "rows_back").indexes()).length, 1);

  const more = [...one, { sourceNamespace: "shop.view" }, { sourceNamespace: "shop.none" }];
  const over = await atlas.expect(201, "POST", jobs, {
    ...body,
    indexStrategy: "ALL",
    writeStrategy: "OVERWRITE_EXISTING",
    collections: more,
  });
  const failed = await atlas.until(`${jobs}/${over.id}`, ({ finishedAt }) => finishedAt !== null);
  assert.equal(failed.state, "FAILED");
  const { results } = await atlas.expect(200, "GET", `${jobs}/${over.id}/collections`);
  assert.deepEqual(
    results.map((each: { state: string }) => each.state),
    ["SUCCESSFUL", "UNSUPPORTED", "NOT_FOUND"],
  );
  assert.deepEqual(await ids(prod), [1]);
  assert.deepEqual(
    (await rows(prod).indexes()).map((index) => index.name),
    ["_id_", "ttl"],
  );
  const clash = await atlas.expect(201, "POST", jobs, { ...body, writeStrategy: "CREATE_NEW", collections: one });
  assert.equal((await atlas.until(`${jobs}/${clash.id}`, ({ finishedAt }) => finishedAt !== null)).state, "FAILED");
});

test("R54 an export writes extended JSON, metadata, and a mark at the end", async () => {
  await using atlas = await startAtlas({ clusters: TWO });
  const prod = await atlas.data("prod");
  await insert(prod, 1);
  await insert(prod, 2);
  const snapshotId = await snapshotNow(atlas);
  const bucket = { cloudProvider: "AWS", bucketName: "acme-backups", iamRoleId: "a".repeat(24) };
  const { _id, id: none } = await atlas.expect(200, "POST", "/backup/exportBuckets", bucket);
  assert.equal(none, undefined);
  await atlas.refused(409, "POST", "/backup/exportBuckets", bucket);
  const exports = "/clusters/prod/backup/exports";
  const customData = [{ key: "job", value: "one" }];
  const job = await atlas.expect(200, "POST", exports, { snapshotId, exportBucketId: _id, customData });
  assert.equal(job.state, "Queued");
  const done = await atlas.until(`${exports}/${job.id}`, ({ finishedAt }) => finishedAt !== null);
  assert.deepEqual([done.state, done.exportStatus], ["Successful", { exportedCollections: 1, totalCollections: 1 }]);
  const home = join(await atlas.sandbox.bucketRoot(), "acme-backups", done.prefix);
  assert.deepEqual(JSON.parse(readFileSync(join(home, ".complete"), "utf8")), { customData });
  const files = readdirSync(join(home, "shop", "rows")).sort();
  assert.equal(files[1], "metadata.json");
  const lines = gunzipSync(readFileSync(join(home, "shop", "rows", files[0] ?? "")))
    .toString()
    .trim()
    .split("\n");
  assert.deepEqual(
    lines.map((line) => EJSON.parse(line)),
    [{ _id: 1 }, { _id: 2 }],
  );
  assert.equal((await atlas.call("DELETE", `/backup/exportBuckets/${_id}`)).status, 204);
});
