// Points at the provider, seen from the operations: what is made, what is listed, what may go, and what never does.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { isLifeboatError } from "../../src/core/errors.ts";
import { microsOf } from "../../src/core/micros.ts";
import { Secret } from "../../src/core/secret.ts";
import { makeDue } from "../../src/operations/backup/due.ts";
import { snapshot } from "../../src/operations/backup/snapshot.ts";
import type { Source } from "../../src/operations/context.ts";
import { atProviders } from "../../src/operations/points/at-providers.ts";
import { findAnyPoint, snapshotsOf } from "../../src/operations/points/snapshots.ts";
import { accept, KEEP_ACCEPTED_MS } from "../../src/operations/recovery/accept.ts";
import { restore } from "../../src/operations/recovery/restore.ts";
import { type ExpireResult, expire, planExpire } from "../../src/operations/retention/expire.ts";
import { setHold } from "../../src/operations/retention/hold.ts";
import { apply, planApply } from "../../src/operations/settings/apply.ts";
import { providerStatus } from "../../src/operations/watch/provider-status.ts";
import { sharedOf } from "../../src/operations/watch/shared.ts";
import { statusOf } from "../../src/operations/watch/status.ts";
import { DAY_MS, HOUR_MS, type Practice, practise } from "../support/calendar.ts";
import { type SandboxedNeon, startFakeNeon, startRealNeon } from "../support/neon-sandbox.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";
import { type DrivenClock, drivenClock } from "../support/repository.ts";

const START = "2026-09-01T00:05:00.000Z";

interface Place extends Practice {
  readonly neon: SandboxedNeon;
}

async function place(t: TestContext, example: string, options: Parameters<typeof startFakeNeon>[0] = {}): Promise<Place> {
  const clock = drivenClock(START);
  const neon = await startFakeNeon({ plan: "launch", clock, ...options });
  t.after(() => neon.sandbox.close());
  return { ...(await practise(t, example, { clock, neon: neon.sandbox })), neon };
}

async function forward({ clock, neon }: { clock: DrivenClock; neon: SandboxedNeon }, ms: number): Promise<void> {
  clock.advance(ms);
  await neon.sandbox.tick();
}

const names = (decisions: ExpireResult["keep"]): string[] => decisions.map(({ point }) => point.name).sort();

test("R12 at a limit nothing is created or deleted early; expired points make room after a failure", async (t) => {
  const here = await place(t, "policy-d.yaml", { limits: { branches: 7 } });
  const { context, source, watch } = here;
  // Production, the first weekly, and five nights fill the seven places.
  for (let day = 0; day < 5; day++) {
    await here.night();
    await forward(here, DAY_MS);
  }
  const { made, failed } = await makeDue(context, [source], {}, watch);
  assert.deepEqual(made, []);
  assert.ok(failed.length > 0);
  for (const { error } of failed) {
    assert.equal(error.code, "PROVIDER_LIMIT");
    assert.match(error.message, /7 of 7 branches are in use; nothing was made/);
    assert.match(error.hint, /by: snapshot/);
  }
  assert.deepEqual((await expire(context, source, watch)).remove, [], "nothing has expired yet");
  await forward(here, 3 * DAY_MS);
  assert.equal((await makeDue(context, [source], {}, watch)).failed[0]?.error.code, "PROVIDER_LIMIT");
  const { remove, refused } = await expire(context, source, watch);
  assert.deepEqual(names(remove), ["backup-2026-09-01", "backup-2026-09-02"]);
  assert.deepEqual(refused, []);
  const after = await makeDue(context, [source], {}, watch);
  assert.deepEqual(after.failed, []);
});

