// The Atlas sandbox: who may ask, versions, errors, pages, limits, and the life of a cluster.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { clusterBody, startAtlas, tokenOf, VERSIONED } from "../support/atlas-sandbox.ts";

test("R54 a service account gets a token that lives an hour, and loses it when it is revoked", async () => {
  await using atlas = await startAtlas();
  const { sandbox } = atlas;
  const basic = (secret: string): string => `Basic ${Buffer.from(`${sandbox.clientId}:${secret}`).toString("base64")}`;
  const form = (path: string, body: string, authorization: string): Promise<Response> =>
    fetch(`${sandbox.apiHost}${path}`, {
      method: "POST",
      headers: { authorization, "content-type": "application/x-www-form-urlencoded" },
      body,
    });
  const good = await form("/api/oauth/token", "grant_type=client_credentials", basic(sandbox.clientSecret));
  assert.equal(((await good.json()) as { expires_in: number }).expires_in, 3600);
  const encoded = await form("/api/oauth/token", "grant_type=client_credentials", basic(encodeURIComponent(`${sandbox.clientSecret}=`)));
  assert.equal(encoded.status, 401);
  assert.equal((await form("/api/oauth/token", "grant_type=password", basic(sandbox.clientSecret))).status, 400);
  const token = await tokenOf(sandbox);
  const withToken = (): Promise<{ status: number }> => atlas.call("GET", "/clusters", undefined, { authorization: `Bearer ${token}` });
  assert.equal((await withToken()).status, 200);
  assert.equal((await form("/api/oauth/revoke", `token=${token}`, basic(sandbox.clientSecret))).status, 200);
  assert.equal((await withToken()).status, 401);
  const old = await tokenOf(sandbox);
  await sandbox.advance(3_600_001);
  assert.equal((await atlas.call("GET", "/clusters", undefined, { authorization: `Bearer ${old}` })).status, 401);
});

test("R54 an API key signs the challenge it was given, and its nonce serves for more requests", async () => {
  await using atlas = await startAtlas();
  const { apiHost, groupId, publicKey, privateKey } = atlas.sandbox;
  const uri = `/api/atlas/v2/groups/${groupId}/clusters?pageNum=1`;
  const ask = (authorization?: string): Promise<Response> =>
    fetch(apiHost + uri, { headers: { accept: VERSIONED, ...(authorization === undefined ? {} : { authorization }) } });
  const first = await ask();
  assert.equal(first.status, 401);
  assert.equal(first.headers.get("x-error-code"), "UNEXPECTED_ERROR");
  assert.deepEqual(Object.keys((await first.json()) as object), ["detail", "error", "errorCode", "parameters", "reason"]);
  const nonce = /nonce="(\w+)"/.exec(first.headers.get("www-authenticate") ?? "")?.[1] ?? "";
  const md5 = (text: string): string => createHash("md5").update(text).digest("hex");
  const sign = (nc: string): string => {
    const who = md5(`${publicKey}:MMS Public API:${privateKey}`);
    const response = md5([who, nonce, nc, "cafe", "auth", md5(`GET:${uri}`)].join(":"));
    return `Digest username="${publicKey}", realm="MMS Public API", nonce="${nonce}", uri="${uri}", qop=auth, nc=${nc}, cnonce="cafe", response="${response}"`;
  };
  assert.equal((await ask(sign("00000001"))).status, 200);
  assert.equal((await ask(sign("00000002"))).status, 200);
  const again = await ask(sign("00000002"));
  assert.equal(again.status, 401);
  assert.match(again.headers.get("www-authenticate") ?? "", /stale=true/);
});

test("R54 API calls from other addresses than the listed ones are refused, but not the call for a token", async () => {
  await using atlas = await startAtlas({ apiAccessList: ["10.0.0.0/8"] });
  assert.equal(await atlas.refused(403, "GET", "/clusters"), "IP_ADDRESS_NOT_ON_ACCESS_LIST");
});

