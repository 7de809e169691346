// Points and restores at Neon over the sandbox's API: names, ids, room, and what is left afterwards. No data here.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError } from "../../src/core/errors.ts";
import { testMaker } from "../support/maker.ts";
import { asked, DAY_MS, journal, providerOf } from "../support/neon-provider.ts";
import { startFakeNeon } from "../support/neon-sandbox.ts";

const MAKER = testMaker("0123456789abcd");

const HOUR_MS = 3_600_000;
type Named = { readonly id: string; readonly name: string };

test("R2 branches by name, recorded branches and Neon's snapshots are listed, but not production", async () => {
  await using neon = await startFakeNeon();
  const rules = [{ name: "nightly-{date}", cron: "0 0 * * *", keepMs: DAY_MS, by: "branch" as const }];
  const { snapshots } = providerOf(neon.sandbox, { desired: { rules } });
  for (const name of ["nightly-2026-11-20", "backup-2026-11-20", "pre-deploy-cart", "dev", "before-the-flood"]) {
    await neon.expect(201, "POST", "/branches", { branch: { name } });
  }
  await snapshots.create({ name: "by-neon", form: "snapshot" });
  const { branches } = await neon.expect(200, "GET", "/branches");
  const flood = branches.find(({ name }: Named) => name === "before-the-flood").id;
  const listed = await snapshots.list({ known: [flood] });
  assert.deepEqual(listed.map(({ form, name }) => `${form} ${name}`).toSorted(), [
    "branch backup-2026-11-20",
    "branch before-the-flood",
    "branch nightly-2026-11-20",
    "branch pre-deploy-cart",
    "snapshot by-neon",
  ]);
  assert.ok(listed.every(({ scheduled }) => !scheduled));
});

test("R5 a branch is made from production's head, without a compute and without an expiry at Neon", async () => {
  await using neon = await startFakeNeon();
  const { snapshots } = providerOf(neon.sandbox);
  const made = await snapshots.create({
    name: "backup-2026-11-21",
    form: "branch",
    expiresAt: new Date(neon.sandbox.now().getTime() + DAY_MS),
  });
  const { branch } = await neon.expect(200, "GET", `/branches/${made.id}`);
  assert.equal(branch.expires_at, undefined);
  assert.deepEqual((await neon.expect(200, "GET", `/branches/${made.id}/endpoints`)).endpoints, []);
  assert.equal(await snapshots.connection(made), undefined);
});

test("R5 a name that is taken is refused before anything is made", async () => {
  await using neon = await startFakeNeon();
  const { snapshots } = providerOf(neon.sandbox);
  for (const form of ["branch", "snapshot"] as const) {
    await snapshots.create({ name: "same", form });
    await assert.rejects(snapshots.create({ name: "same", form }), (error) => isLifeboatError(error, "PROVIDER_REFUSED"));
  }
  assert.equal(asked(neon.sandbox, "POST", /./), 2);
});

test("R12 where there is no room, nothing is made, nothing is removed, and the limit is named", async () => {
  await using neon = await startFakeNeon({ plan: "free" });
  const { snapshots, history } = providerOf(neon.sandbox);
  await snapshots.create({ name: "one", form: "snapshot" });
  await assert.rejects(
    snapshots.create({ name: "two", form: "snapshot" }),
    (error) => isLifeboatError(error, "PROVIDER_LIMIT") && /1 of 1 snapshots are in use/.test(error.message),
  );
  for (let i = 0; i < 9; i++) await snapshots.create({ name: `b${i}`, form: "branch" });
  const posts = asked(neon.sandbox, "POST", /./);
  const { declared, declare } = journal();
  await assert.rejects(
    history.branch({ name: "restore-x", target: { kind: "latest" }, maker: MAKER, declare }),
    (error) => isLifeboatError(error, "PROVIDER_LIMIT") && error.details.limit === "branches",
  );
  assert.deepEqual(declared, []);
  assert.equal(asked(neon.sandbox, "POST", /./), posts);
  assert.equal(asked(neon.sandbox, "DELETE", /./), 0);
});

test("R12 Neon's own word that a limit is reached is PROVIDER_LIMIT with its name", async () => {
  await using neon = await startFakeNeon();
  const message = "root branches limit exceeded";
  neon.sandbox.faults.next({ method: "POST", effect: { kind: "status", status: 422, code: "ROOT_BRANCHES_LIMIT_EXCEEDED", message } });
  await assert.rejects(
    providerOf(neon.sandbox).snapshots.create({ name: "x", form: "branch" }),
    (error) => isLifeboatError(error, "PROVIDER_LIMIT") && error.details.limit === "root branches",
  );
});

