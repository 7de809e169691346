import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Secret } from "../../src/core/secret.ts";
import type { Resource } from "../../src/ports/resource.ts";
import {
  asked,
  atlasSandbox,
  clusterNames,
  failureOf,
  inMongo,
  JOB,
  journal,
  providerOf,
  values,
  write,
} from "../support/atlas-provider.ts";
import { testMaker } from "../support/maker.ts";

const MAKER = testMaker(JOB);

test("R16 a restore to any second makes a cluster with exactly the data before that second", async (t) => {
  const sandbox = await atlasSandbox(t);
  const { history, undo, orphans } = providerOf(sandbox);
  await write(sandbox, [1, 2]);
  const second = await write(sandbox, [3]);
  await write(sandbox, [4]);
  await inMongo(sandbox.url, (client) => client.db("shop").collection("orders").deleteMany({}));

  const { declared, declare } = journal();
  const name = history.scratchName(MAKER);
  assert.equal(name, `lifeboat-${JOB}`);
  const branch = await history.branch({ name, target: { kind: "time", at: new Date(second.getTime() + 345) }, maker: MAKER, declare });
  assert.deepEqual(await values(branch.connection), [1, 2, 3]);
  assert.deepEqual(await values({ url: sandbox.url }), []);
  assert.ok(
    branch.warnings.some((warning) => /rounded down/.test(warning)),
    branch.warnings.join("; "),
  );
  assert.equal(declared.length, 1);
  assert.deepEqual(await orphans(testMaker), [
    {
      jobId: JOB,
      resource: branch.resource,
      own: true,
    },
  ]);

  assert.equal(await undo(branch.resource, MAKER), "removed");
  assert.deepEqual(clusterNames(sandbox), [sandbox.cluster]);
  assert.equal(await undo(branch.resource, MAKER), "absent", "what is gone is gone");
});

test("R16 a position in the oplog comes back exactly: what lies before it, and nothing from it on", async (t) => {
  const sandbox = await atlasSandbox(t);
  const { history } = providerOf(sandbox);
  await write(sandbox, [1]);
  await inMongo(sandbox.url, (client) =>
    client
      .db("shop")
      .collection("orders")
      .insertOne({ _id: 2 as never }),
  );
  const server = sandbox.clusters()[0]?.server;
  const { t: seconds, i: increment } = server?.position() ?? { t: 0, i: 0 };
  await inMongo(sandbox.url, (client) =>
    client
      .db("shop")
      .collection("orders")
      .insertOne({ _id: 3 as never }),
  );
  const lsnOf = (i: number): string => `${seconds.toString(16)}/${i.toString(16)}`.toUpperCase();
  const before = await history.branch({
    name: "before-exact",
    target: { kind: "lsn", lsn: lsnOf(increment) },
    maker: MAKER,
    declare: journal().declare,
  });
  assert.deepEqual(await values(before.connection), [1]);
  const lsn = lsnOf(increment + 1);
  const branch = await history.branch({ name: "restore-exact", target: { kind: "lsn", lsn }, maker: MAKER, declare: journal().declare });
  assert.deepEqual(await values(branch.connection), [1, 2]);
  assert.deepEqual((await history.find("restore-exact"))?.production, false);
  await history.remove(branch.id);
  assert.equal(await history.find("restore-exact"), undefined);
});

test("R16 a snapshot is restored into a tagged cluster like the source, without backup and protection", async (t) => {
  const sandbox = await atlasSandbox(t, { clusters: [{ tier: "M30", provider: "GCP", region: "EUROPE_WEST_3", protect: true }] });
  const { history, snapshots } = providerOf(sandbox);
  await write(sandbox, [1, 2, 3]);
  const kept = await snapshots.create({ name: "before-sale", form: "snapshot" });
  await write(sandbox, [4]);
  const branch = await history.branch({
    name: history.scratchName(MAKER),
    target: { kind: "snapshot", id: kept.id, form: "snapshot" },
    maker: MAKER,
    declare: journal().declare,
  });
  assert.deepEqual(await values(branch.connection), [1, 2, 3]);
  const made = sandbox.store.clusters.get(`lifeboat-${JOB}`)?.settings;
  const [region] = made?.replicationSpecs[0]?.regionConfigs ?? [];
  assert.deepEqual(
    [region?.cloud, region?.regionName, region?.electableSpecs.instanceSize, region?.electableSpecs.diskSizeGB],
    ["GCP", "EUROPE_WEST_3", "M10", 40],
  );
  assert.deepEqual([made?.backupEnabled, made?.pitEnabled, made?.terminationProtectionEnabled], [false, false, false]);
  assert.match(made?.tags.find(({ key }) => key === "lifeboat")?.value ?? "", new RegExp(`^${JOB} [0-9a-z]{26}$`));
});

