import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../../src/core/secret.ts";
import { silentProgress } from "../../src/ports/progress.ts";
import {
  asked,
  atlasSandbox,
  clusterNames,
  DAY_MS,
  failureOf,
  JOB,
  journal,
  providerOf,
  RULES,
  values,
  write,
} from "../support/atlas-provider.ts";
import { testMaker } from "../support/maker.ts";

const MAKER = testMaker(JOB);

const YEARS = 9 * 365 * DAY_MS;

test("R18 Atlas keeps a snapshot on hold, or kept forever, for ten years; a compliance policy only holds", async (t) => {
  const sandbox = await atlasSandbox(t);
  const { snapshots } = providerOf(sandbox);
  const leftMs = async (name: string, keep: "held" | "forever"): Promise<number> => {
    const { expiresAt } = await snapshots.create({ name, form: "snapshot", keep });
    return (expiresAt?.getTime() ?? 0) - sandbox.now().getTime();
  };
  assert.ok((await leftMs("by-hand", "forever")) > YEARS);
  assert.ok((await leftMs("held", "held")) > YEARS);
  const settings = { state: "ACTIVE", pitEnabled: true, restoreWindowDays: 2 };
  sandbox.store.compliance = { state: "ACTIVE", settings, updatedDate: sandbox.now(), deletable: false };
  assert.ok((await leftMs("by-hand-2", "forever")) < 31 * DAY_MS, "what cannot be taken back is not paid for unasked");
  assert.ok((await leftMs("held-2", "held")) > YEARS);
});

test("R18 a snapshot that is there is kept longer by Atlas, once; one that is gone is told", async (t) => {
  const sandbox = await atlasSandbox(t);
  const { snapshots } = providerOf(sandbox);
  const made = await snapshots.create({ name: "by-rule", form: "snapshot", expiresAt: new Date(sandbox.now().getTime() + 3 * DAY_MS) });
  const kept = await snapshots.keep?.(made);
  assert.ok(kept?.expiresAt && kept.expiresAt.getTime() - sandbox.now().getTime() > YEARS);
  const [listed] = (await snapshots.list()).filter(({ id }) => id === made.id);
  assert.deepEqual(listed?.expiresAt, kept.expiresAt, "what is listed is what Atlas says");
  const changes = asked(sandbox, "PATCH", /snapshots/);
  assert.deepEqual((await snapshots.keep?.(made))?.expiresAt, kept.expiresAt);
  assert.equal(asked(sandbox, "PATCH", /snapshots/), changes);
  await snapshots.remove(made);
  assert.equal((await failureOf(snapshots.keep?.(made) ?? Promise.resolve())).code, "BRANCH_UNKNOWN");
});

test("R13 a cluster that was restored over says since when nothing can be brought back, and what to do", async (t) => {
  const sandbox = await atlasSandbox(t);
  const { history, settings, snapshots } = providerOf(sandbox);
  const second = await write(sandbox, [1]);
  await write(sandbox, [2]);
  await history.inPlace({ target: { kind: "time", at: second }, keepAs: "before" });
  const over = async (): Promise<string[]> => (await settings.read()).warnings.filter((warning) => /restored over/.test(warning));
  const [open = ""] = await over();
  assert.match(
    open,
    /restored over on .*: no second since then can be brought back before its next snapshot has completed, so take one now/,
  );
  await sandbox.advance(60_000);
  await snapshots.create({ name: "again", form: "snapshot" });
  await sandbox.advance(60_000);
  assert.match((await over())[0] ?? "", /no second from then until .*, when its next snapshot had completed, can be brought back/);
});

