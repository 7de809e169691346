// The Atlas sandbox: what can be made to go wrong, and the clusters with an API of their own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterBody, type SandboxedAtlas, startAtlas, tokenOf } from "../support/atlas-sandbox.ts";

const HOUR_MS = 3_600_000;
const ALWAYS = Number.POSITIVE_INFINITY;

async function types({ expect }: SandboxedAtlas): Promise<readonly string[]> {
  return (await expect(200, "GET", "/events")).results.map((event: { eventTypeName: string }) => event.eventTypeName);
}

test("R54 a request can be refused, once, always, or the nth time, and is seen", async () => {
  await using atlas = await startAtlas();
  const { faults } = atlas.sandbox;
  const status = { kind: "status", status: 503, errorCode: "UNEXPECTED_ERROR", retryAfterSeconds: 7 } as const;
  const planned = faults.next({ method: "GET", path: /\/clusters$/, skip: 1, effect: status });
  assert.equal((await atlas.call("GET", "/clusters")).status, 200);
  assert.equal((await atlas.call("POST", "/clusters", clusterBody("one"))).status, 201);
  const { status: second, headers, body } = await atlas.call("GET", "/clusters");
  assert.deepEqual([second, headers.get("retry-after"), body.errorCode, planned.hits], [503, "7", "UNEXPECTED_ERROR", 1]);
  assert.equal((await atlas.call("GET", "/clusters")).status, 200);
  faults.next({ path: /\/events/, times: ALWAYS, effect: status });
  for (let turn = 0; turn < 3; turn++) assert.equal((await atlas.call("GET", "/events")).status, 503);
  faults.next({ path: /^\/api\/oauth\/token$/, effect: { kind: "status", status: 500 } });
  await assert.rejects(tokenOf(atlas.sandbox));
  await faults.clear();
  assert.equal((await atlas.call("GET", "/events")).status, 200);
  const group = `/groups/${atlas.sandbox.groupId}`;
  const seen = faults.seen.filter((each) => each.method === "POST" && each.path === `${group}/clusters`);
  assert.deepEqual(
    seen.map(({ status, body }) => [status, (body as { name: string }).name]),
    [[201, "one"]],
  );
});

test("R54 a connection can break before anything was done, or after all was done", async () => {
  await using atlas = await startAtlas();
  const { faults } = atlas.sandbox;
  await atlas.expect(200, "GET", "/clusters");
  faults.next({ method: "POST", effect: { kind: "dropBefore" } });
  await assert.rejects(atlas.call("POST", "/clusters", clusterBody("one")));
  assert.equal((await atlas.expect(200, "GET", "/clusters")).totalCount, 1);
  faults.next({ method: "POST", effect: { kind: "dropAfter" } });
  await assert.rejects(atlas.call("POST", "/clusters", clusterBody("one")));
  assert.equal((await atlas.expect(200, "GET", "/clusters")).totalCount, 2);
});

test("R54 an answer can be malformed, and a request left without an answer", async () => {
  await using atlas = await startAtlas();
  const { faults } = atlas.sandbox;
  await atlas.expect(200, "GET", "/clusters");
  faults.next({ effect: { kind: "malformed" } });
  await assert.rejects(atlas.call("GET", "/clusters"), SyntaxError);
  faults.next({ effect: { kind: "malformed", as: "html" } });
  await assert.rejects(atlas.call("GET", "/clusters"), SyntaxError);
  const stalled = faults.next({ effect: { kind: "stallBefore" } });
  const { apiHost } = atlas.sandbox;
  await assert.rejects(fetch(`${apiHost}/api/atlas/v2/orgs`, { signal: AbortSignal.timeout(100) }));
  assert.equal(stalled.hits, 1);
});

test("R54 a cluster's creation can fail, or never end; such a cluster can be deleted", async () => {
  await using atlas = await startAtlas();
  const { faults, advance } = atlas.sandbox;
  faults.nextWork({ work: "createCluster", cluster: "one", outcome: "fail" });
  faults.nextWork({ work: "createCluster", cluster: "two", outcome: "hang" });
  for (const name of ["one", "two"]) await atlas.expect(201, "POST", "/clusters", clusterBody(name));
  await advance(HOUR_MS / 2);
  assert.equal(await atlas.refused(404, "GET", "/clusters/one"), "CLUSTER_NOT_FOUND");
  assert.equal((await atlas.expect(200, "GET", "/clusters/two")).stateName, "CREATING");
  assert.equal((await atlas.call("DELETE", "/clusters/two")).status, 202);
  await advance(HOUR_MS / 4);
  assert.equal(await atlas.refused(404, "GET", "/clusters/two"), "CLUSTER_NOT_FOUND");
});

