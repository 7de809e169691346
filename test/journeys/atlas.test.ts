// The real program against the sandbox of Atlas: settings, snapshots, accidents, scratch clusters, and what a crash leaves.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { type AtlasSandbox, type AtlasSandboxOptions, startAtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";
import { beginWorld, editConfig, type World } from "../support/program.ts";

/** A cluster takes the real one eight minutes. */
const SPEED = 4_000;

const POLICY = `policies:
  p:
    window: 48h
    protect: true
    snapshots:
      - { name: "daily-{date}", cron: "0 0 * * *", keep: 30d }
      - { name: "weekly-{date}", cron: "0 0 * * 0", keep: 12w }
      - { name: "monthly-{month}", cron: "0 0 1 * *", keep: 12mo }
`;

interface Shop extends World {
  readonly atlas: AtlasSandbox;
  readonly client: MongoClient;
  users(): Promise<number>;
  /** Names of the clusters at Atlas. */
  clusters(): string[];
}

async function shopAtAtlas(t: TestContext, options: AtlasSandboxOptions & { readonly source?: string } = {}): Promise<Shop> {
  const { source = "policy: p", ...desired } = options;
  const atlas = await startAtlasSandbox({ speed: SPEED, ...desired });
  const client = new MongoClient(atlas.url, { serverSelectionTimeoutMS: 10_000 });
  t.after(async () => {
    await client.close();
    await atlas.close();
  });
  const users = client.db("shop").collection("users");
  await users.createIndex({ email: 1 }, { unique: true });
  await users.insertMany(Array.from({ length: 100 }, (_, n) => ({ n, email: `u${n}@example.com`, at: new Date() })));
  const world = await beginWorld(t, {
    sources: {},
    atlas: { sessions: atlas },
    source: `database: shop, ${source}`,
    yaml: POLICY,
    env: { ATLAS_USER: atlas.user, ATLAS_PASSWORD: atlas.password },
  });
  return {
    ...world,
    ...{ atlas, client },
    users: () => client.db("shop").collection("users").countDocuments(),
    clusters: () =>
      atlas
        .clusters()
        .map(({ name }) => name)
        .sort(),
  };
}

/** A second in which nothing happens. */
async function aSecond(): Promise<string> {
  await sleep(1_050 - (Date.now() % 1_000));
  const at = new Date(Math.floor(Date.now() / 1_000) * 1_000).toISOString();
  await sleep(1_050 - (Date.now() % 1_000));
  return at;
}

type Named = { readonly name: string };

test("R13 R14 R15 plan names the drift, apply fixes it once, status reports the settings", async (t) => {
  const shop = await shopAtAtlas(t, { backup: false, pit: false });
  const planned = (await shop.expect(0, "plan", "sessions", "--json")).json().sources[0];
  assert.ok(planned.drift.length >= 3, JSON.stringify(planned.drift));
  const before = (await shop.run("status", "--json")).json().sources[0];
  assert.equal(before.settings.continuousBackupEnabled, false);
  assert.ok(before.reasons.some(({ code }: { code: string }) => code === "PITR_OFF"));
  const { findings } = (await shop.run("check", "sessions", "--json")).json();
  const found = new Map(
    findings.map(({ name, outcome, message }: Record<"name" | "outcome" | "message", string>) => [name, `${outcome} ${message}`]),
  );
  assert.match(String(found.get("source sessions")), /^pass shop on server 8.*: 1 collection,/);
  assert.match(String(found.get("scratch of sessions")), /^pass a scratch cluster of Atlas/);
  const applied = (await shop.expect(0, "apply", "sessions", "--json")).json().sources[0];
  assert.deepEqual(applied.drift, []);
  assert.deepEqual((await shop.expect(0, "apply", "sessions", "--json")).json().sources[0].applied, []);
  const { settings } = (await shop.run("status", "--json")).json().sources[0];
  const { continuousBackupEnabled, snapshotRetentionInDays, pointInTimeWindowHours, terminationProtection } = settings;
  assert.deepEqual([continuousBackupEnabled, snapshotRetentionInDays, terminationProtection], [true, 30, true]);
  assert.ok(pointInTimeWindowHours >= 48);
  assert.ok("earliestRestoreTime" in settings && "encryptionAtRestProvider" in settings && "minimumTls" in settings);
  await shop.assertNothingLeft();
});