test("R12 deletion is idempotent; production, protected branches and parents stay, with the reason", async () => {
  await using neon = await startFakeNeon();
  const { snapshots, history } = providerOf(neon.sandbox);
  const made = await snapshots.create({ name: "backup-2026-11-20", form: "branch" });
  await neon.expect(201, "POST", "/branches", { branch: { name: "child", parent_id: made.id } });
  await assert.rejects(
    snapshots.remove(made),
    (error) => isLifeboatError(error, "PROVIDER_REFUSED") && /child come from it/.test(error.message),
  );
  assert.equal((await snapshots.list())[0]?.pinned, "child come from it");
  const child = await history.find("child");
  await history.remove(child?.id ?? "");
  await neon.expect(200, "PATCH", `/branches/${made.id}`, { branch: { protected: true } });
  await assert.rejects(snapshots.remove(made), (error) => /it is protected/.test(String(error)));
  await neon.expect(200, "PATCH", `/branches/${made.id}`, { branch: { protected: false } });
  await assert.rejects(snapshots.remove({ ...made, name: "other" }), (error) => /is called backup-2026-11-20 now/.test(String(error)));
  await snapshots.remove(made);
  await snapshots.remove(made);
  const production = await history.find("production");
  assert.equal(production?.production, true);
  await assert.rejects(history.remove(production?.id ?? ""), (error) => /it is production/.test(String(error)));
  const snapshot = await snapshots.create({ name: "s", form: "snapshot" });
  await snapshots.remove(snapshot);
  await snapshots.remove(snapshot);
});