test("R16 `latest` is the end of the window; an instant outside is refused with both ends, without effects", async (t) => {
  const sandbox = await atlasSandbox(t);
  const { history } = providerOf(sandbox);
  await write(sandbox, [1]);
  const window = await history.window();
  assert.ok(window);
  for (const at of [new Date(window.earliest.getTime() - 1000), new Date(sandbox.now().getTime() + 3_600_000)]) {
    const { declared, declare } = journal();
    const error = await failureOf(history.branch({ name: "restore-never", target: { kind: "time", at }, maker: MAKER, declare }));
    assert.equal(error.code, "RECOVERY_TARGET_OUTSIDE_WINDOW");
    assert.match(error.message, new RegExp(window.earliest.toISOString()));
    assert.deepEqual(declared, []);
    const [obstacle] = await history.obstacles({ target: { kind: "time", at }, inPlace: false });
    assert.match(obstacle ?? "", /cannot be restored to/);
  }
  assert.equal(asked(sandbox, "POST", /clusters$/), 0);
  const branch = await history.branch({ name: "restore-latest", target: { kind: "latest" }, maker: MAKER, declare: journal().declare });
  assert.deepEqual(await values(branch.connection), [1]);
});

test("R16 a restore in place keeps the previous state as a snapshot and reports the gap that follows", async (t) => {
  const sandbox = await atlasSandbox(t);
  const { history, snapshots, settings } = providerOf(sandbox);
  const good = await write(sandbox, [1, 2]);
  await write(sandbox, [666]);
  assert.match(history.interruption ?? "", /cannot be reached until/);
  const before = await providerOf(sandbox).connection();
  const back = await history.inPlace({ target: { kind: "time", at: good }, keepAs: "rollback-20261121" });
  assert.equal(back.connection.url, before.url);
  assert.deepEqual(await values(back.connection), [1, 2]);
  assert.equal(back.kept.form, "snapshot");
  const found = await history.find("rollback-20261121");
  assert.deepEqual([found?.id, found?.form, found?.production], [back.kept.id, "snapshot", false]);
  const kept = (await snapshots.list()).find(({ name }) => name === "rollback-20261121");
  assert.equal(kept?.id, back.kept.id);

  await sandbox.advance(60_000);
  assert.ok((await settings.read()).warnings.some((warning) => /take one now/.test(warning)));
  const gone = await failureOf(
    history.branch({ name: "restore-gap", target: { kind: "time", at: sandbox.now() }, maker: MAKER, declare: journal().declare }),
  );
  assert.match(gone.message, /no history between/);
  await snapshots.create({ name: "after", form: "snapshot" });
  await sandbox.advance(60_000);
  const again = await history.branch({ name: "restore-after", target: { kind: "latest" }, maker: MAKER, declare: journal().declare });
  assert.deepEqual(await values(again.connection), [1, 2]);
  const undone = await history.branch({
    name: "restore-kept",
    target: { kind: "snapshot", id: back.kept.id, form: "snapshot" },
    maker: MAKER,
    declare: journal().declare,
  });
  assert.deepEqual(await values(undone.connection), [1, 2, 666]);
});

test("R16 a given cluster is restored over; production is refused there, and one that is not there is told", async (t) => {
  const sandbox = await atlasSandbox(t, { clusters: [{}, { name: "staging" }] });
  const { history } = providerOf(sandbox);
  const good = await write(sandbox, [1]);
  await write(sandbox, [2]);
  const staging = await history.over({ name: "staging", target: { kind: "time", at: good } });
  assert.deepEqual(await values(staging.connection), [1]);
  assert.deepEqual(await values({ url: sandbox.url }), [1, 2]);
  assert.equal((await failureOf(history.over({ name: sandbox.cluster, target: { kind: "time", at: good } }))).code, "SOURCE_WRITE_REFUSED");
  assert.equal((await failureOf(history.over({ name: "nobody", target: { kind: "time", at: good } }))).code, "BRANCH_UNKNOWN");
});

test("R16 chosen collections come back into the running cluster, beside what is there or over it", async (t) => {
  const sandbox = await atlasSandbox(t);
  const { history } = providerOf(sandbox, { database: "shop" });
  await write(sandbox, [1, 2]);
  const good = await write(sandbox, [10], "users");
  await inMongo(sandbox.url, (client) => client.db("shop").collection("orders").deleteMany({}));
  await sandbox.advance(2_000);
  const target = { kind: "time", at: good } as const;
  const beside = await history.tables({ target, tables: ["orders"], replace: false, suffix: "_restored" });
  assert.deepEqual(beside.restored, ["orders_restored"]);
  assert.deepEqual([await values({ url: sandbox.url }), await values({ url: sandbox.url }, "orders_restored")], [[], [1, 2]]);
  const over = await history.tables({ target, tables: ["orders"], replace: true, suffix: "" });
  assert.deepEqual(over.restored, ["orders"]);
  assert.deepEqual(await values({ url: sandbox.url }), [1, 2]);
  const none = await failureOf(history.tables({ target, tables: ["no_such"], replace: true, suffix: "" }));
  assert.match(none.message, /not there at that time|ended as FAILED/);
});

