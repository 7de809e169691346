// Restores and drills at a provider whose places are clusters: whole seconds, positions of the log, no names to exchange.
import assert from "node:assert/strict";
import { test } from "node:test";
import { drivenClock, temporaryRepository } from "../../../test/support/repository.ts";
import { isLifeboatError } from "../../core/errors.ts";
import type { Fingerprint } from "../../core/fingerprint.ts";
import { type Plan, stepInWords } from "../../core/plan.ts";
import { LATEST, parseRecoveryTarget } from "../../core/recovery-target.ts";
import type { BranchRequest, HistoryControl, HistoryTarget } from "../../ports/control.ts";
import type { Engine } from "../../ports/engine.ts";
import { silentProgress } from "../../ports/progress.ts";
import type { Provider } from "../../ports/provider.ts";
import { listSnapshotRecords } from "../../repository/snapshots.ts";
import { exportSnapshot } from "../backup/export.ts";
import type { Context, Source } from "../context.ts";
import { runJob } from "../jobs/job.ts";
import { orphansOf, recoverOrphans } from "../jobs/orphans.ts";
import { drill } from "./drill.ts";
import { promote } from "./promote.ts";
import { providerTargetOf } from "./provider.ts";
import { planRestore, restore } from "./restore.ts";
import type { RestoreRequest } from "./restore-request.ts";

const stepIn = ({ steps }: Plan, index: number): string => (steps[index] === undefined ? "" : stepInWords(steps[index]));
const NOW = "2026-11-21T12:00:00.500Z";
const [STRANGER, POSITION] = ["0dka1v00000000", "6920A1F3/1"] as const;
type Rows = Readonly<Record<string, readonly string[]>>;
const LIVE: Rows = { users: ["ann", "bob"] };

const watch = { signal: new AbortController().signal, progress: silentProgress };

function fingerprintOf(tables: Rows): Fingerprint {
  const entries = Object.entries(tables).map(([name, rows]) => [name, { rows: rows.length, digest: rows.join() }] as const);
  return {
    ...{ algorithm: "fake-1", scope: { kind: "full" as const }, sequences: {}, schema: {}, outside: [], unhashed: [] },
    tables: Object.fromEntries(entries),
  };
}

interface Options {
  /** Whether the server gives a view of one instant. */
  readonly oneInstant?: boolean;
  /** What a restore brings back, in place of what was asked for. */
  readonly brings?: Rows;
}

