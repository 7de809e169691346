// Every request of a tour through the whole Atlas sandbox, and every answer, has the shape that the real API declares.
import assert from "node:assert/strict";
import { test } from "node:test";
import { requests } from "../../packages/sandbox/atlas/router.ts";
import { clusterBody, type SandboxedAtlas, startAtlas } from "../support/atlas-sandbox.ts";
import { openAtlasShapes } from "../support/atlas-shapes.ts";

const ABSENT = "the API's declared shapes (shared/specs/atlas-v2-slice.json) are not here";
/** What Atlas's command line asks for, and the shapes do not hold. */
const BEYOND = /\/(autoScalingConfiguration|alerts(\/:alertId)?)$/;
const OPTIONS = { clusters: [{ name: "prod" }, { name: "flexy", tier: "FLEX" }] };

/** Uses everything once, and is refused here and there. */
async function tour(atlas: SandboxedAtlas): Promise<void> {
  const { call, expect, until, sandbox } = atlas;
  const { groupId } = sandbox;
  for (const path of ["//", "//orgs", "//groups", "//clusters", "//rateLimits", "//rateLimits/backup", ""]) await expect(200, "GET", path);
  await expect(200, "POST", "/accessList", [{ ipAddress: "1.2.3.4", comment: "me" }]);
  await expect(200, "GET", "/accessList?pageNum=1&itemsPerPage=1&includeCount=false");
  await expect(200, "GET", "/accessList/1.2.3.4");
  await expect(200, "GET", "/accessList/1.2.3.4/status");
  await expect(204, "DELETE", "/accessList/1.2.3.4");
  const alert = await expect(200, "POST", "/alertConfigs", { eventTypeName: "CPS_SNAPSHOT_FAILED", enabled: true });
  for (const [method, body] of [["GET"], ["PUT", { enabled: true }], ["PATCH", { enabled: false }]] as const)
    await expect(200, method, `/alertConfigs/${alert.id}`, body);
  await expect(200, "GET", "/alertConfigs");
  await expect(204, "DELETE", `/alertConfigs/${alert.id}`);
  const events = await expect(200, "GET", "/events?eventType=CLUSTER_READY&clusterNames=prod");
  await expect(200, "GET", `/events/${events.results[0].id}`);
  await expect(200, "PATCH", "/encryptionAtRest", { awsKms: { enabled: true, region: "EU_CENTRAL_1", roleId: "a".repeat(24) } });
  await expect(200, "GET", "/encryptionAtRest");

  const more = {
    tags: [{ key: "a", value: "b" }],
    encryptionAtRestProvider: "AWS",
    advancedConfiguration: { minimumEnabledTlsProtocol: "TLS1_3" },
  };
  await expect(201, "POST", "/clusters", clusterBody("scratch", "M20", more));
  await until("/clusters/scratch", ({ stateName }) => stateName === "IDLE");
  await expect(200, "PATCH", "/clusters/scratch", { terminationProtectionEnabled: true });
  await until("/clusters/scratch", ({ stateName }) => stateName === "IDLE");
  await expect(400, "DELETE", "/clusters/scratch");
  await expect(200, "PATCH", "/clusters/scratch", { terminationProtectionEnabled: false });
  await until("/clusters/scratch", ({ stateName }) => stateName === "IDLE");
  await expect(200, "GET", "/clusters/scratch/status");
  await expect(200, "GET", "/clusters/scratch/processArgs");
  await expect(200, "PATCH", "/clusters/scratch/processArgs", { oplogMinRetentionHours: 48 });
  await until("/clusters/scratch", ({ stateName }) => stateName === "IDLE");
  await expect(200, "GET", "/clusters?includeDeletedWithRetainedBackups=true");
  await expect(404, "GET", "/clusters/none");

  const prod = await atlas.data("prod");
  await prod.db("shop").collection("rows").insertOne({ a: 1 });
  const backup = "/clusters/prod/backup";
  await expect(200, "GET", `${backup}/schedule`);
  const policyItems = [{ frequencyType: "daily", frequencyInterval: 1, retentionUnit: "days", retentionValue: 30 }];
  await expect(200, "PATCH", `${backup}/schedule`, { policies: [{ policyItems }], restoreWindowDays: 2 });
  const snapshot = await expect(200, "POST", `${backup}/snapshots`, { description: "d", retentionInDays: 2 });
  await until(`${backup}/snapshots/${snapshot.id}`, ({ status }) => status === "completed");
  await expect(200, "GET", `${backup}/snapshots`);
  await expect(200, "PATCH", `${backup}/snapshots/${snapshot.id}`, { retentionUnit: "DAYS", retentionValue: 5 });
  const listed = `${backup}/snapshots/${snapshot.id}/databases`;
  for (const path of ["", "/shop", "/shop/collections", "/shop/collections/rows"]) await expect(200, "GET", listed + path);
  await expect(200, "GET", `${backup}/snapshots/shardedClusters`);
  for (const method of ["GET", "DELETE"]) await expect(404, method, `${backup}/snapshots/shardedCluster/${snapshot.id}`);

  const download = await expect(200, "POST", `${backup}/restoreJobs`, { deliveryType: "download", snapshotId: snapshot.id });
  await until(`${backup}/restoreJobs/${download.id}`, ({ deliveryUrl }) => deliveryUrl.length > 0);
  await expect(204, "DELETE", `${backup}/restoreJobs/${download.id}`);
  const onto = { targetClusterName: "scratch", targetGroupId: groupId };
  const seconds = Math.floor(sandbox.now().getTime() / 1000);
  const job = await expect(200, "POST", `${backup}/restoreJobs`, { deliveryType: "pointInTime", pointInTimeUTCSeconds: seconds, ...onto });
  await expect(409, "POST", `${backup}/restoreJobs`, { deliveryType: "automated", snapshotId: snapshot.id, ...onto });
  await until(`${backup}/restoreJobs/${job.id}`, ({ finishedAt }) => finishedAt !== null);
  await expect(200, "GET", `${backup}/restoreJobs`);

  const chosen = { ...onto, snapshotId: snapshot.id, writeStrategy: "CREATE_NEW", indexStrategy: "ALL", collectionSuffix: "_b" };
  const collections = await expect(201, "POST", "/clusters/prod/collectionRestoreJobs", {
    ...chosen,
    collections: [{ sourceNamespace: "shop.rows" }],
  });
  await until(`/clusters/prod/collectionRestoreJobs/${collections.id}`, ({ finishedAt }) => finishedAt !== null);
  await expect(200, "GET", "/clusters/prod/collectionRestoreJobs");
  await expect(200, "GET", `/clusters/prod/collectionRestoreJobs/${collections.id}/collections`);
  await expect(200, "GET", `/clusters/prod/collectionRestoreJobs/${collections.id}/collections/shop.rows`);

  const bucket = { cloudProvider: "AWS", bucketName: "bucket", iamRoleId: "a".repeat(24) };
  const { _id: exportBucketId } = await expect(200, "POST", "/backup/exportBuckets", bucket);
  await expect(200, "GET", "/backup/exportBuckets");
  await expect(200, "GET", `/backup/exportBuckets/${exportBucketId}`);
  await expect(200, "PATCH", `/backup/exportBuckets/${exportBucketId}`, { requirePrivateNetworking: false });
  const azure = {
    cloudProvider: "AZURE",
    bucketName: "container",
    roleId: "b".repeat(24),
    serviceUrl: "https://acme.blob.core.windows.net/",
  };
  await expect(200, "POST", "/backup/exportBuckets", { ...azure, tenantId: "00000000-0000-0000-0000-000000000000" });
  await expect(200, "POST", "/backup/exportBuckets", { cloudProvider: "GCP", bucketName: "third", roleId: "b".repeat(24) });
  const exported = await expect(200, "POST", `${backup}/exports`, {
    snapshotId: snapshot.id,
    exportBucketId,
    customData: [{ key: "k", value: "v" }],
  });
  await until(`${backup}/exports/${exported.id}`, ({ finishedAt }) => finishedAt !== null);
  await expect(200, "GET", `${backup}/exports`);
  await expect(204, "DELETE", `/backup/exportBuckets/${exportBucketId}`);
  await expect(204, "DELETE", `${backup}/snapshots/${snapshot.id}`);
  await expect(200, "DELETE", `${backup}/schedule`);
  await expect(202, "DELETE", "/clusters/scratch?retainBackups=false");

  await flexTour(atlas);
  const who = { authorizedEmail: "a@example.com", authorizedUserFirstName: "A", authorizedUserLastName: "B" };
  const onDemandPolicyItem = { frequencyType: "ondemand", frequencyInterval: 1, retentionUnit: "days", retentionValue: 2 };
  await expect(200, "GET", "/backupCompliancePolicy");
  await expect(200, "PUT", "/backupCompliancePolicy?overwriteBackupPolicies=true", {
    ...who,
    onDemandPolicyItem,
    scheduledPolicyItems: policyItems,
  });
  await until("/backupCompliancePolicy", ({ state }) => state === "ACTIVE");
  await expect(400, "DELETE", "/backupCompliancePolicy");
  sandbox.allowComplianceRemoval();
  await expect(204, "DELETE", "/backupCompliancePolicy");
  assert.equal((await call("GET", "/clusters", undefined, { authorization: "Bearer none" })).status, 401);
}