test("R16 a cluster that is protected from termination is not restored over", async (t) => {
  const sandbox = await atlasSandbox(t, { clusters: [{}, { name: "staging" }] });
  const good = await write(sandbox, [1]);
  const cluster = sandbox.store.clusters.get("staging");
  assert.ok(cluster);
  cluster.settings = { ...cluster.settings, terminationProtectionEnabled: true };
  const error = await failureOf(providerOf(sandbox).history.over({ name: "staging", target: { kind: "time", at: good } }));
  assert.match(`${error.code} ${error.message}`, /^PROVIDER_REFUSED .*staging is protected from termination/);
});

test("R16 a cluster that Lifeboat has not made, and production, are never removed", async (t) => {
  const sandbox = await atlasSandbox(t, { clusters: [{}, { name: "staging" }] });
  const { history, undo } = providerOf(sandbox);
  const staging = await history.find("staging");
  const source = await history.find(sandbox.cluster);
  assert.ok(staging && source?.production);
  assert.match((await failureOf(history.remove(staging.id))).message, /Lifeboat has not made it/);
  assert.match((await failureOf(history.remove(source.id))).message, /it is production/);
  const locator = { groupId: sandbox.groupId, name: "staging" };
  assert.equal((await failureOf(undo({ kind: "atlas-cluster", locator }, MAKER))).code, "PROVIDER_REFUSED");
  assert.equal(
    (await failureOf(undo({ kind: "atlas-cluster", locator: { ...locator, name: sandbox.cluster } }, MAKER))).code,
    "PROVIDER_REFUSED",
  );
  assert.equal(await undo({ kind: "atlas-cluster", locator: { ...locator, groupId: "f".repeat(24) } }, MAKER), "elsewhere");
  assert.deepEqual(clusterNames(sandbox), [sandbox.cluster, "staging"]);
});

test("R16 scratch for a backup is a cluster of its own, which ends with the job", async (t) => {
  const sandbox = await atlasSandbox(t);
  const provider = providerOf(sandbox, { scratchTier: "M20" });
  assert.match(await provider.checkScratch(8), /M20.*billed while it lasts/);
  const { declared, declare } = journal();
  const scratch = await provider.beginScratch({ maker: testMaker(JOB), serverMajor: 8, declare });
  assert.equal(scratch.ownServer, true);
  assert.deepEqual(declared, [scratch.resource]);
  await inMongo(scratch.connection.url, (client) => client.db("x").collection("y").insertOne({ a: 1 }));
  await Promise.all([scratch.end(), scratch.end()]);
  assert.deepEqual(clusterNames(sandbox), [sandbox.cluster]);
  assert.deepEqual(await provider.orphans(testMaker), []);
});

test("without a database user the connection is refused with what to set, before any cluster is paid for", async (t) => {
  const sandbox = await atlasSandbox(t);
  const { history, connection } = providerOf(sandbox, { password: undefined });
  const error = await failureOf(connection());
  assert.equal(error.code, "SECRET_MISSING");
  assert.match(error.hint, /ATLAS_PASSWORD/);
  const { declared, declare } = journal();
  assert.equal(
    (await failureOf(history.branch({ name: "restore-x", target: { kind: "latest" }, maker: MAKER, declare }))).code,
    "SECRET_MISSING",
  );
  assert.deepEqual(declared, []);
});

test("R16 ten seconds one after another, in no order, each come back as what was there before them", async (t) => {
  const sandbox = await atlasSandbox(t, { speed: 20_000, clusters: [{}, { name: "staging" }] });
  const { history } = providerOf(sandbox);
  const seconds: Date[] = [];
  for (let value = 1; value <= 10; value++) seconds.push(await write(sandbox, [value]));
  for (const index of [7, 0, 9, 3, 5, 1, 8, 2, 6, 4]) {
    const at = seconds[index];
    assert.ok(at);
    const place = await history.over({ name: "staging", target: { kind: "time", at } });
    assert.deepEqual(
      await values(place.connection),
      Array.from({ length: index + 1 }, (_, before) => before + 1),
      at.toISOString(),
    );
  }
});