test("R54 the newest version not after the date answers and is named; without one nothing is done", async () => {
  await using atlas = await startAtlas();
  const typed = async (accept: string, path = "/clusters"): Promise<[number, string | null]> => {
    const { status, headers } = await atlas.call("GET", path, undefined, { accept });
    return [status, headers.get("content-type")];
  };
  assert.deepEqual(await typed(VERSIONED), [200, "application/vnd.atlas.2024-08-05+json"]);
  assert.deepEqual(await typed("application/vnd.atlas.2023-06-01+json"), [200, "application/vnd.atlas.2023-02-01+json"]);
  assert.deepEqual(await typed("application/vnd.atlas.2023-06-01+json", "/backup/exportBuckets"), [410, "application/json"]);
  assert.deepEqual(await typed("application/json"), [406, "application/json"]);
  const unversioned = await atlas.call("POST", "/clusters", clusterBody("new"), { "content-type": "application/json" });
  assert.equal(unversioned.status, 415);
  assert.equal((await atlas.expect(200, "GET", "/clusters")).totalCount, 1);
});

test("R54 an error names its code in the body and in a header; limits are told with every answer", async () => {
  await using atlas = await startAtlas({ rateLimits: { events: { capacity: 2, refillRate: 1, refillDurationSeconds: 60 } } });
  const { status, body, headers } = await atlas.call("GET", "/clusters/none");
  assert.equal(status, 404);
  assert.equal(headers.get("x-error-code"), "CLUSTER_NOT_FOUND");
  assert.deepEqual(body, {
    detail: `No cluster named none exists in group ${atlas.sandbox.groupId}.`,
    error: 404,
    errorCode: "CLUSTER_NOT_FOUND",
    parameters: ["none", atlas.sandbox.groupId],
    reason: "Not Found",
  });
  assert.equal(headers.get("ratelimit-limit"), "10000");
  await atlas.expect(200, "GET", "/events");
  await atlas.expect(200, "GET", "/events");
  const tooMany = await atlas.call("GET", "/events");
  assert.deepEqual([tooMany.status, tooMany.body.errorCode], [429, "RATE_LIMITED_TOKEN_BUCKET"]);
  assert.equal(tooMany.headers.get("retry-after"), "60");
  assert.equal(await atlas.refused(404, "GET", `//groups/${"0".repeat(24)}/clusters`), "GROUP_NOT_FOUND");
  assert.equal(await atlas.refused(405, "PUT", "/clusters"), "METHOD_NOT_ALLOWED");
  const enveloped = await atlas.expect(200, "GET", "/clusters?envelope=true");
  assert.deepEqual([enveloped.status, enveloped.content.results.length], [200, 1]);
});