test("R16 R17 R18 Atlas: snapshots are made and listed, a drill equals the source, a second is restored", async (t) => {
  const shop = await shopAtAtlas(t);
  const made = (
    await shop.expect(0, "backup", "sessions", "--kind", "snapshot", "--name", "before", "--reason", "by hand", "--json")
  ).json().made[0];
  assert.equal(made.form, "snapshot");
  // Kept until released; at Atlas nothing is kept forever.
  assert.ok(Date.parse(made.providerEndsAt) > Date.now() + 3_600 * 86_400_000);
  const list = (await shop.expect(0, "list", "sessions", "--json")).json();
  const point = list.points.find(({ name }: Named) => name === "before");
  assert.deepEqual([point.kind, point.reason], ["snapshot", "by hand"]);
  assert.ok(list.windows[0].earliest <= list.windows[0].latest);

  const drilled = (await shop.expect(0, "drill", "sessions", "--json")).json().drills[0];
  assert.equal(drilled.verdict, "pass");
  assert.ok(drilled.checks.some(({ kind, outcome }: { kind: string; outcome: string }) => kind === "data" && outcome === "pass"));
  assert.match(drilled.point.name, /position/);
  assert.deepEqual(shop.clusters(), [shop.atlas.cluster], "the scratch cluster is gone");

  const good = await aSecond();
  await shop.client
    .db("shop")
    .collection("users")
    .deleteMany({ n: { $lt: 90 } });
  await sleep(1_100);
  const restored = await shop.run("restore", "sessions", "--to", good, "--into", "beside", "--json", "--show-password");
  assert.ok(restored.exit === 0 || restored.exit === 3, restored.stderr);
  const { place, connection } = restored.json();
  assert.equal(place.name, "beside");
  const beside = new MongoClient(connection.url);
  assert.equal(await beside.db("shop").collection("users").countDocuments(), 100);
  await beside.close();
  assert.equal(await shop.users(), 10, "production is as it was");
  const outside = await shop.run("restore", "sessions", "--to", "2020-01-01T00:00:00Z", "--json");
  assert.deepEqual([outside.exit, outside.code], [2, "RECOVERY_TARGET_OUTSIDE_WINDOW"]);
  const taken = await shop.run("restore", "sessions", "--to", good, "--into", "beside", "--json");
  assert.deepEqual([taken.exit, taken.code], [2, "USAGE"]);
  const promoted = await shop.run("promote", "beside", "--yes", "sessions", "--json");
  assert.deepEqual([promoted.exit, promoted.code], [2, "CAPABILITY_MISSING"]);
  assert.match(promoted.stderr, /point the application at the restored cluster/);
  await shop.assertNothingLeft();
});