test("R16 patterns of collections are resolved in the snapshot before the second, in every database", async (t) => {
  const sandbox = await atlasSandbox(t);
  const { history, snapshots } = providerOf(sandbox);
  await write(sandbox, [1], "order_lines");
  await write(sandbox, [2], "order_heads");
  await write(sandbox, [3], "users");
  await snapshots.create({ name: "base", form: "snapshot" });
  await sandbox.advance(5_000);
  const target = { kind: "latest" } as const;
  const { restored } = await history.tables({ target, tables: ["shop.order_*"], replace: false, suffix: "_old" });
  assert.deepEqual([...restored].sort(), ["shop.order_heads_old", "shop.order_lines_old"]);
  const unknown = await failureOf(history.tables({ target, tables: ["shop.ordr*"], replace: true, suffix: "" }));
  assert.equal(unknown.code, "TABLE_UNKNOWN");
  const nameless = await failureOf(history.tables({ target, tables: ["users"], replace: true, suffix: "" }));
  assert.match(nameless.hint, /DATABASE\.users/);
});

test("R16 a name that begins as another cluster's for 23 characters is refused before anything is declared", async (t) => {
  const sandbox = await atlasSandbox(t, { clusters: [{ name: "restore-2026-11-21-1030" }] });
  const { history } = providerOf(sandbox);
  const target = { kind: "latest" } as const;
  assert.equal(await history.inTheWayOf?.("Restore-2026-11-21-1030-2"), "restore-2026-11-21-1030");
  for (const [name, code, said] of [
    ["restore-2026-11-21-1030-2", "PROVIDER_REFUSED", /first 23 characters/],
    ["restore-of-the-orders1-x", "NAME_INVALID", /first 23/],
  ] as const) {
    const { declared, declare } = journal();
    const error = await failureOf(history.branch({ name, target, maker: MAKER, declare }));
    assert.equal(error.code, code);
    assert.match(`${error.message} ${error.hint}`, said);
    assert.deepEqual(declared, []);
  }
});

test("R16 a creation refused because of a taken name is withdrawn, and nothing is left to clean up", async (t) => {
  const sandbox = await atlasSandbox(t);
  const [ours, theirs] = [providerOf(sandbox), providerOf(sandbox)];
  const target = { kind: "latest" } as const;
  const withdrawn: Resource[] = [];
  const declare = async (): Promise<void> => {
    await theirs.history.branch({ name: "restore-same", target, maker: testMaker("0000000000000z"), declare: journal().declare });
  };
  const error = await failureOf(
    ours.history.branch({ name: "restore-same", target, maker: MAKER, declare, withdraw: async (one) => void withdrawn.push(one) }),
  );
  assert.equal(error.code, "PROVIDER_REFUSED");
  assert.deepEqual(
    withdrawn.map(({ locator }) => locator.name),
    ["restore-same"],
  );
  assert.ok(clusterNames(sandbox).includes("restore-same"), "the other's is left as it is");
});

test("R16 a wrong database password is found before a cluster is made, by the plan too", async (t) => {
  const sandbox = await atlasSandbox(t);
  const provider = providerOf(sandbox, { password: Secret.of("wrong") });
  const target = { kind: "latest" } as const;
  const { declared, declare } = journal();
  const scratch = () => provider.beginScratch({ maker: MAKER, serverMajor: 8, declare });
  for (const act of [() => provider.history.branch({ name: "restore-x", target, maker: MAKER, declare }), scratch])
    assert.equal((await failureOf(act())).code, "SOURCE_AUTH");
  assert.match((await provider.history.obstacles({ target, inPlace: false })).join(), /refused the login/);
  assert.deepEqual([declared, asked(sandbox, "POST", /clusters$/)], [[], 0]);
});

test("R16 after an interrupted restore in place, the state of production is derived from Atlas's answers", async (t) => {
  const sandbox = await atlasSandbox(t, { delays: { restoreMs: 3_600_000 } });
  const provider = providerOf(sandbox);
  const since = sandbox.now();
  const good = await write(sandbox, [1]);
  const production = () => provider.history.productionAfter?.(since);
  assert.match((await production()) ?? "", /was not set back/);
  const stop = new AbortController();
  const restoring = provider.history.inPlace({ target: { kind: "time", at: good }, keepAs: "rollback-1", signal: stop.signal });
  while (asked(sandbox, "POST", /restoreJobs$/) === 0) await sleep(10);
  stop.abort(new Error("killed"));
  await assert.rejects(restoring);
  assert.match((await production()) ?? "", /still being set back and cannot be reached/);
  await sandbox.advance(3_600_000);
  assert.match((await production()) ?? "", /was set back: .* ended at/);
});