test("R12 a branch of another user, and one that the provider protects, is listed and never deleted", async (t) => {
  const here = await place(t, "policy-e.yaml");
  const { context, source, watch, neon } = here;
  const theirs = (await neon.expect(201, "POST", "/branches", { branch: { name: "backup-2026-01-01" }, endpoints: [] })).branch;
  const pinned = (await snapshot(context, source, { name: "pinned" }, watch)).record;
  await neon.expect(201, "POST", "/branches", { branch: { name: "child", parent_id: pinned.id }, endpoints: [] });
  await snapshot(context, source, {}, watch);
  await forward(here, 30 * DAY_MS);
  await snapshot(context, source, {}, watch);
  const { keep, remove } = await expire(context, source, watch);
  assert.deepEqual(names(remove), ["backup-20260901-000500"]);
  const reasonsOf = (name: string): string => keep.find(({ point }) => point.name === name)?.reasons.join("; ") ?? "it is not kept";
  assert.match(reasonsOf("backup-2026-01-01"), /not made by Lifeboat/);
  assert.match(reasonsOf("pinned"), /the provider keeps it: child come/);
  await assert.rejects(setHold(context, await findAnyPoint(context, theirs.id), true, "mine", watch), /needs no hold/);
});

test("R5 a name that is taken at the provider gets a number", async (t) => {
  const here = await place(t, "policy-d.yaml");
  await here.neon.expect(201, "POST", "/branches", { branch: { name: "backup-2026-09-01" }, endpoints: [] });
  const { made, failed } = await makeDue(here.context, [here.source], {}, here.watch);
  assert.deepEqual(failed, []);
  assert.deepEqual(made.map((one) => ("record" in one ? one.record : one.manifest).name).sort(), [
    "backup-2026-09-01-2",
    "weekly-2026-09-01",
  ]);
  await assert.rejects(snapshot(here.context, here.source, { name: "production" }, here.watch), /named production already/);
});

test("an answer that is lost makes no second branch", async (t) => {
  const here = await place(t, "policy-e.yaml");
  here.neon.sandbox.faults.next({ method: "POST", path: /branches$/, effect: { kind: "dropAfter" } });
  await snapshot(here.context, here.source, { name: "once" }, here.watch);
  const { branches } = await here.neon.expect(200, "GET", "/branches");
  assert.deepEqual(branches.map(({ name }: { name: string }) => name).sort(), ["once", "production"]);
});

test("a snapshot that fails leaves nothing, and the next says so in the plan of expire", async (t) => {
  const here = await place(t, "policy-e.yaml");
  const { context, source, watch } = here;
  await snapshot(context, source, { name: "old" }, watch);
  await forward(here, 10 * DAY_MS);
  await snapshot(context, source, { name: "newer" }, watch);
  await forward(here, HOUR_MS);
  here.neon.sandbox.faults.next({ method: "POST", path: /branches$/, effect: { kind: "status", status: 422, code: "", message: "no" } });
  await assert.rejects(snapshot(context, source, { name: "fails" }, watch));
  const { remove, blocked } = await planExpire(context, source, watch);
  assert.deepEqual(remove, [], "nothing expires after a failure");
  assert.match(blocked.join(), /the last backup failed/);
  await snapshot(context, source, { name: "succeeds" }, watch);
  assert.deepEqual(names((await planExpire(context, source, watch)).remove), ["old"]);
});

test("R11 a point before a deployment expires seven days after its release; that of a failed one is kept", async (t) => {
  const here = await place(t, "policy-b.yaml");
  const { context, source, watch } = here;
  for (const feature of ["good", "bad"]) await snapshot(context, source, { preDeploy: feature }, watch);
  await forward(here, HOUR_MS);
  const released = await setHold(context, await findAnyPoint(context, "pre-deploy-good"), false, undefined, watch);
  assert.equal(released.expiresAt?.toISOString(), "2026-09-08T01:05:00.000Z");
  await forward(here, 6 * DAY_MS);
  await here.night();
  assert.ok((await here.names()).includes("pre-deploy-good"));
  await forward(here, 2 * DAY_MS);
  await here.night();
  const left = await here.names();
  assert.ok(!left.includes("pre-deploy-good") && left.includes("pre-deploy-bad"));
});