test("R16 a new cluster without its user yet is awaited, with a note; a wrong password is reported later", async (t) => {
  const sandbox = await atlasSandbox(t);
  const { history } = providerOf(sandbox);
  const second = await write(sandbox, [1, 2]);
  await write(sandbox, [3]);
  const notes: string[] = [];
  const progress = { ...silentProgress, note: (message: string) => void notes.push(message) };
  sandbox.faults.usersLate(2);
  const branch = await history.branch({
    name: history.scratchName(MAKER),
    target: { kind: "time", at: second },
    maker: MAKER,
    declare: journal().declare,
    progress,
  });
  assert.deepEqual(await values(branch.connection), [1, 2]);
  assert.equal(notes.filter((note) => /to know its database user/.test(note)).length, 1);

  sandbox.faults.usersLate(0);
  const strict = providerOf(sandbox, { timeouts: { loginMs: 1_500 }, password: Secret.of("wrong") });
  const refused = await failureOf(
    strict.history.branch({
      name: "lifeboat-copy",
      target: { kind: "time", at: second },
      maker: MAKER,
      declare: journal().declare,
      progress,
    }),
  );
  assert.equal(refused.code, "SOURCE_AUTH");
  assert.equal(clusterNames(sandbox).includes("lifeboat-copy"), false, "nothing is left of it");
});

test("R16 credentials that may not delete a cluster make none: check and drill say which roles are missing", async (t) => {
  const sandbox = await atlasSandbox(t);
  const provider = providerOf(sandbox);
  const refusal = { kind: "status", status: 403, errorCode: "USER_UNAUTHORIZED" } as const;
  sandbox.faults.next({ path: /backupCompliancePolicy/, times: Number.POSITIVE_INFINITY, effect: refusal });
  assert.match(await provider.checkScratch(8), /scratch cluster of Atlas/, "a policy that may not be read is not yet a missing right");
  sandbox.faults.next({ method: "DELETE", path: /clusters\/lifeboat-/, times: Number.POSITIVE_INFINITY, effect: refusal });
  const checked = await failureOf(provider.checkScratch(8));
  assert.equal(checked.code, "PROVIDER_AUTH");
  assert.match(checked.hint, /"Project Cluster Creator" to be made and "Project Owner" to be deleted/);
  const { declared, declare } = journal();
  assert.equal((await failureOf(provider.beginScratch({ maker: testMaker(JOB), serverMajor: 8, declare }))).code, "PROVIDER_AUTH");
  assert.deepEqual([declared, clusterNames(sandbox), asked(sandbox, "POST", /clusters$/)], [[], [sandbox.cluster], 0]);
});

test("R16 a scratch cluster that cannot be deleted is named, with its cost and the way to delete it", async (t) => {
  const sandbox = await atlasSandbox(t);
  const provider = providerOf(sandbox);
  const scratch = await provider.beginScratch({ maker: testMaker(JOB), serverMajor: 8, declare: journal().declare });
  const effect = { kind: "status", status: 403, errorCode: "USER_UNAUTHORIZED" } as const;
  sandbox.faults.next({ method: "DELETE", path: /clusters\/lifeboat-/, effect });
  const kept = await failureOf(provider.undo(scratch.resource, MAKER));
  assert.equal(kept.code, "PROVIDER_AUTH");
  assert.match(kept.message, new RegExp(`cluster lifeboat-${JOB} is still there, and is billed for as long as it exists`));
  assert.match(kept.hint, new RegExp(`jobs recover.*atlas clusters delete lifeboat-${JOB}`));
  assert.equal(await provider.undo(scratch.resource, MAKER), "removed");
});

test("R14 a scheduled snapshot has the rules it was made for: a daily one does not count as a weekly one", async (t) => {
  const sandbox = await atlasSandbox(t);
  const provider = providerOf(sandbox, { desired: { rules: RULES } });
  for (const drift of (await provider.settings.read()).drift) await provider.settings.apply(drift);
  await sandbox.advance(9 * DAY_MS);
  const made = (await provider.snapshots.list()).filter(({ rules }) => rules !== undefined);
  const of = (rule: string) => made.filter(({ rules = [] }) => rules.includes(rule));
  assert.ok(of("backup-{date}").length >= 9, "a weekly one is a daily one too");
  assert.ok(of("weekly-{date}").every(({ time }) => time.getUTCDay() === 0) && of("weekly-{date}").length >= 1);
  assert.ok(of("weekly-{date}").length <= 2);
});
