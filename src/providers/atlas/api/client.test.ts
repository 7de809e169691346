import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError, type LifeboatError } from "../../../core/errors.ts";
import { Secret } from "../../../core/secret.ts";
import type { AtlasApi } from "./client.ts";
import { openAtlasApi } from "./client.ts";
import { ACCOUNT_AUTH, type Answer, clientOf, clusterBody, failure, GROUP, HASTE, realClock, type Seen, serve } from "./testing.ts";

const isApi = ({ url }: Seen): boolean => url.startsWith("/api/atlas");
const api = (handle: (request: Seen) => Answer | undefined) => (request: Seen) => (isApi(request) ? handle(request) : undefined);
const SHOP = { name: "shop", kind: "dedicated", type: "REPLICASET" } as const;

async function failureOf(asked: Promise<unknown>): Promise<LifeboatError> {
  try {
    await asked;
  } catch (error) {
    assert.ok(isLifeboatError(error), String(error));
    return error;
  }
  assert.fail("it did not fail");
}

test("each call names the version of its media type, both ways", async (t) => {
  const service = await serve(
    t,
    api(({ url }) => ({ status: 200, body: url.includes("schedule") ? { policies: [] } : clusterBody("shop") })),
  );
  const client = clientOf(service);
  await client.cluster("shop");
  await client.updateCluster(SHOP, { backupEnabled: true });
  await client.updateSchedule(SHOP, { windowDays: 2 });
  const [read, write, schedule] = service.seen.filter(isApi);
  assert.equal(read?.headers.accept, "application/vnd.atlas.2024-08-05+json");
  assert.equal(read?.headers["content-type"], undefined);
  assert.equal(write?.headers["content-type"], "application/vnd.atlas.2024-10-23+json");
  assert.equal(schedule?.headers.accept, "application/vnd.atlas.2024-08-05+json");
  assert.deepEqual(JSON.parse(schedule?.body ?? ""), { restoreWindowDays: 2 });
});

test("R13 nulls in answers are as good as absent", async (t) => {
  const nothing = Object.fromEntries(Object.keys(clusterBody("x")).map((key) => [key, null]));
  const service = await serve(
    t,
    api(() => ({ status: 200, body: { ...nothing, id: "aaaaaaaaaaaaaaaaaaaaaaaa", name: "shop" } })),
  );
  const cluster = await clientOf(service).cluster("shop");
  assert.deepEqual(
    [cluster?.backupEnabled, cluster?.state, cluster?.createdAt, cluster?.connectionStrings],
    [false, "IDLE", undefined, { standard: undefined, srv: undefined }],
  );
});

test("every page of a list is asked for, and the total is not believed", async (t) => {
  const row = (at: number) => ({ _id: at.toString(16).padStart(24, "0"), bucketName: `bucket-${at}`, cloudProvider: "AWS" });
  const service = await serve(
    t,
    api(({ url }) => {
      const page = Number(new URL(url, "http://x").searchParams.get("pageNum"));
      const count = page < 3 ? 500 : 7;
      return { status: 200, body: { results: Array.from({ length: count }, (_, at) => row(page * 1000 + at)), totalCount: 1 } };
    }),
  );
  const buckets = await clientOf(service).buckets();
  assert.equal(buckets.length, 1007);
  assert.equal(buckets.at(-1)?.name, "bucket-3006");
});

