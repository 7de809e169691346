// A simulated year of a source at a provider: every slot is served once, retention is what calendar arithmetic says, each planted cause
// raises its alert within one beat and its cure closes it, and nothing else is ever told. Then the same with a process that dies daily.
// A run takes some weeks of it; LIFEBOAT_TEST_EVERY=1 takes the whole year.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { type TestContext, test } from "node:test";
import { LifeboatError } from "../../src/core/errors.ts";
import type { Verdict } from "../../src/core/verdict.ts";
import type { Context, Source } from "../../src/operations/context.ts";
import { acknowledge } from "../../src/operations/retention/acknowledge.ts";
import { backup } from "../../src/operations/verbs/backup.ts";
import { expire } from "../../src/operations/verbs/expire.ts";
import { beat } from "../../src/operations/watch/beat.ts";
import { type DueWork, dueWork } from "../../src/operations/watch/schedule.ts";
import type { Storage } from "../../src/ports/storage.ts";
import { fileEvidence } from "../../src/repository/evidence.ts";
import { listLeases } from "../../src/repository/lease-files.ts";
import { dateOf, dayOf, type Habit, isSunday, survivors } from "../support/almanac.ts";
import { DAY_MS, HOUR_MS, practise } from "../support/calendar.ts";
import { cases } from "../support/every.ts";
import { type SandboxedNeon, startFakeNeon } from "../support/neon-sandbox.ts";
import { changesOf, type Plant, tryPlant } from "../support/plants/plant.ts";
import { history, PROVIDER, type Troubles, WELL } from "../support/plants/provider.ts";
import { type DrivenClock, drivenClock } from "../support/repository.ts";

const FIRST = dayOf("2026-09-01");
const daily: Habit = { on: () => true, name: (date) => `backup-${date}`, days: 7 };
/** On the first day everything is due, for nothing is there yet. */
const weekly: Habit = { on: (day) => isSunday(day) || day === FIRST, name: (date) => `weekly-${date}`, days: 28 };

const begin = () => drivenClock("2026-09-01T00:05:00.000Z");

async function beginYear(t: TestContext, neon: SandboxedNeon, clock: DrivenClock) {
  const { source: real, context: wired, watch, names } = await practise(t, "policy-d.yaml", { clock, neon: neon.sandbox });
  const world: Troubles = { ...WELL };
  let dying = Number.POSITIVE_INFINITY;
  const { storage } = wired.repository;
  const mortal = new Proxy(storage, {
    get(target, name: keyof Storage) {
      const member = target[name];
      if (typeof member !== "function" || name === "close") return member;
      return (...given: unknown[]) => {
        if (world.repository) throw new LifeboatError("STORAGE_UNREACHABLE", "the storage does not answer");
        if (--dying < 0) throw new LifeboatError("STORAGE_FAILED", "the process is dead");
        return Reflect.apply(member, target, given);
      };
    },
  });
  const provider = new Proxy(real.provider, {
    get(target, name: keyof Source["provider"]) {
      if (name === "connection") return async () => ({ url: "postgres://127.0.0.1:1/none", label: "none" });
      if (name === "settings" && world.notAsked)
        return { read: () => Promise.reject(new LifeboatError("PROVIDER_UNREACHABLE", "the API does not answer")) };
      return target[name];
    },
  });
  const inspect = async () => {
    if (world.unreachable) throw new LifeboatError("SOURCE_UNREACHABLE", "the server does not answer");
    return { now: new Date(clock.now().getTime() + world.clockOffMs), sizeBytes: 1_000_000, limits: world.limits };
  };
  const source: Source = Object.defineProperties(Object.create(real) as Source, {
    provider: { value: provider },
    engine: { value: { ...real.engine, inspect } },
  });
  const context: Context = {
    ...wired,
    sources: new Map([[source.name, source]]),
    repository: { ...wired.repository, storage: mortal },
    openKey: () => (world.key ? Promise.reject(new LifeboatError("KEY_MISSING", "the file is gone")) : wired.openKey()),
  };
  const served = new Map<string, number>();
  const run = async ({ key, operation, request }: DueWork): Promise<void> => {
    assert.ok(operation !== "drill");
    const on = { ...context, ...watch };
    const { failures } = operation === "backup" ? await backup.run(on, request) : await expire.run(on, request);
    if (failures[0] !== undefined) throw new Error(failures[0].message);
    served.set(key, (served.get(key) ?? 0) + 1);
  };
  return {
    ...{ clock, context, source, watch, names, world, served, neon },
    /** Does what is due. */
    async work(): Promise<void> {
      const { work, failures } = await dueWork(context, source, watch);
      if (failures[0] !== undefined) throw new Error(failures[0].message);
      for (const one of work) await run(one);
    },
    /** The same by a process that dies after so many calls of the storage. Whether it lived. */
    async workUntil(calls: number): Promise<boolean> {
      dying = calls;
      try {
        await this.work();
        return true;
      } catch {
        return false;
      } finally {
        dying = Number.POSITIVE_INFINITY;
      }
    },
    beat: async () => (await beat(context, [source], watch)).events,
    /** The next beat compares with what is set now. */
    accept: () => acknowledge(context, source, "cheaper", watch),
    async drill(verdict: Verdict): Promise<void> {
      const at = clock.now().toISOString();
      const id = `drill${clock.now().getTime()}`;
      const evidence = {
        ...({ format: 1, id, verb: "drill", source: source.name, startedAt: at, endedAt: at, target: "scratch", verdict } as const),
        who: { user: "test", host: "test", lifeboat: "test" },
        point: { id: "window", name: "window", snapshotAt: at },
        ...{ steps: [], checks: [], reasons: [], remarks: [], achieved: { rtoSeconds: 60, rpoSeconds: 1 } },
        objective: source.objective,
      };
      await fileEvidence(context.repository, evidence, "report\n");
    },
  };
}

