// A simulated year of the real service: `lifeboat serve` as a child on a clock that the test drives, with its database and its
// repository in sandboxes on the same clock. Every day it is killed with SIGKILL at a drawn moment and started again.
// A run takes a few days of it; LIFEBOAT_TEST_EVERY=1 takes the whole year,
// LIFEBOAT_TEST_DAYS so many days from LIFEBOAT_TEST_FIRST on, which is a Sunday.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type { Document } from "mongodb";
import { compose } from "../../src/compose.ts";
import { loadConfig } from "../../src/config/load.ts";
import { pointsOf } from "../../src/operations/points/points.ts";
import { dueWork } from "../../src/operations/watch/schedule.ts";
import { silentProgress } from "../../src/ports/progress.ts";
import { jobsSince } from "../../src/repository/journals.ts";
import { listLeases } from "../../src/repository/lease-files.ts";
import { systemClock } from "../../src/system-clock.ts";
import { dateOf, dayOf, type Habit, isSunday, survivors } from "../support/almanac.ts";
import { cases } from "../support/every.ts";
import { beginMongoWorld, type MongoWorld } from "../support/mongo-world.ts";
import { WEBHOOK_SECRET } from "../support/notify/pagers.ts";
import { beginPeer } from "../support/notify/peer.ts";
import { beginWorld } from "../support/program.ts";
import { startSandboxedS3 } from "../support/s3-sandbox.ts";
import { beginServing, type Serving } from "../support/serving.ts";

/** A Sunday, on which all that is scheduled has a slot. The year from there has a leap day and both changes of the clock. */
const FIRST = dayOf(process.env.LIFEBOAT_TEST_FIRST ?? "2027-08-29");
const DRIVEN_DATE = join(import.meta.dirname, "../support/driven-date.ts");
const DAYS = Number(process.env.LIFEBOAT_TEST_DAYS ?? cases(365, 2));
const habits: readonly Habit[] = [
  { on: () => true, name: (date) => date, days: 7 },
  { on: isSunday, name: (date) => date, days: 28 },
];
/** In local time, where 02:30 comes twice on one day of the year and never on another. */
const YAML = `server: { beat: 1s }
policies:
  nightly:
    backups:
      - { tier: daily, cron: "30 2 * * * Europe/Berlin", keep: 7d }
      - { tier: weekly, cron: "30 2 * * 0 Europe/Berlin", keep: 28d }
    expire: "0 4 * * *"
drills: { weekly: { sources: [shop], cron: "0 6 * * 0" } }
notify: { ops: { kind: webhook, url: "\${HOOK}", secret: "\${HOOK_SECRET}" } }
`;
/** In the year from 2027-08-29 on, by the almanac: the last night that begins in summer time, and the first that ends in it. */
const [AUTUMN, SPRING] = ["2027-10-31", "2028-03-26"];

/** Just after the instants of a day at which something is due: the backup by local time, the expiry, the drill. */
function momentsOf(day: number): readonly string[] {
  const date = dateOf(day);
  const nights = [...(date <= AUTUMN || date >= SPRING ? ["00:35"] : []), ...(date >= AUTUMN && date <= SPRING ? ["01:35"] : [])];
  // Where nothing is there yet, a backup is due at once.
  return [...(day === FIRST ? nights.slice(-1) : nights), "04:05", ...(isSunday(day) ? ["06:05"] : [])];
}

/** About as many requests as the work of a moment makes. */
const REQUESTS = 60;
const watch = { signal: new AbortController().signal, progress: silentProgress };

/** The clock of everything in the world, in the child by a file. */
function drivenOffset() {
  const file = join(mkdtempSync(join(tmpdir(), "lw-clock-")), "offset");
  let offsetMs = 0;
  return {
    file,
    nowMs: (): number => Date.now() + offsetMs,
    /** It continues from there as the machine's does. */
    setTo(at: string): void {
      offsetMs = Date.parse(at) - Date.now();
      writeFileSync(file, String(offsetMs));
    },
  };
}

async function server(t: TestContext, { nowMs }: { nowMs(): number }): Promise<MongoWorld> {
  const world = await beginMongoWorld({ clock: () => new Date(nowMs()) });
  t.after(() => world[Symbol.asyncDispose]());
  return world;
}