async function flexTour({ expect, until, sandbox }: SandboxedAtlas): Promise<void> {
  await sandbox.advance(25 * 3_600_000);
  const path = "/flexClusters/flexy";
  const { results } = await expect(200, "GET", `${path}/backup/snapshots`);
  const snapshotId = results[0].id;
  await expect(200, "GET", `${path}/backup/snapshots/${snapshotId}`);
  const restore = { snapshotId, targetDeploymentItemName: "prod", targetProjectId: sandbox.groupId };
  const job = await expect(200, "POST", `${path}/backup/restoreJobs`, restore);
  await until(`${path}/backup/restoreJobs/${job.id}`, ({ status }) => status === "COMPLETED");
  await expect(200, "GET", `${path}/backup/restoreJobs`);
  await expect(200, "POST", `${path}/backup/download`, { snapshotId });
  const providerSettings = { backingProviderName: "AWS", regionName: "EU_CENTRAL_1" };
  await expect(201, "POST", "/flexClusters", { name: "second", providerSettings });
  await until("/flexClusters/second", ({ stateName }) => stateName === "IDLE");
  await expect(200, "GET", "/flexClusters");
  await expect(200, "PATCH", "/flexClusters/second", { tags: [{ key: "a", value: "b" }] });
  await expect(204, "DELETE", "/flexClusters/second");
  await expect(400, "GET", "/clusters/flexy");
}

