import assert from "node:assert/strict";
import { test } from "node:test";
import { drivenClock, temporaryRepository } from "../../../test/support/repository.ts";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { makeId } from "../../core/ids.ts";
import { silentProgress } from "../../ports/progress.ts";
import type { Provider } from "../../ports/provider.ts";
import type { Resource } from "../../ports/resource.ts";
import type { JobRecord } from "../../repository/journal.ts";
import { jobsSince } from "../../repository/journals.ts";
import { putJson } from "../../repository/json-object.ts";
import { leaseName } from "../../repository/layout.ts";
import { LEASE_TERM_MS, listLeases } from "../../repository/lease-files.ts";
import type { Context, Source } from "../context.ts";
import { runJob } from "./job.ts";
import { recoverJobs } from "./recover.ts";

const branch: Resource = { kind: "branch", locator: { name: "drill-1" } };

/** A context whose provider remembers what it undid. */
async function contextFor(t: Parameters<typeof temporaryRepository>[0]) {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  const undone: Resource[] = [];
  const state = { undo: async (resource: Resource) => undone.push({ kind: resource.kind, locator: resource.locator }) > 0 };
  const provider = { name: "postgres", undo: (resource: Resource) => state.undo(resource) } as unknown as Provider;
  const source = { name: "shop", provider } as Source;
  const context = { repository, clock, sources: new Map([["shop", source]]), servers: new Map(), lifeboat: "0" } as unknown as Context;
  return { context, clock, undone, state, storage: repository.storage };
}

const watch = { signal: new AbortController().signal, progress: silentProgress };
const order = { verb: "drill", source: "shop" };

async function journals(context: Context): Promise<JobRecord[]> {
  const found: JobRecord[] = [];
  for await (const job of jobsSince(context.repository, new Date(0))) found.push(job);
  return found;
}

test("R31 a job keeps each step's time, frees its lease, and journals its result", async (t) => {
  const { context, clock } = await contextFor(t);
  const value = await runJob(
    context,
    order,
    watch,
    async (job) => {
      await job.step("create", async () => clock.advance(1500));
      await job.step("verify", async () => clock.advance(250));
      return 7;
    },
    (n) => ({ n }),
  );
  assert.equal(value, 7);
  const [job] = await journals(context);
  assert.equal(job?.state, "done");
  assert.deepEqual(
    job?.steps.map(({ name, ms }) => [name, ms]),
    [
      ["create", 1500],
      ["verify", 250],
    ],
  );
  assert.deepEqual(job?.result, { n: 7 });
  assert.deepEqual((await listLeases(context.repository)).leases, []);
});

test("a job that fails undoes what it declared and not what it withdrew, and tells the first cause", async (t) => {
  const { context, undone } = await contextFor(t);
  const first = new LifeboatError("DUMP_FAILED", "pg_dump died");
  const other: Resource = { kind: "branch", locator: { name: "gone" } };
  const run = runJob(
    context,
    order,
    watch,
    async (job) => {
      await job.declare(other);
      await job.declare(branch);
      await job.withdraw(other);
      throw first;
    },
    () => ({}),
  );
  await assert.rejects(run, (error) => error === first);
  assert.deepEqual(undone, [branch]);
  const [job] = await journals(context);
  assert.equal(job?.state, "failed");
  assert.deepEqual(job?.error, { code: "DUMP_FAILED", message: "pg_dump died" });
  assert.deepEqual((await listLeases(context.repository)).leases, []);
});

test("what cannot be undone keeps its lease, so that a later start tries again", async (t) => {
  const { context, undone, state, clock } = await contextFor(t);
  const works = state.undo;
  state.undo = async () => {
    throw new LifeboatError("SOURCE_UNREACHABLE", "no answer");
  };
  const notes: string[] = [];
  const run = runJob(
    context,
    order,
    { ...watch, progress: { ...silentProgress, note: (text) => notes.push(text) } },
    async (job) => {
      await job.declare(branch);
      throw new LifeboatError("LOAD_FAILED", "no");
    },
    () => ({}),
  );
  await assert.rejects(run, (error) => isLifeboatError(error, "LOAD_FAILED"));
  assert.match(notes.join("\n"), /still there: branch/);
  assert.equal((await listLeases(context.repository)).leases.length, 1);
  state.undo = works;
  clock.advance(LEASE_TERM_MS * 3);
  const recovered = await recoverJobs(context, silentProgress);
  assert.deepEqual(
    recovered.map(({ left }) => left.length),
    [0],
  );
  assert.deepEqual(undone, [branch]);
  assert.deepEqual((await listLeases(context.repository)).leases, []);
});