const CASES: readonly (readonly [status: number, errorCode: string, code: string])[] = [
  [400, "INVALID_ATTRIBUTE", "PROVIDER_REFUSED"],
  [401, "NOT_IN_GROUP", "PROVIDER_AUTH"],
  [401, "USER_UNAUTHORIZED", "PROVIDER_AUTH"],
  [402, "NO_PAYMENT_INFORMATION_FOUND", "PROVIDER_LIMIT"],
  [403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", "PROVIDER_AUTH"],
  [403, "IP_ADDRESS_NOT_ON_WHITELIST", "PROVIDER_AUTH"],
  [403, "USER_UNAUTHORIZED", "PROVIDER_AUTH"],
  [403, "CANNOT_RESTORE_TO_TARGET", "PROVIDER_REFUSED"],
  [404, "GROUP_NOT_FOUND", "PROVIDER_NOT_FOUND"],
  [400, "CLUSTER_LIMIT_EXCEEDED", "PROVIDER_LIMIT"],
  [409, "ATLAS_CLUSTER_RESTORE_IN_PROGRESS", "PROVIDER_BUSY"],
  [400, "UNFINISHED_ON_DEMAND_SNAPSHOT_IN_PROGRESS", "PROVIDER_BUSY"],
  [409, "CANNOT_UPDATE_PAUSED_CLUSTER", "PROVIDER_REFUSED"],
  [410, "VERSION_GONE", "PROVIDER_REFUSED"],
  [429, "RATE_LIMITED", "PROVIDER_BUSY"],
  [500, "UNEXPECTED_ERROR", "PROVIDER_FAILED"],
  [503, "UNEXPECTED_ERROR", "PROVIDER_FAILED"],
  [400, "INVALID_RESTORE_WINDOW", "PROVIDER_REFUSED"],
];

for (const [status, errorCode, code] of CASES) {
  test(`R13 ${status} ${errorCode} is ${code}, with Atlas's own words and code`, async (t) => {
    const service = await serve(
      t,
      api(() => failure(status, errorCode, "the reason")),
    );
    const error = await failureOf(clientOf(service, { timeouts: { outageMs: 0, busyMs: 0 } }).updateSchedule(SHOP, { windowDays: 2 }));
    assert.equal(error.code, code);
    assert.deepEqual([error.details.status, error.details.errorCode], [status, errorCode]);
    assert.match(error.message, /the reason|does not accept/);
  });
}

test("R18 a deletion that the compliance policy forbids is reported as that", async (t) => {
  const service = await serve(
    t,
    api(() => failure(403, "BACKUP_COMPLIANCE_POLICY_SNAPSHOT_DELETION_NOT_ALLOWED", "not allowed")),
  );
  const error = await failureOf(clientOf(service).deleteSnapshot(SHOP, "cccccccccccccccccccccccc"));
  assert.equal(error.code, "PROVIDER_REFUSED");
  assert.match(error.message, /Backup Compliance Policy forbids it/);
  assert.equal(error.details.compliance, true);
  assert.match(error.hint, /nothing is wrong here/);
});

test("a right that is missing is told with the role that has it", async (t) => {
  const service = await serve(
    t,
    api(() => failure(403, "USER_UNAUTHORIZED")),
  );
  const error = await failureOf(clientOf(service).createSnapshot(SHOP, { description: "x", retentionDays: 1 }));
  assert.match(error.hint, /"Project Backup Creator"/);
});

test("as long as Retry-After asks for is waited, and a wait beyond all timeouts is not begun", async (t) => {
  const service = await serve(
    t,
    api(() => failure(429, "RATE_LIMITED", "slow down", { "retry-after": "3600" })),
  );
  const error = await failureOf(clientOf(service).cluster("shop"));
  assert.equal(error.code, "PROVIDER_BUSY");
  assert.equal(service.seen.filter(isApi).length, 1);

  let asked = 0;
  const kind = await serve(
    t,
    api(() =>
      ++asked === 1 ? failure(429, "RATE_LIMITED", "slow down", { "retry-after": "0" }) : { status: 200, body: clusterBody("shop") },
    ),
  );
  assert.equal((await clientOf(kind).cluster("shop"))?.name, "shop");
});

for (const [what, answer] of [
  ["a broken connection", "drop"],
  ["a failure after the work", failure(500, "UNEXPECTED_ERROR")],
  ["a page of HTML", { status: 200, body: "<html>" }],
  ["an answer without what it must have", { status: 201, body: {} }],
] as const) {
  test(`R16 after ${what} a new cluster is looked for, and never made twice`, async (t) => {
    let made = 0;
    const service = await serve(
      t,
      api(({ method }) => {
        if (method === "GET") return made === 0 ? failure(404, "CLUSTER_NOT_FOUND") : { status: 200, body: clusterBody("new") };
        made++;
        return made > 1 ? failure(400, "DUPLICATE_CLUSTER_NAME") : answer;
      }),
    );
    const cluster = await clientOf(service).createCluster({ name: "new", cloud: "AWS", region: "EU_CENTRAL_1", tier: "M10", tags: {} });
    assert.equal(cluster.name, "new");
    assert.equal(made, 1);
  });
}

test("R16 an answer that is lost before the work is followed by one more try, which makes one", async (t) => {
  let made = 0;
  let tries = 0;
  const service = await serve(
    t,
    api(({ method }) => {
      if (method === "GET") return made === 0 ? failure(404, "CLUSTER_NOT_FOUND") : { status: 200, body: clusterBody("new") };
      if (++tries === 1) return "drop";
      made++;
      return { status: 201, body: clusterBody("new") };
    }),
  );
  await clientOf(service).createCluster({ name: "new", cloud: "AWS", region: "EU_CENTRAL_1", tier: "M10", tags: {} });
  assert.deepEqual([made, tries], [1, 2]);
});

test("R16 a restore whose answer is lost is found among the restores, by not having been there before", async (t) => {
  const job = (id: string) => ({
    id: id.repeat(24),
    deliveryType: "pointInTime",
    targetClusterName: "copy",
    failed: false,
    cancelled: false,
  });
  const jobs = [job("a")];
  const service = await serve(
    t,
    api(({ method }) => {
      if (method === "GET") return { status: 200, body: { results: jobs } };
      jobs.push(job("b"));
      return "drop";
    }),
  );
  const found = await clientOf(service).createRestore({ source: "shop", what: { seconds: 1_790_000_000 }, target: "copy" });
  assert.equal(found.id, "b".repeat(24));
  assert.equal(jobs.length, 2);
  const [post] = service.seen.filter(({ method, url }) => method === "POST" && isApi({ url } as Seen));
  assert.deepEqual(JSON.parse(post?.body ?? ""), {
    deliveryType: "pointInTime",
    targetClusterName: "copy",
    targetGroupId: GROUP,
    pointInTimeUTCSeconds: 1_790_000_000,
  });
});

test("a request without an answer ends with its deadline, and at once when it is stopped", async (t) => {
  const service = await serve(
    t,
    api(() => "stall"),
  );
  const error = await failureOf(clientOf(service, { timeouts: { requestMs: 50, outageMs: 0 } }).cluster("shop"));
  assert.equal(error.code, "PROVIDER_UNREACHABLE");
  const stop = new AbortController();
  const asked = clientOf(service).cluster("shop", { signal: stop.signal });
  setTimeout(() => stop.abort(new Error("enough")), 20);
  await assert.rejects(asked, /enough/);
});

test("what is asked of Atlas follows no redirection to another place", async (t) => {
  const thief = await serve(t, () => ({ status: 200, body: clusterBody("shop") }));
  const service = await serve(
    t,
    api(() => ({ status: 302, headers: { location: `${thief.host}/api/atlas/v2/x` }, body: {} })),
  );
  const error = await failureOf(clientOf(service, { timeouts: { outageMs: 0 } }).cluster("shop"));
  assert.equal(error.code, "PROVIDER_FAILED");
  assert.equal(thief.seen.length, 0);
});

test("a Flex cluster is found behind the refusal of the API of the others", async (t) => {
  const service = await serve(
    t,
    api(({ url }) =>
      url.includes("/flexClusters/")
        ? {
            status: 200,
            body: {
              id: "dddddddddddddddddddddddd",
              name: "small",
              providerSettings: { backingProviderName: "AWS", regionName: "EU_WEST_1" },
            },
          }
        : failure(400, "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API"),
    ),
  );
  const cluster = await clientOf(service).cluster("small");
  assert.deepEqual([cluster?.kind, cluster?.tier, cluster?.region], ["flex", "FLEX", "EU_WEST_1"]);
});

test("that a cluster is gone and that the project is not there are two things", async (t) => {
  const of = async (answer: Answer): Promise<AtlasApi> =>
    clientOf(
      await serve(
        t,
        api(() => answer),
      ),
      { timeouts: { outageMs: 0 } },
    );
  assert.equal(await (await of(failure(404, "CLUSTER_NOT_FOUND"))).cluster("shop"), undefined);
  assert.equal((await failureOf((await of(failure(404, "GROUP_NOT_FOUND"))).cluster("shop"))).code, "PROVIDER_NOT_FOUND");
  assert.equal((await failureOf((await of({ status: 404, body: "<html>" })).cluster("shop"))).code, "PROVIDER_NOT_FOUND");
});

test("what cannot be right is refused before anything is asked", async () => {
  const open = (change: object) => openAtlasApi({ groupId: GROUP, auth: ACCOUNT_AUTH, timeouts: HASTE, clock: realClock, ...change });
  const invalid = (error: unknown): boolean => isLifeboatError(error, "CONFIG_INVALID") && !error.message.includes("se cret");
  assert.throws(() => open({ groupId: "shop" }), invalid);
  assert.throws(() => open({ apiHost: "http://cloud.example.org" }), invalid);
  assert.throws(() => open({ apiHost: "https://me:it@cloud.example.org" }), invalid);
  const odd = [
    { clientId: "id", clientSecret: Secret.of("se cret") },
    { publicKey: "", privateKey: Secret.of("x") },
  ];
  for (const auth of odd) await assert.rejects(open({ auth }).cluster("shop"), invalid);
});