test("R7 a restore to a time is declared, then creates a branch of production at that millisecond", async () => {
  await using neon = await startFakeNeon({ plan: "scale" });
  const { sandbox } = neon;
  await sandbox.advance(10 * HOUR_MS);
  const { history } = providerOf(sandbox);
  const at = new Date(sandbox.now().getTime() - 5 * 60_000);
  const { declared, declare } = journal();
  const restored = await history.branch({
    name: "restore-2026-11-21-0455",
    target: { kind: "time", at },
    maker: MAKER,
    async declare(resource) {
      assert.equal(asked(sandbox, "POST", /./), 0);
      await declare(resource);
    },
  });
  assert.deepEqual(declared, [restored.resource]);
  const { branch } = await neon.expect(200, "GET", `/branches/${restored.id}`);
  assert.equal(branch.parent_timestamp, at.toISOString());
  assert.equal(branch.name, restored.name);
  assert.match(restored.connection.url, /^postgresql:\/\//);
  assert.ok(!restored.connection.label.includes(new URL(restored.connection.url).password));
  assert.match(restored.warnings.join("\n"), /production cannot be deleted as long as restore-2026-11-21-0455 exists/);
});

test("R7 both edges of the window can be restored, and a second outside is refused with both edges", async () => {
  const start = Date.now();
  let aheadMs = 0;
  await using neon = await startFakeNeon({ plan: "scale", clock: { now: () => new Date(start + aheadMs) } });
  const { sandbox } = neon;
  aheadMs = 3 * DAY_MS;
  await sandbox.tick();
  const { history } = providerOf(sandbox);
  const window = await history.window();
  assert.ok(window && window.latest.getTime() - window.earliest.getTime() === DAY_MS);
  const { declare, declared } = journal();
  const at = async (name: string, instant: Date) =>
    (await history.branch({ name, target: { kind: "time", at: instant }, maker: MAKER, declare })).id;
  await at("late", window.latest);
  await at("early", window.earliest);
  for (const [edge, ms] of [
    [window.earliest, -1000],
    [window.latest, 1000],
  ] as const) {
    await assert.rejects(
      at("out", new Date(edge.getTime() + ms)),
      (error) =>
        isLifeboatError(error, "RECOVERY_TARGET_OUTSIDE_WINDOW") &&
        error.message.includes(window.earliest.toISOString()) &&
        error.message.includes(window.latest.toISOString()),
    );
  }
  assert.equal(declared.length, 2);
});

test("R7 scratch made of a snapshot expires too, and where Neon will not have that, it is a warning", async () => {
  await using neon = await startFakeNeon();
  const { snapshots, history } = providerOf(neon.sandbox);
  const { id } = await snapshots.create({ name: "s", form: "snapshot" });
  const target = { kind: "snapshot", id, form: "snapshot" } as const;
  const expiresAt = new Date(neon.sandbox.now().getTime() + HOUR_MS);
  const { declare } = journal();
  const one = await history.branch({ name: "one", target, expiresAt, maker: MAKER, declare });
  assert.ok((await neon.expect(200, "GET", `/branches/${one.id}`)).branch.expires_at);
  neon.sandbox.faults.next({ method: "PATCH", effect: { kind: "status", status: 422, message: "a restored branch cannot expire" } });
  const two = await history.branch({ name: "two", target, expiresAt, maker: MAKER, declare });
  assert.match(two.warnings.join("\n"), /does not let two expire by itself/);
});

test("R7 an instant that Neon refuses as outside is RECOVERY_TARGET_OUTSIDE_WINDOW, without remains", async () => {
  await using neon = await startFakeNeon();
  const { history } = providerOf(neon.sandbox);
  const { declare } = journal();
  await assert.rejects(history.branch({ name: "x", target: { kind: "lsn", lsn: "FF/FFFFFFF0" }, maker: MAKER, declare }), (error) =>
    isLifeboatError(error, "RECOVERY_TARGET_OUTSIDE_WINDOW"),
  );
  assert.equal(await history.find("x"), undefined);
});

test("R7 scratch carries the instant at which Neon removes it by itself", async () => {
  await using neon = await startFakeNeon();
  const { history } = providerOf(neon.sandbox);
  const expiresAt = new Date(neon.sandbox.now().getTime() + HOUR_MS);
  const scratch = await history.branch({
    name: "lifeboat-scratch-j",
    target: { kind: "latest" },
    expiresAt,
    maker: MAKER,
    declare: journal().declare,
  });
  const { branch } = await neon.expect(200, "GET", `/branches/${scratch.id}`);
  assert.equal(Date.parse(branch.expires_at), Math.floor(expiresAt.getTime() / 1000) * 1000);
});

test("a branch that cannot be finished is removed again, and the first cause is told", async () => {
  await using neon = await startFakeNeon();
  neon.sandbox.faults.next({ path: /\/connection_uri$/, effect: { kind: "status", status: 412, message: "no such role" } });
  const { history } = providerOf(neon.sandbox);
  await assert.rejects(history.branch({ name: "x", target: { kind: "latest" }, maker: MAKER, declare: journal().declare }), (error) =>
    /no such role/.test(String(error)),
  );
  assert.equal(await history.find("x"), undefined);
});

test("undo leaves alone what cannot be the branch of the crashed job", async () => {
  await using neon = await startFakeNeon();
  const provider = providerOf(neon.sandbox);
  const { declared, declare } = journal();
  await provider.history.branch({ name: "x", target: { kind: "latest" }, maker: MAKER, declare });
  const [resource] = declared;
  assert.ok(resource);
  const forged = (changes: Record<string, string>) => ({ ...resource, locator: { ...resource.locator, ...changes } });
  assert.equal(await provider.undo(forged({ projectId: "another" }), MAKER), "elsewhere");
  await assert.rejects(
    provider.undo(forged({ name: "production" }), MAKER),
    (error) => isLifeboatError(error, "PROVIDER_REFUSED") && /is production/.test(error.message),
  );
  const later = new Date(neon.sandbox.now().getTime() + HOUR_MS).toISOString();
  await assert.rejects(provider.undo(forged({ notBefore: later }), MAKER), (error) => /older than the job/.test(String(error)));
  await assert.rejects(provider.undo(forged({ notBefore: "" }), MAKER), (error) => isLifeboatError(error, "PROVIDER_REFUSED"));
  assert.equal(await provider.undo({ kind: "something-else", locator: {} }, MAKER), "elsewhere");
  for (const other of [testMaker(MAKER.jobId, { secret: "another" }), { ...MAKER, unended: false }])
    await assert.rejects(provider.undo(resource, other), (error) => isLifeboatError(error, "PROVIDER_REFUSED"));
  // Scratch is known by its name alone, also where a clock is wrong, and where nothing is known of the job.
  const name = provider.history.scratchName(MAKER);
  const scratch = await provider.history.branch({ name, target: { kind: "latest" }, maker: MAKER, declare });
  const found = { ...scratch.resource, locator: { ...scratch.resource.locator, notBefore: later } };
  await assert.rejects(provider.undo(found, testMaker(MAKER.jobId, { secret: "another" })), /does not carry the proof of the job/);
  assert.equal(await provider.undo(found, { ...MAKER, unended: false }), "removed");
  assert.equal(await provider.undo(resource, MAKER), "removed");
  assert.equal(await provider.history.find("x"), undefined);
});

for (const form of ["branch", "snapshot"] as const) {
  test(`R8 a point by ${form} is restored into a branch of its own, the point stays`, async () => {
    await using neon = await startFakeNeon();
    const { snapshots, history } = providerOf(neon.sandbox);
    const point = await snapshots.create({ name: "backup-2026-11-21", form });
    const restored = await history.branch({
      name: "restore-x",
      target: { kind: "snapshot", id: point.id, form },
      maker: MAKER,
      declare: journal().declare,
    });
    const { branch } = await neon.expect(200, "GET", `/branches/${restored.id}`);
    assert.equal(branch.parent_id, form === "branch" ? point.id : undefined);
    assert.equal(branch.restored_from, form === "snapshot" ? point.id : undefined);
    assert.equal((await neon.expect(200, "GET", `/branches/${restored.id}/endpoints`)).endpoints.length, 1);
    assert.ok((await snapshots.list()).some(({ id }) => id === point.id));
    if (form === "snapshot") assert.match(restored.warnings.join("\n"), /no point-in-time history/);
  });
}

test("R8 a point that is gone is BRANCH_UNKNOWN", async () => {
  await using neon = await startFakeNeon();
  const { history } = providerOf(neon.sandbox);
  for (const form of ["branch", "snapshot"] as const) {
    const target = { kind: "snapshot", id: "br-gone-a-1", form } as const;
    await assert.rejects(history.branch({ name: "x", target, maker: MAKER, declare: journal().declare }), (error) =>
      isLifeboatError(error, "BRANCH_UNKNOWN"),
    );
  }
});

test("R9 a restore in place keeps connection string and previous state, and restores the settings", async () => {
  await using neon = await startFakeNeon({ plan: "launch" });
  const { sandbox } = neon;
  const rules = [{ name: "d-{date}", cron: "0 3 * * *", keepMs: 7 * DAY_MS, by: "provider" as const }];
  const { settings, history, connection } = providerOf(sandbox, { desired: { protect: true, rules } });
  for (const drift of (await settings.read()).drift) await settings.apply(drift);
  await sandbox.advance(10 * HOUR_MS);
  const before = await connection();
  const old = await history.find("production");
  const at = new Date(sandbox.now().getTime() - HOUR_MS);
  const result = await history.inPlace({ target: { kind: "time", at }, keepAs: "rollback-20261121" });
  assert.equal(result.connection.url, before.url);
  assert.equal(result.kept.id, old?.id);
  const now = await history.find("production");
  assert.notEqual(now?.id, old?.id);
  const state = await settings.read();
  assert.deepEqual(state.drift, []);
  assert.equal(state.settings.branch_id, now?.id);
  assert.match(result.warnings.join("\n"), /history of production begins anew; what was before is reached through rollback-20261121/);
  assert.equal((await connection()).url, before.url);
});

test("R9 an answer that is lost restores once", async () => {
  await using neon = await startFakeNeon();
  await neon.sandbox.advance(HOUR_MS);
  const path = /\/restore$/;
  neon.sandbox.faults.next({ method: "POST", path, effect: { kind: "dropAfter" } });
  const { history } = providerOf(neon.sandbox);
  const at = new Date(neon.sandbox.now().getTime() - 60_000);
  await history.inPlace({ target: { kind: "time", at }, keepAs: "kept" });
  assert.equal(asked(neon.sandbox, "POST", path), 1);
  const { branches } = await neon.expect(200, "GET", "/branches");
  assert.deepEqual(branches.map(({ name }: Named) => name).toSorted(), ["kept", "production"]);
});

test("R9 a snapshot in place keeps the string and the state before, and warns that history is lost", async () => {
  await using neon = await startFakeNeon();
  const { sandbox } = neon;
  const { snapshots, history, connection, settings } = providerOf(sandbox);
  const before = await connection();
  const point = await snapshots.create({ name: "s", form: "snapshot" });
  sandbox.faults.next({ method: "POST", path: /\/snapshots\/.*\/restore$/, effect: { kind: "dropAfter" } });
  const result = await history.inPlace({ target: { kind: "snapshot", id: point.id, form: "snapshot" }, keepAs: "rollback-x" });
  assert.equal(result.connection.url, before.url);
  assert.equal(result.kept.name, "rollback-x");
  assert.match(result.warnings.join("\n"), /no point-in-time history/);
  assert.equal(asked(sandbox, "POST", /\/snapshots\/.*\/restore$/), 1);
  const { settings: now, warnings } = await settings.read();
  assert.equal(now.pitr_enabled, false);
  assert.match(warnings.join("\n"), /rely on snapshots and backups/);
  const at = new Date(sandbox.now().getTime() - 1000);
  const obstacles = await history.obstacles({ target: { kind: "time", at }, inPlace: true });
  assert.match(obstacles.join("\n"), /restored from a snapshot/);
  // The snapshot belongs to the kept branch; what happens to it when the branch is deleted is undefined.
  await assert.rejects(
    history.remove(result.kept.id),
    (error) => isLifeboatError(error, "PROVIDER_REFUSED") && /snapshots were taken of it/.test(error.message),
  );
});

test("R9 room for the root branch that a restore leaves is asked before it is made", async () => {
  await using neon = await startFakeNeon({ plan: "launch", limits: { rootBranches: 3 } });
  const { sandbox } = neon;
  const { history } = providerOf(sandbox, { plan: "free" });
  for (const keepAs of ["kept-1", "kept-2"]) {
    await sandbox.advance(HOUR_MS);
    await history.inPlace({ target: { kind: "time", at: new Date(sandbox.now().getTime() - 60_000) }, keepAs });
  }
  await sandbox.advance(HOUR_MS);
  const target = { kind: "time", at: new Date(sandbox.now().getTime() - 60_000) } as const;
  assert.match((await history.obstacles({ target, inPlace: true })).join("\n"), /3 of 3 root branches are in use/);
  const posts = asked(sandbox, "POST", /\/restore$/);
  await assert.rejects(
    history.inPlace({ target, keepAs: "kept-3" }),
    (error) => isLifeboatError(error, "PROVIDER_LIMIT") && error.details.limit === "root branches",
  );
  assert.equal(asked(sandbox, "POST", /\/restore$/), posts);
});

test("R9 a branch that is not a root, and a restore to now, are refused", async () => {
  await using neon = await startFakeNeon();
  await neon.expect(201, "POST", "/branches", { branch: { name: "child" }, endpoints: [{ type: "read_write" }] });
  const { history } = providerOf(neon.sandbox, { branch: "child" });
  const target = { kind: "time", at: neon.sandbox.now() } as const;
  assert.match((await history.obstacles({ target, inPlace: true }))[0] ?? "", /not a root branch/);
  await assert.rejects(history.inPlace({ target, keepAs: "k" }), (error) => /not a root branch/.test(String(error)));
  await assert.rejects(providerOf(neon.sandbox).history.inPlace({ target: { kind: "latest" }, keepAs: "k" }), (error) =>
    /at its latest state already/.test(String(error)),
  );
});

test("R8 promote moves production's name, default flag and protection to the branch, and keeps the old one", async () => {
  await using neon = await startFakeNeon({ plan: "launch" });
  const { sandbox } = neon;
  const { settings, history, connection } = providerOf(sandbox, { desired: { protect: true } });
  for (const drift of (await settings.read()).drift) await settings.apply(drift);
  const old = await history.find("production");
  const restored = await history.branch({ name: "restore-x", target: { kind: "latest" }, maker: MAKER, declare: journal().declare });
  const request = { branch: "restore-x", name: "production", keepAs: "rollback-20261121" };
  const result = await history.promote(request);
  assert.equal(result.kept.id, old?.id);
  assert.equal((await history.find("production"))?.id, restored.id);
  assert.equal(result.connection.url, (await connection()).url);
  const { drift, settings: now } = await settings.read();
  assert.deepEqual(drift, []);
  assert.equal(now.branch_protected, true);
  assert.match(result.warnings.join("\n"), /rollback-20261121 cannot be deleted as long as production comes from it/);
  assert.match(result.warnings.join("\n"), /connection string is another one/);
  // Asked again, as after a crash: the same end, by name or by id.
  assert.equal((await history.promote({ ...request, branch: restored.id })).kept.id, old?.id);
  assert.equal((await history.promote(request)).kept.id, old?.id);
});

test("R8 a promotion interrupted at any step completes to the same end", async () => {
  await using neon = await startFakeNeon({ plan: "launch", limits: { protectedBranches: 1 } });
  const { sandbox } = neon;
  for (const branch of ["production", undefined]) {
    for (let step = 0; ; step++) {
      const provider = providerOf(sandbox, { branch, desired: { protect: true }, timeouts: { outageMs: 0 } });
      const { history } = provider;
      for (const drift of (await provider.settings.read()).drift) await provider.settings.apply(drift);
      const label = `${branch ?? "default"}-${step}`;
      const old = await history.find((await provider.settings.read()).settings.branch as string);
      const made = await history.branch({ name: `restore-${label}`, target: { kind: "latest" }, maker: MAKER, declare: journal().declare });
      const request = { branch: `restore-${label}`, name: branch ?? `production-${label}`, keepAs: `rollback-${label}` };
      const broken = sandbox.faults.next({
        path: /\/(branches\/[^/]+|branches\/[^/]+\/set_as_default)$/,
        skip: step,
        effect: { kind: "status", status: 500, message: "broke off" },
      });
      const first = await history.promote(request).catch(() => undefined);
      sandbox.faults.clear();
      const result = await history.promote(request);
      assert.equal(result.kept.id, old?.id, label);
      assert.equal((await history.find(request.name))?.id, made.id, label);
      const state = await provider.settings.read();
      assert.deepEqual(state.drift, [], label);
      assert.equal(state.settings.branch_default, true, label);
      if (first !== undefined) {
        assert.equal(broken.hits, 0);
        assert.ok(step > 3, "the steps of a promotion were broken off one by one");
        break;
      }
    }
  }
});

test("R8 a restored snapshot is promoted by Neon's own act: the connection string stays", async () => {
  await using neon = await startFakeNeon();
  const { snapshots, history, connection } = providerOf(neon.sandbox);
  const before = await connection();
  const old = await history.find("production");
  const point = await snapshots.create({ name: "s", form: "snapshot" });
  const restored = await history.branch({
    name: "restore-x",
    target: { kind: "snapshot", id: point.id, form: "snapshot" },
    maker: MAKER,
    declare: journal().declare,
  });
  neon.sandbox.faults.next({ method: "POST", path: /finalize_restore$/, effect: { kind: "dropAfter" } });
  const result = await history.promote({ branch: restored.name, name: "production", keepAs: "rollback-x" });
  assert.equal(result.connection.url, before.url);
  assert.deepEqual(result.kept, { id: old?.id, name: "rollback-x" });
  assert.equal((await history.find("production"))?.id, restored.id);
});

test("R8 promotion under another name says what to change in the configuration", async () => {
  await using neon = await startFakeNeon();
  const { history } = providerOf(neon.sandbox);
  await history.branch({ name: "restore-x", target: { kind: "latest" }, maker: MAKER, declare: journal().declare });
  const result = await history.promote({ branch: "restore-x", name: "production-20261121", keepAs: "rollback-20261121" });
  assert.match(result.warnings.join("\n"), /set `branch: production-20261121`/);
  await assert.rejects(history.promote({ branch: "nobody", name: "a", keepAs: "b" }), (error) => isLifeboatError(error, "BRANCH_UNKNOWN"));
});

test("R8 production itself, and a name that another branch has, are refused before anything changes", async () => {
  await using neon = await startFakeNeon();
  const { history } = providerOf(neon.sandbox);
  for (const name of ["restore-x", "other"]) await neon.expect(201, "POST", "/branches", { branch: { name } });
  const before = neon.sandbox.faults.seen.filter(({ method }) => method !== "GET").length;
  await assert.rejects(history.promote({ branch: "production", name: "production", keepAs: "k" }), (error) =>
    /is production already/.test(String(error)),
  );
  await assert.rejects(history.promote({ branch: "restore-x", name: "other", keepAs: "k" }), (error) =>
    /there is a branch other already/.test(String(error)),
  );
  await assert.rejects(history.promote({ branch: "restore-x", name: "production", keepAs: "other" }), (error) =>
    /there is a branch other already/.test(String(error)),
  );
  assert.equal(neon.sandbox.faults.seen.filter(({ method }) => method !== "GET").length, before);
});

test("a source whose branch has no compute, or no such database, says so and gets none", async () => {
  await using neon = await startFakeNeon();
  await neon.expect(201, "POST", "/branches", { branch: { name: "bare" } });
  await assert.rejects(
    providerOf(neon.sandbox, { branch: "bare" }).connection(),
    (error) => isLifeboatError(error, "PROVIDER_NOT_FOUND") && /no compute/.test(error.message),
  );
  await assert.rejects(
    providerOf(neon.sandbox, { database: "shup" }).connection(),
    (error) => isLifeboatError(error, "PROVIDER_NOT_FOUND") && /no database shup/.test(error.message),
  );
  assert.equal(asked(neon.sandbox, "POST", /\/endpoints$/), 0);
});