async function place(t: Parameters<typeof temporaryRepository>[0], { oneInstant = true, brings = LIVE }: Options = {}) {
  const clock = drivenClock(NOW);
  const repository = await temporaryRepository(t, clock);
  const clusters = new Map<string, Rows>([
    ["production", LIVE],
    ["staging", {}],
  ]);
  const asked: HistoryTarget[] = [];
  const done: string[] = [];
  const connectionOf = (name: string) => ({ url: `fake://${name}`, label: name });
  const history: HistoryControl = {
    place: "cluster",
    precisionMs: 1000,
    positions: true,
    interruption: "the cluster cannot be reached meanwhile",
    scratchName: (id) => `lifeboat-${id}`,
    window: async () => ({ earliest: new Date("2026-11-20T12:00:00Z"), latest: new Date("2026-11-21T12:00:00Z") }),
    obstacles: async () => [],
    async branch({ name, target, declare }: BranchRequest) {
      const resource = { kind: "cluster", locator: { name } };
      await declare(resource);
      asked.push(target);
      clusters.set(name, brings);
      clock.advance(60_000);
      return { id: name, name, connection: connectionOf(name), warnings: [], resource };
    },
    async inPlace({ target, keepAs }) {
      asked.push(target);
      return { connection: connectionOf("production"), kept: { id: "snap-1", name: keepAs, form: "snapshot" }, warnings: [] };
    },
    async over({ name, target }) {
      asked.push(target);
      clusters.set(name, brings);
      return { id: name, name, connection: connectionOf(name), warnings: [] };
    },
    async tables({ tables, suffix, replace }) {
      const restored = tables.map((name) => (replace ? name : name + suffix));
      const back = restored.map((name, index) => [name, brings[tables[index] ?? ""] ?? []] as const);
      clusters.set("production", { ...clusters.get("production"), ...Object.fromEntries(back) });
      return { restored, warnings: [] };
    },
    find: async (name) => (clusters.has(name) ? { id: name, name, production: name === "production", createdAt: clock.now() } : undefined),
    connection: async (id) => ({ url: `fake://${id}`, label: id }),
    async remove(id) {
      clusters.delete(id);
    },
  };
  const snapshots = {
    forms: ["snapshot"],
    list: async () => [{ id: "snap-0", form: "snapshot", name: "nightly", createdAt: new Date(0), time: new Date(0), scheduled: true }],
    export: async ({ bucket }: { bucket: string }) => ({ id: "export-1", bucket, prefix: "exported/snap-0" }),
  };
  const provider = {
    name: "clouds",
    capabilities: { scratch: true, physical: false },
    connection: async () => connectionOf("production"),
    history,
    snapshots,
    async orphans() {
      const names = [...clusters.keys()].filter((name) => name.startsWith("lifeboat-"));
      return names.map((name) => {
        const jobId = name.slice("lifeboat-".length);
        return { jobId, resource: { kind: "cluster", locator: { name } }, own: jobId !== STRANGER };
      });
    },
    async undo({ locator }: { locator: Readonly<Record<string, string>> }) {
      done.push(`undo ${locator.name}`);
      clusters.delete(locator.name ?? "");
      return true;
    },
  } as unknown as Provider;
  const engine = {
    name: "documents",
    renamesDatabases: false,
    async fingerprint({ label }: { label: string }, scope: Fingerprint["scope"]) {
      const all = clusters.get(label) ?? {};
      const chosen =
        scope.tables === undefined ? all : Object.fromEntries(Object.entries(all).filter(([name]) => scope.tables?.includes(name)));
      return fingerprintOf(chosen);
    },
    async fingerprintAt() {
      clock.advance(5_000);
      return oneInstant ? { fingerprint: fingerprintOf(LIVE), position: POSITION, at: new Date(NOW) } : undefined;
    },
    compare: (expected: Fingerprint, actual: Fingerprint) => {
      const equal = JSON.stringify(expected.tables) === JSON.stringify(actual.tables);
      return [{ name: "content", kind: "data", outcome: equal ? "pass" : "fail", message: equal ? "equal" : "it differs" }];
    },
    probe: async () => [],
  } as unknown as Engine;
  const source: Source = {
    ...{ name: "sessions", providerName: "clouds", provider, managed: true, engine, probes: [], policy: { tiers: [] } },
    objective: { rtoSeconds: 1800, rpoSeconds: 300 },
  };
  const context = {
    ...{ repository, clock, sources: new Map([["sessions", source]]), servers: new Map(), timeZone: () => "UTC", lifeboat: "0" },
    catalog: { entries: async () => [], listed: async () => ({ points: [], summaries: [] }), flaws: () => [], close() {} },
  } as unknown as Context;
  return { context, source, clusters, asked, done, storage: repository.storage };
}

const read = (text: string) => parseRecoveryTarget(text, { now: new Date(NOW), timeZone: "UTC" });

const rejectsWith = (code: string, said: RegExp) => (error: unknown) =>
  isLifeboatError(error) && error.code === code && said.test(error.message);

test("R16 R32 a drill of the present restores to the position at which the source was read", async (t) => {
  const { context, source, clusters, asked } = await place(t);
  const { evidence } = await drill(context, source, LATEST, watch);
  assert.deepEqual([evidence.verdict, asked], ["pass", [{ kind: "lsn", lsn: POSITION }]], JSON.stringify(evidence.reasons));
  assert.deepEqual([...clusters.keys()], ["production", "staging"], "no cluster is left");
  assert.ok(evidence.steps.some(({ name, ms }) => name === "fingerprint" && ms === 5_000));
  assert.equal(evidence.achieved.rtoSeconds, 60, "a recovery does not read the source");
});

