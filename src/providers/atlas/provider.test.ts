import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { testMaker } from "../../../test/support/maker.ts";
import { isLifeboatError, type LifeboatError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import type { Provider } from "../../ports/provider.ts";
import { ACCOUNT_AUTH, type Answer, clusterBody, failure, GROUP, HASTE, realClock, type Seen, serve } from "./api/testing.ts";
import type { AtlasOptions } from "./options.ts";
import { createAtlasProvider } from "./provider.ts";

const MAKER = testMaker("0123456789abcd");

const PASSWORD = "p@ss/w:rd%";

async function providerOf(
  t: TestContext,
  cluster: Answer | undefined,
  more: Partial<AtlasOptions> = {},
  other?: (request: Seen) => Answer | undefined,
) {
  const service = await serve(t, (request) => (request.url === `/api/atlas/v2/groups/${GROUP}/clusters/shop` ? cluster : other?.(request)));
  const provider: Provider = createAtlasProvider({
    groupId: GROUP,
    cluster: "shop",
    credentials: ACCOUNT_AUTH,
    apiHost: service.host,
    user: "app user",
    password: Secret.of(PASSWORD),
    desired: { protect: false, rules: [] },
    clock: realClock,
    timeouts: HASTE,
    ...more,
  });
  return { provider, service };
}

async function failureOf(wanted: Promise<unknown>): Promise<LifeboatError> {
  try {
    await wanted;
  } catch (error) {
    if (isLifeboatError(error)) return error;
    throw error;
  }
  assert.fail("it was expected to fail");
}

const shop = (more: Readonly<Record<string, unknown>> = {}): Answer => ({ status: 200, body: clusterBody("shop", more) });

test("the connection is Atlas's own string with user, password and database; its label has no password", async (t) => {
  const { provider } = await providerOf(t, shop(), { database: "orders" });
  const { url, label } = await provider.connection();
  assert.equal(
    url,
    "mongodb://app%20user:p%40ss%2Fw%3Ard%25@a.example.net:27017,b.example.net:27017/orders?ssl=true&authSource=admin&replicaSet=atlas-x",
  );
  assert.equal(label, "orders at a.example.net:27017 and 1 more as app user");
  assert.ok(!label.includes(PASSWORD));
});

test("where Atlas gives the short form only, that is taken", async (t) => {
  const { provider } = await providerOf(t, shop({ connectionStrings: { standardSrv: "mongodb+srv://shop.abc12.mongodb.net" } }));
  assert.equal((await provider.connection()).url, "mongodb+srv://app%20user:p%40ss%2Fw%3Ard%25@shop.abc12.mongodb.net/");
});

test("a cluster that is paused, or has no address yet, is not connected to", async (t) => {
  const paused = await providerOf(t, shop({ paused: true }));
  assert.equal((await failureOf(paused.provider.connection())).code, "PROVIDER_REFUSED");
  const young = await providerOf(t, shop({ stateName: "CREATING", connectionStrings: {} }));
  assert.equal((await failureOf(young.provider.connection())).code, "PROVIDER_BUSY");
});

test("user and password are asked for by name where a server is not on this machine", async (t) => {
  for (const missing of ["user", "password"] as const) {
    const { provider } = await providerOf(t, shop(), { [missing]: undefined });
    const error = await failureOf(provider.connection());
    assert.equal(error.code, "SECRET_MISSING");
    assert.match(error.message, missing === "user" ? /the database user/ : /the password/);
  }
});

test("R16 a sharded cluster is refused before anything is made, and its snapshots are listed", async (t) => {
  const spec = { regionConfigs: [{ providerName: "AWS", regionName: "EU_CENTRAL_1", electableSpecs: { instanceSize: "M30" } }] };
  const sharded = shop({ clusterType: "SHARDED", replicationSpecs: [spec, spec] });
  const { provider, service } = await providerOf(t, sharded, {}, ({ url }) => {
    if (url.includes("shardedClusters"))
      return {
        status: 200,
        body: {
          results: [
            {
              id: "6b016fa73f5cb4888a72e0d7",
              status: "completed",
              snapshotType: "scheduled",
              frequencyType: "daily",
              createdAt: "2026-11-20T00:00:00Z",
            },
          ],
        },
      };
    return url.includes("backupCompliancePolicy") ? failure(404, "BACKUP_COMPLIANCE_POLICY_NOT_FOUND") : undefined;
  });
  const { history, snapshots } = provider;
  const target = { kind: "time", at: new Date() } as const;
  const declare = async (): Promise<void> => assert.fail("nothing is declared");
  assert.equal(
    (await failureOf(history?.branch({ name: "x", target, maker: MAKER, declare }) ?? Promise.resolve())).code,
    "CAPABILITY_MISSING",
  );
  assert.equal((await failureOf(history?.inPlace({ target, keepAs: "x" }) ?? Promise.resolve())).code, "CAPABILITY_MISSING");
  assert.equal((await failureOf(provider.checkScratch(8))).code, "CAPABILITY_MISSING");
  assert.deepEqual(
    (await snapshots?.list())?.map(({ name }) => name),
    ["daily-20261120-0000"],
  );
  assert.ok(service.seen.every(({ method, url }) => method === "GET" || url.endsWith("/token")));
});

test("a compliance policy that this key may not see is unknown, not absent, and stops nothing", async (t) => {
  const { provider } = await providerOf(t, shop(), {}, ({ url }) => {
    if (url.includes("backupCompliancePolicy")) return failure(403, "USER_UNAUTHORIZED");
    if (url.includes("/snapshots") || url.includes("/restoreJobs") || /lusters(\?|$)/.test(url))
      return { status: 200, body: { results: [] } };
    return url.includes("/schedule") ? { status: 200, body: { policies: [], restoreWindowDays: 7 } } : undefined;
  });
  const state = await provider.settings?.read();
  assert.equal(state?.settings.compliancePolicy, "unknown");
  assert.equal(state?.window, undefined);
  assert.ok(state?.warnings.some((warning) => /no complete snapshot yet/.test(warning)));
});

test("what cannot be right is refused before anything is asked", async () => {
  const options: AtlasOptions = {
    groupId: GROUP,
    cluster: "shop",
    credentials: ACCOUNT_AUTH,
    desired: { protect: false, rules: [] },
    clock: realClock,
  };
  const invalid = (error: unknown): boolean => isLifeboatError(error, "CONFIG_INVALID");
  assert.throws(() => createAtlasProvider({ ...options, groupId: "x" }), invalid);
  assert.throws(() => createAtlasProvider({ ...options, cluster: "" }), invalid);
  await assert.rejects(createAtlasProvider({ ...options, scratch: { url: Secret.of("postgres://x") } }).checkScratch(8), invalid);
});