test("R16 a restore in place requires confirmation, announces the interruption, and keeps the old state", async (t) => {
  const shop = await shopAtAtlas(t, { source: "policy: p, checks: [{ collection: users, rows: { min: 100 } }]" });
  await shop.expect(0, "backup", "sessions", "--kind", "snapshot");
  const good = await aSecond();
  await shop.client.db("shop").collection("users").deleteMany({});
  await sleep(1_100);
  const refused = await shop.run("restore", "sessions", "--to", good, "--in-place", "--json");
  assert.deepEqual([refused.exit, refused.code], [2, "CONFIRMATION_NEEDED"]);
  assert.match(refused.message ?? "", /cannot be reached until the restore has ended/);
  const back = (await shop.expect(0, "restore", "sessions", "--to", good, "--in-place", "--yes", "sessions", "--json")).json();
  assert.equal(await shop.users(), 100);
  assert.match(back.kept.name, /^rollback-\d{8}$/);
  const { windows, gaps } = (await shop.expect(0, "list", "--json")).json();
  const inGap = new Date(Date.parse(gaps[0].from) + 1_000).toISOString();
  assert.equal(gaps[0].to, null);
  assert.ok(windows[0].latest <= gaps[0].from);
  const none = await shop.run("restore", "sessions", "--to", inGap, "--into", "never", "--json");
  assert.equal(none.code, "RECOVERY_TARGET_OUTSIDE_WINDOW");
  assert.match((await shop.run("list")).stdout, /nothing after .* can be reached/);
  const kept = (await shop.expect(0, "expire", "--json"))
    .json()
    .sources[0].keep.find(({ point }: { point: Named }) => point.name === back.kept.name);
  assert.match(kept.reasons.join(), /not been accepted/);
  await shop.expect(0, "accept", back.job);
});

test("R16 after a kill during a restore in place, jobs recover says what state production is in", async (t) => {
  const shop = await shopAtAtlas(t, { delays: { restoreMs: 20_000_000 } });
  await shop.expect(0, "backup", "sessions", "--kind", "snapshot", "--name", "base");
  const running = shop.start("restore", "sessions", "--to", "base", "--in-place", "--yes", "sessions");
  const { seen } = shop.atlas.faults;
  while (!seen.some(({ method, path }) => method === "GET" && /restoreJobs\/[0-9a-f]{24}$/.test(path))) await sleep(20);
  running.kill("SIGKILL");
  await running.ended;
  const { recovered } = (await shop.run("jobs", "recover", "--json")).json();
  const [{ says, left }] = recovered;
  assert.deepEqual(left, []);
  assert.match(
    says.join("; "),
    /is still being set back and cannot be reached: restore .*; the state before is kept as snapshot rollback-/,
  );
});

test("R16 R41 two sources in one project are recovered to one instant into clusters with distinct names", async (t) => {
  const shop = await shopAtAtlas(t, {
    clusters: [{ name: "one" }, { name: "two" }],
    source: "policy: p, checks: [{ collection: users, rows: { min: 1 } }]",
  });
  editConfig(shop, (text) => text.replace(/^ {2}sessions: .*$/m, (line) => `${line}\n${line.replace("sessions:", "carts:")}`));
  const good = await aSecond();
  const { sources } = (await shop.expect(0, "recover", "--to", good, "--json")).json();
  assert.deepEqual(
    sources.map(({ verdict }: { verdict: string }) => verdict),
    ["pass", "pass"],
  );
  const names: string[] = sources.map(({ place }: { place: Named }) => place.name);
  assert.equal(new Set(names.map((name) => name.slice(0, 23))).size, 2, names.join());
  await shop.assertNothingLeft();
});

test("R16 jobs recover deletes the cluster of a killed drill; one of an unknown job is named", async (t) => {
  const stranger = "lifeboat-0dka1v00000000";
  const shop = await shopAtAtlas(t, { speed: 400, clusters: [{}, { name: stranger, backup: false }] });
  const before = shop.clusters();
  const running = shop.start("drill", "sessions", "--json");
  while (shop.clusters().length === before.length) await sleep(20);
  running.kill("SIGKILL");
  await running.ended;
  const { recovered, orphans } = (await shop.expect(3, "jobs", "recover", "--json")).json();
  assert.deepEqual(
    recovered.map(({ verb, left }: { verb: string; left: unknown[] }) => [verb, left.length]),
    [["drill", 0]],
  );
  assert.deepEqual(
    orphans.map(({ name, outcome }: { name: string; outcome: string }) => [name, outcome]),
    [[stranger, "unknown"]],
  );
  assert.deepEqual(shop.clusters(), before);
  const status = (await shop.expect(4, "status", "--json")).json().sources[0];
  assert.match(status.reasons.find(({ code }: { code: string }) => code === "ORPHANED_SCRATCH").message, new RegExp(stranger));
  await shop.assertNothingLeft();
});