test("R33 one row that differs fails such a drill", async (t) => {
  const { context, source } = await place(t, { brings: { users: ["ann", "bop"] } });
  const { verdict, achieved } = (await drill(context, source, LATEST, watch)).evidence;
  assert.deepEqual([verdict, achieved.rpoSeconds], ["fail", undefined]);
});

test("R33 without a view of one instant nothing is proven, and the evidence says why", async (t) => {
  const { context, source, asked } = await place(t, { oneInstant: false });
  const { evidence } = await drill(context, source, LATEST, watch);
  assert.deepEqual([evidence.verdict, asked], ["inconclusive", [{ kind: "latest" }]]);
  assert.match(evidence.remarks.join(), /no view of one instant/);
});

test("R16 an instant finer than the provider's is rounded down, and plan and evidence say so", async (t) => {
  const { context, source, asked } = await place(t);
  const to = read("2026-11-21T11:30:00.750Z");
  const plan = await planRestore(context, source, { to }, watch);
  assert.match(JSON.stringify(plan.steps), /asked for 2026-11-21T11:30:00.750Z.*so it is 2026-11-21T11:30:00.000Z, rounded down/);
  assert.match(stepIn(plan, 1), /^create cluster restore-2026-11-21-1200/);
  const { evidence } = await restore(context, source, { to }, watch);
  assert.deepEqual(asked, [{ kind: "time", at: new Date("2026-11-21T11:30:00Z") }]);
  assert.match(evidence.remarks.join(), /rounded down/);
  await assert.rejects(
    providerTargetOf(context, source, read("2026-11-20T11:59:59Z"), watch),
    rejectsWith("RECOVERY_TARGET_OUTSIDE_WINDOW", /from 2026-11-20T12/),
  );
});

test("R16 an existing cluster is restored over with --yes only, and production only in place", async (t) => {
  const { context, source, clusters } = await place(t);
  const to = read("latest");
  const attempt = (request: Omit<RestoreRequest, "to">) => restore(context, source, { to, ...request }, watch);
  await assert.rejects(attempt({ into: "staging" }), rejectsWith("USAGE", /has a cluster named staging already/));
  await assert.rejects(attempt({ into: "production", replace: true, yes: "sessions" }), rejectsWith("USAGE", /is production of sessions/));
  await assert.rejects(
    attempt({ into: "staging", replace: true }),
    rejectsWith("CONFIRMATION_NEEDED", /all that cluster staging holds would be lost/),
  );
  assert.deepEqual(clusters.get("staging"), {});
  const { branch } = await attempt({ into: "staging", replace: true, yes: "sessions" });
  assert.deepEqual([branch?.name, clusters.get("staging")], ["staging", LIVE]);
});

test("R16 a cluster that is production of another source is not restored over, also with --yes", async (t) => {
  const { context, source, clusters } = await place(t);
  const find = async () => ({ id: "staging", name: "staging", production: true, createdAt: new Date(NOW) });
  const other = { ...source, name: "crm", provider: { ...source.provider, history: { ...source.provider.history, find } } } as Source;
  const two = { ...context, sources: new Map([...context.sources, ["crm", other]]) };
  const restored = restore(two, source, { to: LATEST, into: "staging", replace: true, yes: "sessions" }, watch);
  await assert.rejects(restored, rejectsWith("USAGE", /cluster staging is production of crm/));
  assert.deepEqual(clusters.get("staging"), {});
});

test("R16 without a provider history, the latest state of a source is its newest backup", async (t) => {
  const { context, source } = await place(t);
  const history = { ...source.provider.history, window: async () => undefined, obstacles: async () => ["no continuous backup"] };
  const free = { ...source, provider: { ...source.provider, history } } as Source;
  assert.equal((await providerTargetOf(context, free, LATEST, watch))?.history.kind, "latest"); // which says why it cannot be had
  const backed = {
    ...context,
    catalog: { entries: async () => [{ point: { id: "0123456789abcd" }, manifest: { kind: "full" } }] },
  } as unknown as Context;
  assert.equal(await providerTargetOf(backed, free, LATEST, watch), undefined);
});