test("R54 a cluster is CREATING without an address, then IDLE; it is changed, paused, protected, deleted", async () => {
  await using atlas = await startAtlas();
  const made = await atlas.expect(201, "POST", "/clusters", clusterBody("scratch", "M20", { tags: [{ key: "lifeboat", value: "job" }] }));
  assert.deepEqual([made.stateName, made.connectionStrings, made.backupEnabled], ["CREATING", {}, false]);
  assert.equal(await atlas.refused(409, "PATCH", "/clusters/scratch", { paused: true }), "CLUSTER_BEING_CREATED");
  const ready = await atlas.until("/clusters/scratch", (cluster) => cluster.stateName === "IDLE");
  assert.match(ready.connectionStrings.standard, /^mongodb:\/\/127\.0\.0\.1:\d+\//);
  assert.deepEqual(ready.tags, [{ key: "lifeboat", value: "job" }]);
  const { electableSpecs } = ready.effectiveReplicationSpecs[0].regionConfigs[0];
  assert.deepEqual([electableSpecs.instanceSize, electableSpecs.diskSizeGB], ["M20", 20]);
  const data = await atlas.data("scratch");
  await data.db("a").collection("b").insertOne({ c: 1 });

  const changed = await atlas.expect(200, "PATCH", "/clusters/scratch", { terminationProtectionEnabled: true, paused: true });
  assert.equal(changed.stateName, "UPDATING");
  await atlas.until("/clusters/scratch", (cluster) => cluster.stateName === "IDLE" && cluster.paused);
  await assert.rejects(data.db("a").collection("b").findOne({}));
  const protectedBy = "CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED";
  assert.equal(await atlas.refused(400, "DELETE", "/clusters/scratch"), protectedBy);
  const unprotect = { terminationProtectionEnabled: false };
  assert.equal(await atlas.refused(409, "PATCH", "/clusters/scratch", unprotect), "CANNOT_UPDATE_PAUSED_CLUSTER");
  await atlas.expect(200, "PATCH", "/clusters/scratch", { paused: false });
  await atlas.until("/clusters/scratch", (cluster) => cluster.stateName === "IDLE");
  assert.equal((await data.db("a").collection("b").findOne({}))?.c, 1);
  await atlas.expect(200, "PATCH", "/clusters/scratch", unprotect);

  const ended = await atlas.call("DELETE", "/clusters/scratch");
  assert.deepEqual([ended.status, ended.body], [202, {}]);
  assert.equal((await atlas.expect(200, "GET", "/clusters/scratch")).stateName, "DELETING");
  await atlas.sandbox.advance(180_000);
  assert.equal(await atlas.refused(404, "GET", "/clusters/scratch"), "CLUSTER_NOT_FOUND");
  await assert.rejects(data.db("a").collection("b").findOne({}));
});

test("R54 what a cluster cannot be is refused by the code that says why", async () => {
  await using atlas = await startAtlas({ clusters: [{ name: "lifeboat-20261121-abcdef" }, { name: "free", tier: "M0" }] });
  const create = async (body: object): Promise<string> => atlas.refused(400, "POST", "/clusters", body);
  assert.equal(await create(clusterBody("lifeboat-20261121-abcdef")), "DUPLICATE_CLUSTER_NAME");
  assert.equal(await create(clusterBody("lifeboat-20261121-abcdeg")), "DUPLICATE_CLUSTER_NAME");
  assert.equal(await create(clusterBody("exactly-twenty-two-cha-x")), "CLUSTER_NAME_PREFIX_INVALID");
  assert.equal(await create(clusterBody("-x")), "INVALID_ATTRIBUTE");
  assert.equal(await create(clusterBody("x", "M10", { pitEnabled: true })), "CONTINUOUS_BACKUP_REQUIRES_CLOUD_BACKUP");
  assert.equal(await create(clusterBody("x", "M10", { backupEnable: true })), "INVALID_ATTRIBUTE");
  assert.equal(await create(clusterBody("x", "FLEX")), "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API");
  assert.equal(await create(clusterBody("x", "M11")), "INVALID_INSTANCE_SIZE");
  assert.equal(await create(clusterBody("x", "M10", { clusterType: "SHARDED" })), "INVALID_CLUSTER_CONFIGURATION");
  const key = { encryptionAtRestProvider: "AWS" };
  assert.equal(await create(clusterBody("x", "M10", key)), "CANNOT_ENABLE_ENCRYPTION_AT_REST_WITHOUT_VALID_CONFIG");
  assert.equal(await atlas.refused(400, "PATCH", "/clusters/free", { backupEnabled: true }), "TENANT_CLUSTER_UPDATE_UNSUPPORTED");
  await atlas.expect(200, "PATCH", "/encryptionAtRest", { awsKms: { enabled: true, region: "EU_CENTRAL_1", secretAccessKey: "s" } });
  const { awsKms } = await atlas.expect(200, "GET", "/encryptionAtRest");
  assert.deepEqual(awsKms, { enabled: true, region: "EU_CENTRAL_1", valid: true });
  assert.equal((await atlas.expect(201, "POST", "/clusters", clusterBody("x", "M10", key))).encryptionAtRestProvider, "AWS");
});

test("R54 TLS and the log's hours are settings of a cluster's processes", async () => {
  await using atlas = await startAtlas();
  const path = `/clusters/${atlas.sandbox.cluster}`;
  const before = await atlas.expect(200, "GET", `${path}/processArgs`);
  assert.deepEqual([before.minimumEnabledTlsProtocol, before.oplogMinRetentionHours], ["TLS1_2", null]);
  await atlas.expect(200, "PATCH", `${path}/processArgs`, { minimumEnabledTlsProtocol: "TLS1_3", oplogMinRetentionHours: 48 });
  await atlas.until(path, (cluster) => cluster.stateName === "IDLE");
  const after = await atlas.expect(200, "GET", `${path}/processArgs`);
  assert.deepEqual([after.minimumEnabledTlsProtocol, after.oplogMinRetentionHours], ["TLS1_3", 48]);
  assert.equal((await atlas.expect(200, "GET", path)).advancedConfiguration.minimumEnabledTlsProtocol, "TLS1_3");
});

test("R54 the access list takes several entries, and those with an end are gone by then", async () => {
  await using atlas = await startAtlas();
  const until = new Date(atlas.sandbox.now().getTime() + 3_600_000).toISOString();
  const listed = await atlas.expect(200, "POST", "/accessList", [
    { ipAddress: "1.2.3.4", deleteAfterDate: until },
    { cidrBlock: "10.0.0.0/8" },
  ]);
  assert.deepEqual(
    listed.results.map((entry: { cidrBlock: string }) => entry.cidrBlock),
    ["1.2.3.4/32", "10.0.0.0/8"],
  );
  assert.equal((await atlas.expect(200, "GET", "/accessList/10.0.0.0%2F8")).cidrBlock, "10.0.0.0/8");
  const far = new Date(atlas.sandbox.now().getTime() + 8 * 86_400_000).toISOString();
  await atlas.refused(400, "POST", "/accessList", [{ ipAddress: "1.2.3.5", deleteAfterDate: far }]);
  await atlas.refused(400, "POST", "/accessList", [{ ipAddress: "1.2.3" }]);
  await atlas.sandbox.advance(3_600_000);
  assert.equal((await atlas.expect(200, "GET", "/accessList")).totalCount, 1);
});

test("R54 events tell what happened, newest first, by type, cluster and time", async () => {
  await using atlas = await startAtlas();
  const { cluster } = atlas.sandbox;
  await atlas.expect(200, "PATCH", `/clusters/${cluster}/backup/schedule`, { restoreWindowDays: 3 });
  const query = `eventType=CPS_SNAPSHOT_SCHEDULE_UPDATED_AUDIT&eventType=CLUSTER_READY&clusterNames=${cluster}`;
  const { results } = await atlas.expect(200, "GET", `/events?${query}`);
  assert.deepEqual(
    results.map((event: { eventTypeName: string }) => event.eventTypeName),
    ["CPS_SNAPSHOT_SCHEDULE_UPDATED_AUDIT", "CLUSTER_READY"],
  );
  assert.equal((await atlas.expect(200, "GET", `/events/${results[0].id}`)).clusterName, cluster);
  const later = new Date(atlas.sandbox.now().getTime() + 60_000).toISOString();
  assert.equal((await atlas.expect(200, "GET", `/events?minDate=${later}`)).totalCount, 0);
  assert.equal((await atlas.expect(200, "GET", "//orgs")).results[0].id, atlas.sandbox.orgId);
  assert.equal((await atlas.expect(200, "GET", "")).id, atlas.sandbox.groupId);
});

test("R54 what Atlas's command line asks for in an older form is answered in that form", async () => {
  await using atlas = await startAtlas();
  const older = (date: string) => ({ accept: `application/vnd.atlas.${date}+json`, "content-type": `application/vnd.atlas.${date}+json` });
  const cluster = `/clusters/${atlas.sandbox.cluster}`;
  for (const date of ["2023-01-01", "2023-02-01"]) {
    const { status, body } = await atlas.call("GET", cluster, undefined, older(date));
    assert.equal(status, 200);
    assert.equal(body.diskSizeGB, 10);
    const [spec] = body.replicationSpecs;
    assert.equal(spec.numShards, 1);
    assert.deepEqual(
      [spec.regionConfigs[0].electableSpecs.instanceSize, "diskSizeGB" in spec.regionConfigs[0].electableSpecs],
      ["M10", false],
    );
    assert.equal((await atlas.call("GET", "/clusters", undefined, older(date))).body.results[0].diskSizeGB, 10);
    assert.equal((await atlas.call("GET", `${cluster}/backup/schedule`, undefined, older(date))).body.restoreWindowDays, 7);
  }
  const replicationSpecs = [
    {
      numShards: 1,
      regionConfigs: [
        { providerName: "AWS", regionName: "EU_CENTRAL_1", priority: 7, electableSpecs: { instanceSize: "M20", nodeCount: 3 } },
      ],
    },
  ];
  const made = await atlas.call("POST", "/clusters", { name: "old", replicationSpecs, diskSizeGB: 33 }, older("2023-02-01"));
  assert.deepEqual([made.status, made.body.diskSizeGB], [201, 33]);
  const now = await atlas.expect(200, "GET", "/clusters/old");
  assert.equal(now.replicationSpecs[0].regionConfigs[0].electableSpecs.diskSizeGB, 33);
  assert.deepEqual(await atlas.expect(200, "GET", `${cluster}/autoScalingConfiguration`), { autoScalingMode: "CLUSTER_WIDE_SCALING" });
  assert.deepEqual((await atlas.expect(200, "GET", "/alerts?status=OPEN")).results, []);
});