type Year = Awaited<ReturnType<typeof beginYear>>;

/** Each slot once, and what is there by calendar arithmetic. */
async function assertServed({ served, names }: Year, day: number): Promise<void> {
  assert.ok(
    [...served.values()].every((times) => times === 1),
    JSON.stringify([...served]),
  );
  assert.deepEqual(await names(), survivors([daily, weekly], FIRST, day), dateOf(day));
}

test("R12 R24 R36 a year: each slot once, retention as the calendar says, each alert by its cause alone", async (t) => {
  const clock = begin();
  await using neon = await startFakeNeon({ plan: "launch", clock });
  const year = await beginYear(t, neon, clock);
  await history(neon, 7 * 86_400);
  await year.drill("pass");
  const plants = Object.entries<Plant<Year>>(PROVIDER);
  const days = cases(365, plants.length + 2);
  for (let day = FIRST; day < FIRST + days; day++) {
    const from = clock.now().getTime();
    await neon.sandbox.tick();
    await year.work();
    clock.advance(4 * HOUR_MS);
    await year.work();
    await year.work();
    await assertServed(year, day);
    if ((day - FIRST) % 30 === 29) await year.drill("pass");
    const first = changesOf(await year.beat());
    if (day > FIRST) assert.deepEqual(first, [], dateOf(day));
    const planted = plants[(day - FIRST - 1) % (plants.length + 2)];
    if (planted !== undefined) await tryPlant<Year>(year, ...planted);
    clock.advance(from + DAY_MS - clock.now().getTime());
  }
  assert.equal([...year.served.keys()].filter((key) => key.startsWith("backup")).length, days);
});

test("R24 R53 the same year with a process that dies every day: nothing is lost, doubled or left", async (t) => {
  const seed = Number(process.env.LIFEBOAT_TEST_SEED ?? randomInt(1, 1_000_000));
  t.diagnostic(`LIFEBOAT_TEST_SEED=${seed}`);
  let state = seed;
  const draw = (most: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % most;
  };
  const clock = begin();
  await using neon = await startFakeNeon({ plan: "launch", clock });
  const year = await beginYear(t, neon, clock);
  await history(neon, 7 * 86_400);
  await year.drill("pass");
  let deaths = 0;
  const days = cases(365, 12);
  for (let day = FIRST; day < FIRST + days; day++) {
    const from = clock.now().getTime();
    await neon.sandbox.tick();
    for (const hour of [1, 4]) {
      if (!(await year.workUntil(1 + draw(80)))) deaths++;
      // The lease of a dead process falls silent.
      clock.advance(HOUR_MS * hour);
      await year.work();
    }
    assert.deepEqual(await year.names(), survivors([daily, weekly], FIRST, day), dateOf(day));
    assert.deepEqual((await listLeases(year.context.repository)).leases, [], dateOf(day));
    if ((day - FIRST) % 30 === 29) await year.drill("pass");
    const told = changesOf(await year.beat());
    if (day > FIRST) assert.deepEqual(told, [], dateOf(day));
    clock.advance(from + DAY_MS - clock.now().getTime());
  }
  assert.ok(deaths > 0, "no draw was a death");
});