/** One request of Atlas's API, as its console would make it. */
async function ask({ atlas }: Shop, method: string, path: string, version: string, body: object): Promise<unknown> {
  const basic = Buffer.from(`${atlas.clientId}:${atlas.clientSecret}`).toString("base64");
  const token = await fetch(`${atlas.apiHost}/api/oauth/token`, {
    method: "POST",
    headers: { authorization: `Basic ${basic}`, "content-type": "application/x-www-form-urlencoded" },
    body: "grant_type=client_credentials",
  });
  const type = `application/vnd.atlas.${version}+json`;
  const { access_token: bearer } = (await token.json()) as { access_token: string };
  const answer = await fetch(`${atlas.apiHost}/api/atlas/v2/groups/${atlas.groupId}${path}`, {
    ...{ method, body: JSON.stringify(body) },
    headers: { authorization: `Bearer ${bearer}`, accept: type, "content-type": type },
  });
  assert.ok(answer.ok, await answer.clone().text());
  return answer.json();
}

test("R12 R18 chosen collections are restored beside the live ones, and a snapshot is exported", async (t) => {
  const shop = await shopAtAtlas(t);
  editConfig(shop, (text) => text.replace("policies:\n  p:\n", "policies:\n  p:\n    keepManual: 1s\n"));
  await shop.expect(0, "backup", "sessions", "--kind", "snapshot", "--name", "offline", "--fingerprint");
  await shop.client
    .db("shop")
    .collection("users")
    .deleteMany({ n: { $gt: 3 } });

  const brought = (await shop.expect(0, "restore", "sessions", "--to", "offline", "--tables", "users", "--json")).json();
  assert.equal(brought.verdict, "pass");
  const [name] = brought.tables;
  assert.match(name, /^users_restored_\d{12}$/);
  assert.equal(await shop.client.db("shop").collection(name).countDocuments(), 100);
  assert.equal(await shop.users(), 4);
  const unsure = await shop.run("restore", "sessions", "--to", "offline", "--tables", "users", "--replace", "--json");
  assert.deepEqual([unsure.exit, unsure.code], [2, "CONFIRMATION_NEEDED"]);
  await shop.expect(0, "restore", "sessions", "--to", "offline", "--tables", "users", "--replace", "--yes", "sessions");
  assert.equal(await shop.users(), 100);

  const unknown = await shop.run("export", "sessions", "--point", "offline", "--bucket", "acme-offline", "--json");
  assert.deepEqual([unknown.exit, unknown.code], [2, "CAPABILITY_MISSING"]);
  const bucket = { bucketName: "acme-offline", cloudProvider: "AWS", iamRoleId: "65a1b2c3d4e5f60718293a4b" };
  await ask(shop, "POST", "/backup/exportBuckets", "2024-05-30", bucket);
  const exported = (await shop.expect(0, "export", "sessions", "--point", "offline", "--bucket", "acme-offline", "--json")).json();
  assert.deepEqual([exported.bucket, exported.point.name], ["acme-offline", "offline"]);
  assert.ok(readdirSync(await shop.atlas.bucketRoot(), { recursive: true }).length > 1);

  await shop.expect(0, "backup", "sessions", "--kind", "snapshot");
  const who = { authorizedEmail: "a@b.example", authorizedUserFirstName: "A", authorizedUserLastName: "B" };
  await ask(shop, "PUT", "/backupCompliancePolicy?overwriteBackupPolicies=false", "2023-10-01", { ...who, scheduledPolicyItems: [] });
  const { keep, remove, refused } = (await shop.expect(0, "expire", "sessions", "--json")).json().sources[0];
  assert.deepEqual([remove, refused], [[], []]);
  const pinned = keep.find(({ point }: { point: Named }) => point.name === "offline");
  assert.match(pinned.reasons.join("; "), /the provider keeps it: .*Compliance Policy/);
  await shop.assertNothingLeft();
});