test("R16 a restore in place says what users notice, and keeps the state before until accept", async (t) => {
  const { context, source } = await place(t);
  const to = read("2026-11-21T11:30:00Z");
  const plan = await planRestore(context, source, { to, inPlace: true }, watch);
  assert.match(stepIn(plan, 0), /as snapshot rollback-20261121/);
  assert.match(plan.steps[1]?.reason ?? "", /cannot be reached meanwhile/);
  await assert.rejects(
    restore(context, source, { to, inPlace: true }, watch),
    rejectsWith("CONFIRMATION_NEEDED", /cannot be reached meanwhile/),
  );
  const { kept, evidence } = await restore(context, source, { to, inPlace: true, yes: "sessions" }, watch);
  const record = (await listSnapshotRecords(context.repository, "sessions")).get("snap-1");
  assert.deepEqual([kept?.name, record?.form, record?.kept], ["rollback-20261121", "snapshot", { job: evidence.id }]);
});

test("a provider whose places have no names to exchange promotes none, and says what to do instead", async (t) => {
  const { context, source } = await place(t);
  await assert.rejects(
    promote(context, source, { branch: "staging", yes: "sessions" }, watch),
    (error) => isLifeboatError(error, "CAPABILITY_MISSING") && /point the application at the restored cluster/.test(error.hint),
  );
});

test("R10 chosen collections come back beside the live ones, or over them with --yes", async (t) => {
  const { context, source, clusters } = await place(t, { brings: { users: ["ann", "bob", "eve"] } });
  const to = read("2026-11-21T11:30:00Z");
  const plan = await planRestore(context, source, { to, tables: ["users"] }, watch);
  assert.match(stepIn(plan, 0), /beside the live ones, as users_restored_202611211200/);
  const { tables: restored, evidence } = await restore(context, source, { to, tables: ["users"] }, watch);
  assert.deepEqual(restored, ["users_restored_202611211200"]);
  assert.deepEqual(Object.keys(clusters.get("production") ?? {}), ["users", "users_restored_202611211200"]);
  assert.equal(evidence.verdict, "inconclusive", "with nothing to measure it against");
  const request = { tables: ["users"], replace: true };
  await assert.rejects(
    restore(context, source, { to, ...request }, watch),
    rejectsWith("CONFIRMATION_NEEDED", /users of sessions would be overwritten/),
  );
  await restore(context, source, { to, ...request, yes: "sessions" }, watch);
  assert.equal(clusters.get("production")?.users?.length, 3);
});

test("R16 a dead job's scratch cluster is removed; one of a running job, or without proof, is not", async (t) => {
  const { context, source, clusters, done } = await place(t);
  clusters.set(`lifeboat-${STRANGER}`, {});
  const run = (use: () => Promise<unknown>) =>
    runJob(
      context,
      { verb: "drill", source: "sessions" },
      watch,
      async (job) => {
        clusters.set(`lifeboat-${job.id}`, {});
        await use();
        return job.id;
      },
      (id) => ({ id }),
    );
  const id = await run(async () =>
    assert.deepEqual(
      (await orphansOf(context, source, watch)).map(({ job }) => job),
      [STRANGER],
    ),
  );
  const outcomes = await recoverOrphans(context, watch);
  assert.deepEqual(Object.fromEntries(outcomes.map(({ job, outcome }) => [job, outcome])), { [STRANGER]: "unknown", [id]: "removed" });
  assert.match(outcomes.find(({ outcome }) => outcome === "unknown")?.message ?? "", /lifeboat-0dka1v00000000 .*remove it at the provider/);
  assert.deepEqual(done, [`undo lifeboat-${id}`]);
});

test("R18 a snapshot is exported to the bucket named, and a job says so", async (t) => {
  const { context, source } = await place(t);
  const done = await exportSnapshot(context, source, { point: "nightly", bucket: "offline" }, watch);
  assert.deepEqual([done.bucket, done.prefix, done.point.id], ["offline", "exported/snap-0", "snap-0"]);
  await assert.rejects(exportSnapshot(context, source, { point: "none", bucket: "offline" }, watch), rejectsWith("POINT_UNKNOWN", /none/));
});
