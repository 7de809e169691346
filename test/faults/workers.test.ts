// Three workers of one queue, killed at random while they back up many sources: none lost, none doubled, no orphan, no false green.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openLifeboat } from "../../src/index.ts";
import { drawn } from "../support/accidents.ts";
import { cases, seedOf } from "../support/every.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type Running } from "../support/program.ts";

const SOURCES = cases(500, 40);
const WORKERS = 3;
/** Most lines that a worker prints before it is killed. A job prints about ten. */
const LINES = cases(200, 100);
const YAML = `policies:
  nightly: { backups: [{ tier: daily, cron: "0 2 * * *", keep: 30d }], expire: "0 4 1 1 *" }
queue: \${LIFEBOAT_QUEUE}
workers: { jobs: 2, attempts: 1000, takeOver: 5s }
`;

test(`R53 ${SOURCES} jobs on ${WORKERS} workers killed at random: none lost, none doubled, no orphan, no false green`, {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const random = drawn(seedOf(t));
  const [shop, queue] = [await freshDatabase(), await freshDatabase()];
  await query(shop, "create table t as select generate_series(1, 10) as id");
  const names = Array.from({ length: SOURCES }, (_, at) => `s${at}`);
  const sources = Object.fromEntries(names.map((name) => [name, shop]));
  const world = await beginWorld(t, { sources, source: "policy: nightly", yaml: YAML, env: { LIFEBOAT_QUEUE: queue.url } });
  const lifeboat = await openLifeboat({ config: world.configFile, env: world.env });
  t.after(() => lifeboat.close());

  const beganMs = performance.now();
  const seconds = (): number => Math.round((performance.now() - beganMs) / 1000);
  const put = (await Promise.all([lifeboat.run("tick", {}), lifeboat.run("tick", {})])).flatMap(({ queued }) => queued);
  const backups = put.filter((key) => key.startsWith("backup:"));
  assert.equal(backups.length, SOURCES, "two schedulers put each slot once");

  const workers: Running[] = [];
  let kills = 0;
  let isEnding = false;
  let isOver = false;
  /** Starts a worker that is killed after it has printed a random number of lines, one for each step and each item, and started again. */
  const start = (at: number): void => {
    const worker = world.start("work", "--name", `w${at}`);
    workers[at] = worker;
    let lines = 1 + Math.floor(random() * LINES);
    worker.child.stderr?.on("data", (text: Buffer) => {
      lines -= text.toString().split("\n").length - 1;
      if (lines > 0 || isEnding || worker.child.killed) return;
      worker.kill("SIGKILL");
      kills += 1;
    });
    // Also one that the harness ended because it ran for long.
    void worker.ended.then(() => isOver || start(at));
  };
  for (let at = 0; at < WORKERS; at++) start(at);
  /** A restore point that is listed at any moment is a whole one. */
  const checkListed = async (): Promise<void> => {
    const { points } = await lifeboat.run("list", {});
    const at = points[Math.floor(random() * points.length)];
    if (at === undefined) return;
    const { verdict } = await lifeboat.run("verify", { point: at.id });
    assert.equal(verdict, "pass", `${at.id} of ${at.source}`);
  };
  let looks = 0;
  for (;;) {
    const { items } = await lifeboat.run("workers", {});
    if (items.length === 0) break;
    assert.deepEqual(
      items.filter(({ state }) => state === "parked"),
      [],
    );
    // A long run that is stopped by hand has come so far.
    if (SOURCES > 40 && looks++ % 10 === 0) console.error(`${seconds()} s: ${items.length} of ${put.length} left, ${kills} kills`);
    // The last items end in peace.
    isEnding ||= items.length <= WORKERS;
    await checkListed();
    await sleep(1000);
  }
  isOver = true;
  for (const worker of workers) worker.kill("SIGTERM");
  for (const worker of workers) assert.equal((await worker.ended).exit, 0);
  assert.ok(kills >= WORKERS, `only ${kills} kills`);

  const { points } = await lifeboat.run("list", {});
  assert.deepEqual(points.map(({ source }) => source).sort(), names.toSorted(), "exactly one backup for each due slot");
  for (const { id } of points) assert.equal((await lifeboat.run("verify", { point: id })).verdict, "pass", id);
  assert.deepEqual((await lifeboat.run("tick", {})).queued, [], "nothing is due any longer");
  await lifeboat.run("jobs recover", {});
  const { jobs } = await lifeboat.run("jobs", { limit: 100_000 });
  const interrupted = jobs.filter(({ state }) => state === "failed").length;
  t.diagnostic(`${kills} kills, ${interrupted} jobs interrupted and taken over, ${seconds()} s`);
  assert.deepEqual(
    [...new Set(jobs.map(({ state }) => state))].filter((state) => state !== "done" && state !== "failed"),
    [],
  );
  await world.assertNothingLeft();
});