async function beginYear(t: TestContext) {
  const clock = drivenOffset();
  clock.setTo(`${dateOf(FIRST)}T00:30:00Z`);
  const s3 = await startSandboxedS3({ clock: clock.nowMs });
  t.after(() => s3.stop());
  const [mongo, scratch] = [await server(t, clock), await server(t, clock)];
  const orders = mongo.db().collection<Document>("orders");
  await orders.insertMany(Array.from({ length: 100 }, (_, n) => ({ n })));
  const told: { readonly event: string; readonly of: string }[] = [];
  const hook = await beginPeer(t, ({ body }) => {
    const { type, data } = JSON.parse(body);
    told.push({ event: type, of: data.identity });
    return { status: 204 };
  });
  const driven = { NODE_OPTIONS: `--import ${pathToFileURL(DRIVEN_DATE).href}`, LIFEBOAT_TEST_CLOCK: clock.file };
  const world = await beginWorld(t, {
    sources: {},
    mongo: { shop: { url: mongo.url("shop"), scratch: scratch.url() } },
    s3: s3.sandbox,
    source: "policy: nightly",
    yaml: YAML,
    env: { ...driven, HOOK: `${hook.origin}/hook`, HOOK_SECRET: WEBHOOK_SECRET },
  });
  // The test looks at the repository as another machine would, with a memory of its own.
  const env = { ...world.env, LIFEBOAT_STATE: join(world.directory, "state-of-the-test") };
  const config = loadConfig({ file: world.configFile, env, cwd: world.directory });
  const context = await compose(config, { clock: { ...systemClock, now: () => new Date(clock.nowMs()) }, lifeboat: "test", env });
  t.after(() => context.close());
  t.after(() => rmSync(dirname(clock.file), { recursive: true, force: true }));
  const [source] = context.sources.values();
  assert.ok(source);
  const { faults } = s3.sandbox;
  const seen = (): number => [...faults.seen.values()].reduce((sum, count) => sum + count, 0);
  const isDue = async (): Promise<boolean> => (await dueWork(context, source, watch)).work.length > 0;
  const isWorking = async (): Promise<boolean> => (await listLeases(context.repository)).leases.length > 0;
  return {
    ...{ told, world },
    /** The clock jumps there, and the application continues. */
    async setTo(at: string): Promise<void> {
      clock.setTo(at);
      await orders.insertOne({ at });
    },
    /** Verbs of the jobs that the day completed. */
    async completed(date: string): Promise<string[]> {
      const verbs: string[] = [];
      for await (const { verb, state } of jobsSince(context.repository, new Date(date))) if (state === "done") verbs.push(verb);
      return verbs.sort();
    },
    /** How many drills have left evidence. */
    drills: (): number =>
      [...s3.sandbox.store.objects.keys()].filter((key) => /^repo\/evidence\/shop\/.*\/evidence\.json$/.test(key)).length,
    dates: async () => (await pointsOf(context, "shop")).map(({ point }) => dateOfNight(point.time)).sort(),
    /** Until the service has done what is due, no job runs, and a beat after that finds nothing wrong. */
    async rest(service: Serving): Promise<void> {
      // What a killed job began is due again once the service has cleaned up after it. In this order: a job that begins between the
      // two questions is seen by the second one.
      for (let seen = service.lines.length; (await isDue()) || (await isWorking()); seen = service.lines.length) {
        assertRuns(service);
        await Promise.race([service.until(({ message }) => message.startsWith("work ended"), seen), sleep(2000)]);
      }
      const from = new Date(clock.nowMs()).toISOString();
      for (;;) {
        const health = (await (await fetch(`${service.url}/api/health`)).json()) as Record<string, unknown>;
        if (health.verdict === "pass" && String(health.judgedAt) > from) return;
        await sleep(250);
      }
    },
    /** Kills the service at the nth request of its storage after it began what is due. That request is never answered. Whether a job ran. */
    async killAt(service: Serving, n: number, from: number): Promise<boolean> {
      service.kill("SIGHUP"); // looks at the clock at once
      if (await isDue()) await service.until(({ message }) => / begins$/.test(message), from);
      const before = seen();
      if (n > 1) faults.next({ times: n - 1, effect: { kind: "latency", ms: 0 } });
      faults.next({ times: Number.POSITIVE_INFINITY, effect: { kind: "stall" } });
      while (seen() - before < n) {
        assertRuns(service);
        await sleep(5);
      }
      service.kill("SIGKILL");
      const { signal } = await service.ended;
      assert.equal(signal, "SIGKILL");
      faults.clear();
      return isWorking();
    },
  };
}

/** Nothing is awaited of a service that has ended. */
const assertRuns = ({ child }: Serving): void =>
  assert.deepEqual([child.exitCode, child.signalCode], [null, null], "the service ended by itself");

/** The night that a backup belongs to, by its date. */
const dateOfNight = (time: Date): string => time.toISOString().slice(0, 10);

test("R24 R53 a year of the service, killed at a random moment of every day: each slot once, nothing left", async (t) => {
  const seed = Number(process.env.LIFEBOAT_TEST_SEED ?? randomInt(1, 1_000_000));
  t.diagnostic(`LIFEBOAT_TEST_SEED=${seed}`);
  let state = seed;
  const draw = (most: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % most;
  };
  const year = await beginYear(t);
  let service = await beginServing(year.world);
  let during = 0;
  let drills = 0;
  const beganMs = performance.now();
  const seconds = (): number => Math.round((performance.now() - beganMs) / 1000);
  if (DAYS > 2) console.error(`LIFEBOAT_TEST_SEED=${seed}`);
  for (let day = FIRST; day < FIRST + DAYS; day++) {
    const date = dateOf(day);
    const moments = momentsOf(day);
    const fatal = draw(moments.length);
    for (const [index, moment] of moments.entries()) {
      const from = service.lines.length;
      await year.setTo(`${date}T${moment}:00Z`);
      if (index === fatal) {
        if (await year.killAt(service, 1 + draw(REQUESTS), from)) during++;
        service = await beginServing(year.world);
      }
      await year.rest(service);
      assert.ok(!service.lines.some(({ code }) => code === "NO_RESTORE_POINT"), "a drill waits for the first backup");
    }
    assert.deepEqual(await year.dates(), [...new Set(survivors(habits, FIRST, day))].sort(), date);
    // On the first day, also what was due before it.
    const completed = await year.completed(date);
    if (day > FIRST) assert.deepEqual(completed, [...new Set(completed)], date);
    drills += day === FIRST ? 2 : Number(isSunday(day));
    assert.equal(year.drills(), drills, date);
    // A long run that is stopped by hand has passed so many days.
    if (DAYS > 2) console.error(`${date} passed: day ${day - FIRST + 1} of ${DAYS}, ${during} kills in the middle of work, ${seconds()} s`);
  }
  await service.stop();
  t.diagnostic(`${DAYS} days, each with a kill, ${during} of them in the middle of work, ${seconds()} s`);
  // A crash repeats an alert and never loses one: the last that was said of each is its end.
  const last = new Map(year.told.map(({ event, of }) => [of, event]));
  assert.deepEqual(
    [...last.values()].filter((event) => event !== "alert.closed"),
    [],
  );
  await year.world.assertNothingLeft();
});
