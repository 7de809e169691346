// A job whose records cannot be written in the repository: at its start, in its middle, and at its end.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { memoryStorage } from "../../../test/support/memory-storage.ts";
import { drivenClock, testTrust } from "../../../test/support/repository.ts";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { silentProgress } from "../../ports/progress.ts";
import type { Provider } from "../../ports/provider.ts";
import type { Resource } from "../../ports/resource.ts";
import type { Storage } from "../../ports/storage.ts";
import type { JobRecord } from "../../repository/journal.ts";
import { jobsSince } from "../../repository/journals.ts";
import { listLeases } from "../../repository/lease-files.ts";
import { mark, readMarks } from "../../repository/marks.ts";
import { openForgetful } from "../../repository/memory.ts";
import { createRepository } from "../../repository/open.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Context, Source } from "../context.ts";
import { bringOver } from "./bring-over.ts";
import { runJob } from "./job.ts";

const branch: Resource = { kind: "branch", locator: { name: "drill-1" } };
const watch = { signal: new AbortController().signal, progress: silentProgress };
const order = { verb: "drill", source: "shop", aside: true } as const;
const refusal = new LifeboatError("STORAGE_FULL", "no space is left");

/** A repository that refuses writes while `state.refuses` says so, and a place aside. */
async function contextFor(_t: TestContext) {
  const clock = drivenClock();
  const real = memoryStorage(clock);
  const state = { refuses: (_name: string): boolean => false, opened: 0, undo: async (): Promise<boolean> => true };
  const storage: Storage = {
    ...real,
    async put(name, ...rest) {
      if (state.refuses(name)) throw refusal;
      return real.put(name, ...rest);
    },
  };
  const repository = { ...(await createRepository(real, ["age1test"], clock, testTrust())), storage };
  const { jobState, jobBegan, jobEnded } = repository.memory;
  const own: Repository = {
    ...repository,
    storage: memoryStorage(clock),
    memory: Object.assign(openForgetful(), { jobState, jobBegan, jobEnded }),
  };
  const aside = {
    directory: "/aside",
    open: async () => {
      state.opened++;
      return own;
    },
    find: async () => (state.opened > 0 ? own : undefined),
  };
  const undone: Resource[] = [];
  const provider = {
    name: "postgres",
    undo: async ({ kind, locator }: Resource) => (await state.undo()) && undone.push({ kind, locator }) > 0,
  } as unknown as Provider;
  const source = { name: "shop", provider } as Source;
  const sources = new Map([["shop", source]]);
  const context = { repository, aside, clock, sources, servers: new Map(), lifeboat: "0" } as unknown as Context;
  return { context, state, undone, real, own };
}

async function journals(place: Repository): Promise<JobRecord[]> {
  const found: JobRecord[] = [];
  for await (const job of jobsSince(place, new Date(0))) found.push(job);
  return found;
}

const work = (context: Context, during: (n: number) => void = () => undefined) =>
  runJob(
    context,
    order,
    watch,
    async (job) => {
      during(1);
      await job.declare(branch);
      during(2);
      await job.step("load", async () => undefined);
      await job.withdraw(branch);
      during(3);
      await job.file((place) => mark(place, "shop", "01k00000000001", { verifiedAt: new Date("2026-11-21T03:00:00Z") }));
      return job.aside;
    },
    () => ({}),
  );

test("R33 a job that only reads continues when the repository begins to refuse, with one journal aside", async (t) => {
  for (const from of [0, 1, 2, 3]) {
    const { context, state, own, real } = await contextFor(t);
    if (from === 0) state.refuses = () => true;
    const aside = await work(context, (n) => {
      if (n === from) state.refuses = () => true;
    });
    assert.equal(aside?.directory, "/aside", `from ${from}`);
    assert.match(aside?.why ?? "", /memory: cannot be written: no space is left/);
    const [job, ...more] = await journals(own);
    assert.deepEqual([job?.state, job?.steps.length, more], ["done", 1, []], `from ${from}`);
    assert.ok((await readMarks(own, "shop", "01k00000000001")).verifiedAt, `from ${from}`);
    for (const place of [own, context.repository]) assert.deepEqual((await listLeases(place)).leases, [], `from ${from}`);
    state.refuses = () => false;
    const brought = await bringOver(context);
    assert.deepEqual(
      brought.flatMap(({ left }) => left ?? []),
      [],
      `from ${from}`,
    );
    assert.equal((await journals(context.repository)).filter(({ state: ended }) => ended === "done").length, 1, `from ${from}`);
    assert.ok((await readMarks(context.repository, "shop", "01k00000000001")).verifiedAt, `from ${from}`);
    const names = [];
    for await (const { name } of own.storage.list("")) names.push(name);
    assert.deepEqual(names, [], `from ${from}: nothing is left aside`);
    assert.ok(await real.head("lifeboat.json"));
  }
});

test("R33 a job that writes refuses with the storage's own word, and leaves no place aside", async (t) => {
  const { context, state } = await contextFor(t);
  state.refuses = () => true;
  const run = runJob(
    context,
    { verb: "backup", source: "shop" },
    watch,
    async () => undefined,
    () => ({}),
  );
  await assert.rejects(run, (error) => error === refusal);
  assert.equal(state.opened, 0);
});

test("R33 a later start cleans up after a job that was filed aside; its lease waits there until then", async (t) => {
  const { context, state, undone, own } = await contextFor(t);
  state.refuses = () => true;
  state.undo = async () => {
    throw new LifeboatError("SOURCE_UNREACHABLE", "no answer");
  };
  const failing = runJob(
    context,
    order,
    watch,
    async (job) => {
      await job.declare(branch);
      throw new LifeboatError("LOAD_FAILED", "no");
    },
    () => ({}),
  );
  await assert.rejects(failing, (error) => isLifeboatError(error, "LOAD_FAILED"));
  assert.equal((await listLeases(own)).leases.length, 1);
  state.undo = async () => true;
  await work(context);
  assert.deepEqual(undone, [branch]);
  assert.deepEqual((await listLeases(own)).leases, []);
});

test("R33 a clean-up that fails, or takes long, keeps no job from its work", async (t) => {
  const { context, real } = await contextFor(t);
  const notes: string[] = [];
  const progress = { ...silentProgress, note: (message: string) => void notes.push(message) };
  const onList = (list: Storage["list"]): Context => {
    const storage: Storage = {
      ...real,
      list: (prefix, options) => (prefix.startsWith("leases/") ? list(prefix, options) : real.list(prefix, options)),
    };
    return { ...context, repository: { ...context.repository, storage } };
  };
  const run = (on: Context) =>
    runJob(
      on,
      order,
      { ...watch, progress },
      async () => 7,
      () => ({}),
    );
  const failing = onList(async function* () {
    yield* [];
    throw new LifeboatError("STORAGE_UNREACHABLE", "no answer");
  });
  assert.equal(await run(failing), 7);
  assert.match(notes.join("\n"), /could not clean up after jobs that ended: no answer/);
  const silent = onList(async function* () {
    yield* [];
    await new Promise(() => undefined);
  });
  assert.equal(await run(silent), 7);
  assert.match(notes.join("\n"), /continues beside this one/);
});