test("R1 apply sets the provider's schedule; its snapshots are listed, judged and never deleted", async (t) => {
  const here = await place(t, "policy-d.yaml");
  const { context, watch, neon, clock } = here;
  const rule = { name: "nightly-{date}", cron: "0 3 * * *", keepMs: 2 * DAY_MS, by: "provider" } as const;
  const wired = await practise(t, "policy-d.yaml", { clock, neon: neon.sandbox });
  const { createNeonProvider } = await import("../../src/providers/neon/provider.ts");
  const { projectId, apiKey, apiHost } = neon.sandbox;
  const desired = { windowMs: 7 * DAY_MS, protect: false, rules: [rule] };
  const source: Source = {
    ...wired.source,
    provider: createNeonProvider({ projectId, apiKey: Secret.of(apiKey), apiHost, desired, clock }),
    windowMs: 7 * DAY_MS,
    snapshotPolicy: { ...(wired.source.snapshotPolicy as NonNullable<Source["snapshotPolicy"]>), rules: [rule] },
  };
  assert.equal((await apply(context, source, {}, watch)).applied.length, 2);
  assert.deepEqual((await planApply(context, source, {}, watch)).plan.steps, []);
  const codes = async (): Promise<string[]> => (await providerStatus(context, source, watch))?.reasons.map(({ code }) => code) ?? [];
  assert.ok((await codes()).includes("SNAPSHOT_OVERDUE"), "none is there yet");
  await forward(here, DAY_MS);
  assert.ok(!(await codes()).includes("SNAPSHOT_OVERDUE"));
  const [made] = await snapshotsOf(context, source);
  assert.equal(made?.scheduled, true);
  assert.match((await expire(context, source, watch)).keep[0]?.reasons[0] ?? "", /schedule made it/);
});

test("what cannot be asked is said: a list is incomplete, a status is not green", async (t) => {
  const here = await place(t, "policy-d.yaml");
  const { context, source, watch, neon } = here;
  neon.sandbox.faults.next({ times: Number.POSITIVE_INFINITY, effect: { kind: "status", status: 401, message: "bad key" } });
  const { snapshots, unasked } = await atProviders(context, [...context.sources.keys()], watch);
  assert.deepEqual([snapshots.length, unasked.map(({ source: name, code }) => [name, code])], [0, [["shop", "PROVIDER_AUTH"]]]);
  const { reasons, verdict } = await statusOf(context, source, watch, await sharedOf(context, watch.signal));
  assert.ok(reasons.some(({ code }) => code === "PROVIDER_NOT_ASKED"));
  assert.notEqual(verdict, "pass");
  await assert.rejects(expire(context, source, watch), (error) => isLifeboatError(error, "PROVIDER_AUTH"));
});

test("R8 R9 what a restore in place set aside goes seven days after acceptance, and never before it", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const clock = drivenClock(START);
  const neon = await startRealNeon({ plan: "scale", clock });
  t.after(() => neon.sandbox.close());
  const production = { url: neon.sandbox.url, label: "production" };
  await query(production, "create table users (id int primary key); insert into users values (1), (2)");
  const here = { ...(await practise(t, "policy-e.yaml", { clock, neon: neon.sandbox })), neon };
  const { context, source, watch } = here;
  await forward(here, HOUR_MS);
  const good = clock.now();
  await forward(here, HOUR_MS);
  await query(production, "delete from users");
  await forward(here, HOUR_MS);
  const to = { kind: "time", at: microsOf(good) } as const;
  const { evidence, kept } = await restore(context, source, { to, inPlace: true, yes: "shop" }, watch);
  assert.equal(kept?.name, "rollback-20260901");
  assert.deepEqual(await query(production, "select count(*)::int as n from users"), [{ n: 2 }]);
  const gone = async (): Promise<boolean> => {
    await expire(context, source, watch);
    return !(await here.names()).includes("rollback-20260901");
  };
  await forward(here, 60 * DAY_MS);
  assert.equal(await gone(), false, "not accepted two months later");
  const { expiresAt } = await accept(context, { job: evidence.id }, watch);
  assert.ok(expiresAt);
  assert.equal(expiresAt.getTime(), clock.now().getTime() + KEEP_ACCEPTED_MS);
  assert.equal(
    (await accept(context, { job: evidence.id }, watch)).expiresAt?.getTime(),
    expiresAt.getTime(),
    "accepting twice changes nothing",
  );
  await forward(here, KEEP_ACCEPTED_MS - HOUR_MS);
  assert.equal(await gone(), false);
  await forward(here, 2 * HOUR_MS);
  assert.equal(await gone(), true);
});