test("a job whose process died is closed as failed by the next start of any job", async (t) => {
  const { context, undone, storage, clock } = await contextFor(t);
  // As the storage looks after kill -9: a lease of a process that is gone, and a journal that says running.
  await runJob(
    context,
    order,
    watch,
    async (job) => {
      Object.assign(job.record.owner, { startedTicks: "1" });
      await job.declare(branch);
      const [lease] = (await listLeases(context.repository)).leases;
      assert.ok(lease);
      const dead = { ...lease.record, owner: { ...lease.record.owner, startedTicks: "1" } };
      await putJson(storage, leaseName("drill-copy"), dead);
      await runJob(
        context,
        { verb: "verify", source: "shop" },
        watch,
        async () => undefined,
        () => ({}),
      );
      assert.deepEqual(undone, [branch]);
    },
    () => ({}),
  ).catch(() => undefined); // its journal was closed by the other: the write after that is refused
  const closed = (await journals(context)).find((job) => job.verb === "drill");
  assert.equal(closed?.state, "failed");
  assert.match(closed?.error?.message ?? "", /its process ended/);
  clock.advance(1);
});

test("Ctrl-C ends a job as cancelled, cleans up, and frees the lease", async (t) => {
  const { context, undone } = await contextFor(t);
  const stop = new AbortController();
  const run = runJob(
    context,
    order,
    { ...watch, signal: stop.signal },
    async (job) => {
      await job.declare(branch);
      stop.abort(new LifeboatError("CANCELLED", "stopped on request"));
      await job.step("load", async () => undefined);
    },
    () => ({}),
  );
  await assert.rejects(run, (error) => isLifeboatError(error, "CANCELLED"));
  assert.deepEqual(undone, [branch]);
  assert.deepEqual((await listLeases(context.repository)).leases, []);
});

test("R51 a given id is the job's, once; one that is not new or not an id is refused before anything", async (t) => {
  const { context, clock, undone } = await contextFor(t);
  const id = makeId(clock.now(), Buffer.from("given"));
  const run = (given: string, act = async (job: { readonly id: string }) => job.id) =>
    runJob(context, order, { ...watch, jobId: () => given }, act, () => ({}));
  assert.equal(await run(id), id);
  const rejects = (given: string, code: "USAGE" | "JOB_EXISTS") =>
    assert.rejects(run(given), (error) => isLifeboatError(error, code), given);
  await rejects(id, "JOB_EXISTS");
  clock.advance(20 * 3_600_000);
  await rejects(id, "JOB_EXISTS");
  await rejects("../../x", "USAGE");
  await rejects(makeId(new Date(clock.now().getTime() - 25 * 3_600_000), Buffer.from("older")), "USAGE");
  await rejects(makeId(new Date(clock.now().getTime() + 60_000), Buffer.from("later")), "USAGE");
  assert.deepEqual(
    (await journals(context)).map((job) => job.id),
    [id],
  );

  // Two callers with one id at the same time: one of them runs, and keeps what it declared.
  const twice = makeId(clock.now(), Buffer.from("twice"));
  const outcomes = await Promise.allSettled(
    ["drill", "restore"].map((verb) =>
      runJob(
        context,
        { verb, source: "shop" },
        { ...watch, jobId: () => twice },
        async (job) => {
          await job.declare(branch);
          await job.withdraw(branch);
        },
        () => ({}),
      ),
    ),
  );
  assert.deepEqual(outcomes.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  assert.ok(outcomes.some((one) => one.status === "rejected" && isLifeboatError(one.reason, "JOB_EXISTS")));
  assert.deepEqual([undone, (await listLeases(context.repository)).leases], [[], []]);

  // The same id and the same exclusive lease: the second caller is told of the job, not of a lease.
  const once = makeId(clock.now(), Buffer.from("once!"));
  const both = await Promise.allSettled(
    [1, 2].map(() =>
      runJob(
        context,
        { ...order, exclusive: true },
        { ...watch, jobId: () => once },
        async (job) => job.id,
        () => ({}),
      ),
    ),
  );
  const [refused] = both.filter((one) => one.status === "rejected");
  assert.ok(isLifeboatError(refused?.reason, "JOB_EXISTS"), String(refused?.reason));
  assert.equal(refused.reason.details.job, once);
});