test("R54 the Atlas sandbox answers with the shapes of the real API, and asks for them", async (t) => {
  const shapes = openAtlasShapes();
  if (shapes === undefined) return t.skip(ABSENT);
  await using atlas = await startAtlas(OPTIONS);
  await tour(atlas);
  const { seen } = atlas.sandbox.faults;
  assert.deepEqual([...new Set(seen.flatMap((each) => shapes.faults(each)))], []);
  assert.ok(seen.length > 100);
  const made = new Set(seen.map(({ method, path }) => shapes.nameOf(method, path)));
  const answered = requests()
    .filter(({ path }) => !BEYOND.test(path))
    .map(({ method, path }) => shapes.nameOf(method, path.replaceAll(/:\w+/g, "x")) ?? `${method} ${path}: not declared`);
  assert.deepEqual(
    answered.filter((name) => !made.has(name)),
    [],
  );
});

test("R54 the guard of Atlas's shapes sees a missing, a misspelt and a wrong field", (t) => {
  const shapes = openAtlasShapes();
  if (shapes === undefined) return t.skip(ABSENT);
  const exchange = { method: "GET", path: "/groups/g", query: "", body: undefined, headers: {}, status: 200 };
  const good = { clusterCount: 1, created: "2026-11-21T00:00:00Z", name: "n", orgId: "a".repeat(24) };
  assert.deepEqual(shapes.faults({ ...exchange, answer: good }), []);
  const { orgId: _, ...missing } = good;
  for (const bad of [missing, { ...good, nam: "x" }, { ...good, clusterCount: "1" }, { ...good, orgId: "A" }])
    assert.equal(shapes.faults({ ...exchange, answer: bad }).length, 1);
  assert.equal(shapes.faults({ ...exchange, path: "/nowhere", answer: {} }).length, 1);
});
