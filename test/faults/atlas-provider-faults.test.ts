import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault } from "../../packages/sandbox/atlas/faults.ts";
import type { AtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";
import { silentProgress } from "../../src/ports/progress.ts";
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

const HASTY = { outageMs: 300, busyMs: 300, silenceMs: 300 };
const made = (sandbox: AtlasSandbox, path: RegExp): number =>
  sandbox.faults.seen.filter((seen) => seen.method === "POST" && path.test(seen.path) && (seen.status ?? 500) < 300).length;
const snapshotsNamed = (sandbox: AtlasSandbox, name: string): number =>
  [...(sandbox.store.clusters.get(sandbox.cluster)?.snapshots.values() ?? [])].filter(({ description }) => description === name).length;

/** What passes by itself: everything must end well, with one of each thing. */
const PASSING: readonly (readonly [what: string, effect: Fault["effect"]])[] = [
  ["429 with Retry-After", { kind: "status", status: 429, errorCode: "RATE_LIMITED", retryAfterSeconds: 0 }],
  ["409 while something is under way", { kind: "status", status: 409, errorCode: "ATLAS_CLUSTER_RESTORE_IN_PROGRESS" }],
  ["500", { kind: "status", status: 500 }],
  ["503", { kind: "status", status: 503 }],
  ["a connection that breaks before the work", { kind: "dropBefore" }],
  ["a connection that breaks after the work", { kind: "dropAfter" }],
  ["an answer that is a page of HTML", { kind: "malformed", as: "html" }],
  ["an answer that ends too early", { kind: "malformed", as: "truncated" }],
];

/** Each request of a restore to a scratch cluster. */
const STEPS: readonly (readonly [what: string, method: string, path: RegExp])[] = [
  ["the token", "POST", /oauth\/token$/],
  ["the look at the source", "GET", /clusters\/Cluster0$/],
  ["the creation", "POST", /\/clusters$/],
  ["the wait for it", "GET", /clusters\/lifeboat-/],
  ["the restore", "POST", /restoreJobs$/],
  ["the wait for that", "GET", /restoreJobs\/[0-9a-f]{24}$/],
  ["the deletion", "DELETE", /clusters\/lifeboat-/],
];

for (const [what, effect] of PASSING) {
  test(`R16 ${what}, at whichever step: the restore ends well, from one cluster and one restore, and none is left`, async (t) => {
    const sandbox = await atlasSandbox(t, { speed: 12_000 });
    const good = await write(sandbox, [1, 2]);
    for (const [step, method, path] of STEPS) {
      // A new provider each time, so that the token is asked for again.
      const { history, undo } = providerOf(sandbox);
      sandbox.faults.seen.length = 0;
      const plan = sandbox.faults.next({ method, path, effect });
      const branch = await history.branch({
        name: history.scratchName(MAKER),
        target: { kind: "time", at: good },
        maker: MAKER,
        declare: journal().declare,
      });
      assert.deepEqual(await values(branch.connection), [1, 2], step);
      assert.equal(await undo(branch.resource, MAKER), "removed", step);
      assert.equal(plan.hits, 1, step);
      assert.deepEqual(clusterNames(sandbox), [sandbox.cluster], step);
      assert.ok(made(sandbox, /\/clusters$/) <= 1 && made(sandbox, /restoreJobs$/) <= 1, step);
      assert.equal(sandbox.store.clusters.get(sandbox.cluster)?.restoreJobs.size, STEPS.findIndex(([name]) => name === step) + 1, step);
    }
  });

  test(`R18 ${what}: a snapshot on demand is taken once`, async (t) => {
    const sandbox = await atlasSandbox(t);
    const { snapshots } = providerOf(sandbox);
    sandbox.faults.next({ method: "POST", path: /snapshots$/, effect });
    sandbox.faults.next({ method: "GET", path: /snapshots\/[0-9a-f]{24}$/, effect });
    await snapshots.create({ name: "once", form: "snapshot" });
    assert.equal(snapshotsNamed(sandbox, "once"), 1);
    sandbox.faults.next({ method: "DELETE", path: /snapshots\/[0-9a-f]{24}$/, effect });
    const [point] = (await snapshots.list()).filter(({ name }) => name === "once");
    assert.ok(point);
    await snapshots.remove(point);
    assert.equal(snapshotsNamed(sandbox, "once"), 0);
  });
}

/** What does not pass: the first cause is told, and what had been made is gone. */
for (const [what, effect, code] of [
  ["401", { kind: "status", status: 401, errorCode: "USER_UNAUTHORIZED" }, "PROVIDER_AUTH"],
  ["403", { kind: "status", status: 403, errorCode: "USER_UNAUTHORIZED" }, "PROVIDER_AUTH"],
  ["404 of the whole project", { kind: "status", status: 404, errorCode: "GROUP_NOT_FOUND" }, "PROVIDER_NOT_FOUND"],
  ["402", { kind: "status", status: 402, errorCode: "NO_PAYMENT_INFORMATION_FOUND" }, "PROVIDER_LIMIT"],
  ["400", { kind: "status", status: 400, errorCode: "INVALID_ATTRIBUTE" }, "PROVIDER_REFUSED"],
  ["500 that lasts", { kind: "status", status: 500 }, "PROVIDER_FAILED"],
  ["429 that lasts", { kind: "status", status: 429, errorCode: "RATE_LIMITED", retryAfterSeconds: 60 }, "PROVIDER_BUSY"],
  ["silence", { kind: "dropBefore" }, "PROVIDER_UNREACHABLE"],
] as const) {
  test(`R16 ${what} at the restore is ${code}, and the cluster made for it is gone`, async (t) => {
    const sandbox = await atlasSandbox(t);
    const good = await write(sandbox, [1]);
    const { history } = providerOf(sandbox, { timeouts: HASTY });
    sandbox.faults.next({ method: "POST", path: /restoreJobs$/, effect, times: Number.POSITIVE_INFINITY });
    const { declared, declare } = journal();
    const wanted = history.branch({ name: history.scratchName(MAKER), target: { kind: "time", at: good }, maker: MAKER, declare });
    assert.equal((await failureOf(wanted)).code, code);
    assert.equal(declared.length, 1);
    assert.deepEqual(clusterNames(sandbox), [sandbox.cluster]);
  });

  test(`R16 ${what} at the creation is ${code}, and no cluster is left`, async (t) => {
    const sandbox = await atlasSandbox(t);
    const good = await write(sandbox, [1]);
    const { history } = providerOf(sandbox, { timeouts: HASTY });
    sandbox.faults.next({ method: "POST", path: /\/clusters$/, effect, times: Number.POSITIVE_INFINITY });
    const wanted = history.branch({ name: "restore-x", target: { kind: "time", at: good }, maker: MAKER, declare: journal().declare });
    assert.equal((await failureOf(wanted)).code, code);
    assert.deepEqual(clusterNames(sandbox), [sandbox.cluster]);
  });
}

for (const work of ["createCluster", "restore"] as const) {
  for (const outcome of ["fail", "hang"] as const) {
    test(`R16 a ${work} that ${outcome}s at Atlas ends with an error in time, and the cluster is gone`, async (t) => {
      const sandbox = await atlasSandbox(t);
      const good = await write(sandbox, [1]);
      const limit = { [work === "restore" ? "restoreMs" : "clusterMs"]: outcome === "hang" ? 700 : 20_000 };
      const { history } = providerOf(sandbox, { timeouts: limit });
      sandbox.faults.nextWork({ work, outcome });
      const wanted = history.branch({
        name: history.scratchName(MAKER),
        target: { kind: "time", at: good },
        maker: MAKER,
        declare: journal().declare,
      });
      const error = await failureOf(wanted);
      assert.equal(error.code, outcome === "hang" ? "PROVIDER_BUSY" : "PROVIDER_FAILED", error.message);
      assert.deepEqual(clusterNames(sandbox), [sandbox.cluster]);
    });
  }
}

for (const [step, method, path] of STEPS.slice(2, 6)) {
  test(`R16 stopped at ${step}: the reason is what is reported, and the cluster is gone`, async (t) => {
    const sandbox = await atlasSandbox(t);
    const good = await write(sandbox, [1]);
    const { history } = providerOf(sandbox);
    const plan = sandbox.faults.next({ method, path, effect: { kind: "latency", ms: 100 } });
    const stop = new AbortController();
    void plan.firstHit.then(() => stop.abort(new Error("that is enough")));
    const target = { kind: "time", at: good } as const;
    const wanted = history.branch({
      name: history.scratchName(MAKER),
      target,
      maker: MAKER,
      declare: journal().declare,
      signal: stop.signal,
    });
    await assert.rejects(wanted, /that is enough/);
    assert.deepEqual(clusterNames(sandbox), [sandbox.cluster]);
    await sleep(200);
    assert.deepEqual(clusterNames(sandbox), [sandbox.cluster], "and none comes late");
  });
}

test("R16 a creation whose answer never comes leaves no cluster, although it was made", async (t) => {
  const sandbox = await atlasSandbox(t);
  const good = await write(sandbox, [1]);
  const { history } = providerOf(sandbox, { timeouts: { ...HASTY, requestMs: 200, outageMs: 100 } });
  sandbox.faults.next({ method: "POST", path: /\/clusters$/, effect: { kind: "stallAfter" } });
  sandbox.faults.next({ method: "GET", path: /clusters\/restore-x$/, times: 1, effect: { kind: "status", status: 400 } });
  await failureOf(history.branch({ name: "restore-x", target: { kind: "time", at: good }, maker: MAKER, declare: journal().declare }));
  assert.deepEqual(clusterNames(sandbox), [sandbox.cluster]);
});

test("R16 after a crash the declared cluster is found by what was written down, and an orphan by its name", async (t) => {
  const sandbox = await atlasSandbox(t);
  const good = await write(sandbox, [1]);
  const crashed = providerOf(sandbox);
  const { declared, declare } = journal();
  // No process undoes these, because their makers are gone.
  await crashed.history.branch({ name: "restore-crash", target: { kind: "time", at: good }, maker: MAKER, declare });
  await crashed.history.branch({
    name: crashed.history.scratchName(MAKER),
    target: { kind: "time", at: good },
    maker: MAKER,
    declare: journal().declare,
  });
  const next = providerOf(sandbox);
  const [resource] = declared;
  assert.ok(resource);
  assert.equal(await next.undo(JSON.parse(JSON.stringify(resource)), MAKER), "removed");
  const orphans = await next.orphans(testMaker);
  assert.deepEqual(
    orphans.map(({ jobId }) => jobId),
    [JOB],
  );
  for (const orphan of orphans) assert.equal(await next.undo(orphan.resource, MAKER), "removed");
  assert.deepEqual(clusterNames(sandbox), [sandbox.cluster]);
});

test("R16 a cluster that a job declared is removed again though our clock was an hour ahead of Atlas's", async (t) => {
  const sandbox = await atlasSandbox(t);
  const good = await write(sandbox, [1]);
  const now = (): Date => new Date(sandbox.now().getTime() + 3_600_000);
  const { history, undo } = providerOf(sandbox, { clock: { now, monotonicMs: () => performance.now(), randomBytes } });
  const snapshot = await providerOf(sandbox).snapshots.create({ form: "snapshot", name: "before" });
  assert.ok(good <= snapshot.time);
  const target = { kind: "snapshot", id: snapshot.id, form: "snapshot" } as const;
  const { resource } = await history.branch({ name: "shop-restored", target, maker: MAKER, declare: journal().declare });
  assert.equal(await undo(resource, MAKER), "removed");
  assert.deepEqual(clusterNames(sandbox), [sandbox.cluster]);
});

test("R16 a cluster of another owner, and one that was protected since, are kept and reported", async (t) => {
  const sandbox = await atlasSandbox(t, { clusters: [{}, { name: "restore-taken" }] });
  const good = await write(sandbox, [1]);
  const { history, undo } = providerOf(sandbox);
  const locator = { groupId: sandbox.groupId, name: "restore-taken" };
  assert.match((await failureOf(undo({ kind: "atlas-cluster", locator }, MAKER))).message, /left as it is: it does not carry the tag/);
  const branch = await history.branch({
    name: history.scratchName(MAKER),
    target: { kind: "time", at: good },
    maker: MAKER,
    declare: journal().declare,
  });
  const cluster = sandbox.store.clusters.get(branch.name);
  assert.ok(cluster);
  cluster.settings = { ...cluster.settings, terminationProtectionEnabled: true };
  assert.match((await failureOf(undo(branch.resource, MAKER))).message, /protected from termination/);
  assert.ok(clusterNames(sandbox).includes(branch.name));
});

test("R16 a refused restore in place changes nothing; a failed one keeps the snapshot and says so", async (t) => {
  const sandbox = await atlasSandbox(t);
  const good = await write(sandbox, [1]);
  await write(sandbox, [2]);
  const { history } = providerOf(sandbox);
  const target = { kind: "time", at: good } as const;
  sandbox.faults.next({
    method: "POST",
    path: /restoreJobs$/,
    effect: { kind: "status", status: 403, errorCode: "CANNOT_RESTORE_TO_TARGET" },
  });
  assert.equal((await failureOf(history.inPlace({ target, keepAs: "rollback-1" }))).code, "PROVIDER_REFUSED");
  assert.deepEqual(await values({ url: sandbox.url }), [1, 2]);
  assert.equal(snapshotsNamed(sandbox, "rollback-1"), 0);
  sandbox.faults.nextWork({ work: "restore", outcome: "fail" });
  const error = await failureOf(history.inPlace({ target, keepAs: "rollback-2" }));
  assert.equal(error.code, "PROVIDER_FAILED");
  assert.match(error.message, /the state before is the snapshot rollback-2/);
  assert.equal(snapshotsNamed(sandbox, "rollback-2"), 1);
});

test("R16 an outage of the API during a restore is waited out, and the restore completes", async (t) => {
  const sandbox = await atlasSandbox(t);
  const good = await write(sandbox, [1]);
  const { history } = providerOf(sandbox, { timeouts: { outageMs: 50, silenceMs: 10_000 } });
  sandbox.faults.next({ method: "GET", path: /restoreJobs\/[0-9a-f]{24}$/, times: 12, effect: { kind: "dropBefore" } });
  const notes: string[] = [];
  const progress = { ...silentProgress, note: (message: string) => void notes.push(message) };
  const branch = await history.branch({
    name: "restore-x",
    target: { kind: "time", at: good },
    maker: MAKER,
    declare: journal().declare,
    progress,
  });
  assert.deepEqual(await values(branch.connection), [1]);
  assert.ok(
    notes.some((note) => /API does not answer/.test(note)),
    notes.join("; "),
  );
  assert.equal(asked(sandbox, "POST", /restoreJobs$/), 1);
});

test("R16 a position of just now is waited for, until Atlas's copy of the oplog has come to it", async (t) => {
  const sandbox = await atlasSandbox(t, { delays: { oplogLagMs: 1_500 } });
  await write(sandbox, [1]);
  await sandbox.advance(5_000);
  await inMongo(sandbox.url, (client) =>
    client
      .db("shop")
      .collection("orders")
      .insertOne({ _id: 2 as never }),
  );
  const { t: seconds, i: increment } = sandbox.clusters()[0]?.server?.position() ?? { t: 0, i: 0 };
  const target = { kind: "lsn", lsn: `${seconds.toString(16)}/${increment.toString(16)}` } as const;
  const notes: string[] = [];
  const progress = { ...silentProgress, note: (message: string) => void notes.push(message) };
  const { history } = providerOf(sandbox, { timeouts: { lagMs: 1_500 } });
  const branch = await history.branch({ name: "restore-now", target, maker: MAKER, declare: journal().declare, progress });
  assert.deepEqual(await values(branch.connection), [1], "a position holds what was before it");
  assert.ok(
    notes.some((note) => /copy of the oplog/.test(note)),
    notes.join("; "),
  );
});

test("R16 no secret is in any error, for any answer of Atlas", async (t) => {
  const sandbox = await atlasSandbox(t);
  const { history, settings } = providerOf(sandbox, { timeouts: HASTY });
  const secrets = [sandbox.clientSecret, sandbox.password];
  for (const status of [400, 401, 403, 404, 409, 500]) {
    sandbox.faults.next({
      method: "GET",
      path: /groups/,
      effect: { kind: "status", status, detail: `you sent ${secrets.join(" and ")}` },
      times: 50,
    });
    for (const error of [await failureOf(settings.read()), await failureOf(history.window())]) {
      const said = JSON.stringify([error.message, error.details, error.hint]);
      for (const secret of secrets) assert.ok(!said.includes(secret), said.replaceAll(secret, "SECRET"));
    }
    await sandbox.faults.clear();
  }
});