test("R54 a snapshot, a restore and an export can fail, and say so", async () => {
  await using atlas = await startAtlas({ clusters: [{ name: "prod" }, { name: "scratch", backup: false }] });
  const { faults, groupId } = atlas.sandbox;
  const scratch = await atlas.data("scratch");
  await scratch.db("a").collection("b").insertOne({ c: 1 });
  const snapshots = "/clusters/prod/backup/snapshots";
  const { results } = await atlas.expect(200, "GET", snapshots);
  const [{ id: snapshotId }] = results;
  faults.nextWork({ work: "snapshot", cluster: "prod", outcome: "fail" });
  const { id } = await atlas.expect(200, "POST", snapshots, { retentionInDays: 1 });
  await atlas.until(`${snapshots}/${id}`, ({ status }) => status === "failed");
  const jobs = "/clusters/prod/backup/restoreJobs";
  const onto = { deliveryType: "automated", targetClusterName: "scratch", targetGroupId: groupId };
  assert.equal(await atlas.refused(400, "POST", jobs, { ...onto, snapshotId: id }), "SNAPSHOT_NOT_COMPLETED");

  faults.nextWork({ work: "restore", cluster: "scratch", outcome: "fail" });
  const job = await atlas.expect(200, "POST", jobs, { ...onto, snapshotId });
  assert.equal((await atlas.until(`${jobs}/${job.id}`, ({ finishedAt }) => finishedAt !== null)).failed, true);
  assert.equal(await scratch.db("a").collection("b").countDocuments(), 0);

  faults.nextWork({ work: "export", outcome: "fail" });
  const bucket = { cloudProvider: "GCP", bucketName: "bucket", roleId: "b".repeat(24) };
  const { _id: exportBucketId } = await atlas.expect(200, "POST", "/backup/exportBuckets", bucket);
  const exported = await atlas.expect(200, "POST", "/clusters/prod/backup/exports", { snapshotId, exportBucketId });
  const ended = await atlas.until(`/clusters/prod/backup/exports/${exported.id}`, ({ finishedAt }) => finishedAt !== null);
  assert.deepEqual([ended.state, ended.stateReason.errorCode], ["Failed", "EXPORT_FAILED"]);
  const told = await types(atlas);
  for (const type of ["CPS_SNAPSHOT_FAILED", "CPS_RESTORE_FAILED", "CPS_EXPORT_FAILED"]) assert.ok(told.includes(type), type);
});

test("R54 a cluster that is deleted while it is restored to takes the job with it", async () => {
  await using atlas = await startAtlas({ clusters: [{ name: "prod" }, { name: "scratch", backup: false }] });
  const { results } = await atlas.expect(200, "GET", "/clusters/prod/backup/snapshots");
  const jobs = "/clusters/prod/backup/restoreJobs";
  const onto = { deliveryType: "automated", targetClusterName: "scratch", targetGroupId: atlas.sandbox.groupId };
  atlas.sandbox.faults.nextWork({ work: "restore", outcome: "hang" });
  const hanging = await atlas.expect(200, "POST", jobs, { ...onto, snapshotId: results[0].id });
  await atlas.sandbox.advance(HOUR_MS / 2);
  assert.equal((await atlas.expect(200, "GET", `${jobs}/${hanging.id}`)).finishedAt, null);
  assert.equal((await atlas.call("DELETE", "/clusters/scratch")).status, 202);
  await atlas.sandbox.advance(HOUR_MS / 4);
  assert.equal(await atlas.refused(404, "GET", "/clusters/scratch"), "CLUSTER_NOT_FOUND");
  assert.equal((await atlas.expect(200, "GET", `${jobs}/${hanging.id}`)).failed, true);
});

test("R54 a cluster that is down answers no client until it is up, and keeps its oplog", async () => {
  await using atlas = await startAtlas();
  const data = await atlas.data();
  const rows = data.db("a").collection("b");
  await rows.insertOne({ c: 1 });
  const { up } = await atlas.sandbox.faults.down(atlas.sandbox.cluster);
  await assert.rejects(rows.findOne({}));
  assert.equal((await atlas.expect(200, "GET", `/clusters/${atlas.sandbox.cluster}`)).stateName, "IDLE");
  await up();
  assert.equal((await rows.findOne({}))?.c, 1);
  assert.ok((await data.db("local").collection("oplog.rs").countDocuments({ ns: "a.b" })) > 0);
  await atlas.sandbox.faults.down(atlas.sandbox.cluster);
  await atlas.sandbox.faults.clear();
  assert.equal((await rows.findOne({}))?.c, 1);
});

test("R54 a Flex cluster has a snapshot a day, eight kept, and restores by an API of its own", async () => {
  await using atlas = await startAtlas({ clusters: [{ name: "prod" }] });
  const { sandbox } = atlas;
  const { advance } = sandbox;
  const body = { name: "flex", providerSettings: { backingProviderName: "AWS", regionName: "EU_CENTRAL_1" } };
  assert.equal((await atlas.expect(201, "POST", "/flexClusters", body)).stateName, "CREATING");
  const ready = await atlas.until("/flexClusters/flex", ({ stateName }) => stateName === "IDLE");
  assert.equal(ready.providerSettings.diskSizeGB, 5);
  assert.equal(await atlas.refused(400, "GET", "/clusters/flex"), "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API");
  assert.equal(await atlas.refused(400, "GET", "/flexClusters/prod"), "CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API");
  assert.equal(
    await atlas.refused(400, "POST", "/clusters/flex/backup/snapshots", { retentionInDays: 1 }),
    "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API",
  );
  const server = sandbox.clusters().find((cluster) => cluster.name === "flex")?.server;
  assert.ok(server);
  await advance(20 * HOUR_MS);
  const snapshots = "/flexClusters/flex/backup/snapshots";
  assert.equal((await atlas.expect(200, "GET", snapshots)).totalCount, 0);
  await advance(12 * 24 * HOUR_MS);
  const kept = await atlas.expect(200, "GET", snapshots);
  assert.equal(kept.totalCount, 8);
  assert.equal(kept.results[0].status, "COMPLETED");
  const restore = { snapshotId: kept.results[0].id, targetDeploymentItemName: "prod", targetProjectId: sandbox.groupId };
  const jobs = "/flexClusters/flex/backup/restoreJobs";
  const job = await atlas.expect(200, "POST", jobs, restore);
  await advance(HOUR_MS);
  const done = await atlas.expect(200, "GET", `${jobs}/${job.id}`);
  assert.deepEqual([done.status, done.deliveryType], ["COMPLETED", "RESTORE"]);
});
