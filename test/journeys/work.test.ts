// Several machines and one queue: what is due is put once, workers take what they have room for, and what fails is parked.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { compose } from "../../src/compose.ts";
import { loadConfig } from "../../src/config/load.ts";
import { ID_RANDOM_BYTES, makeId } from "../../src/core/ids.ts";
import { backup } from "../../src/operations/verbs/backup.ts";
import { drill } from "../../src/operations/verbs/drill.ts";
import { verify } from "../../src/operations/verbs/verify.ts";
import { silentProgress } from "../../src/ports/progress.ts";
import { apiJob } from "../../src/server/api/job-store.ts";
import { systemClock } from "../../src/system-clock.ts";
import { beginSlack } from "../support/notify/rooms.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig } from "../support/program.ts";
import { beginService } from "../support/service.ts";
import { beginServing } from "../support/serving.ts";

const YAML = `policies:
  nightly: { backups: [{ tier: daily, cron: "0 2 * * *", keep: 30d }] }
queue: \${LIFEBOAT_QUEUE}
workers: { attempts: 1, labels: [eu] }
limits: { sources: { shop: 1 } }
`;

test("R53 due work is put on the queue once, done by workers with room for it, and parked when it fails", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const [shop, far, queue] = [await freshDatabase(), await freshDatabase(), await freshDatabase()];
  for (const source of [shop, far]) await query(source, "create table t as select 1 as id");
  const away = { url: "postgres://shop@127.0.0.1:1/shop", label: "away" };
  const sources = { shop, far, away };
  const world = await beginWorld(t, { sources, source: "policy: nightly", yaml: YAML, env: { LIFEBOAT_QUEUE: queue.url } });
  editConfig(world, (text) => text.replace("policy: nightly }\n  away", "policy: nightly, labels: [us] }\n  away"));
  const workers = async () => (await world.run("workers", "--json")).json();

  const ticked = await Promise.all([world.run("tick", "--json"), world.run("tick", "--json")]);
  const put: string[] = ticked.flatMap((one) => one.json().queued);
  assert.deepEqual(
    put.map((key) => key.split(":").slice(0, 2).join(" ")).sort(),
    ["backup away", "backup far", "backup shop", "expire away", "expire far", "expire shop"],
    "of two schedulers at once, one puts each slot",
  );
  assert.deepEqual(
    ticked.flatMap((one) => one.json().backups),
    [],
  );

  const worker = world.start("work", "--json", "--name", "one");
  for (;;) {
    const { workers: seen, items } = await workers();
    const left = items.map(({ key, state }: Record<string, string>) => `${key?.split(":").slice(0, 2).join(" ")} ${state}`);
    if (left.length > 3 || seen[0]?.declined.length !== 2) continue;
    assert.deepEqual(left.sort(), ["backup away parked", "backup far waiting", "expire far waiting"]);
    assert.deepEqual(
      seen[0].declined.map(({ reason }: { reason: string }) => reason),
      ["this worker lacks the label us", "this worker lacks the label us"],
    );
    break;
  }
  worker.kill("SIGTERM");
  const ended = await worker.ended;
  assert.equal(ended.exit, 0, ended.stderr);
  const { done, failed } = ended.json();
  assert.deepEqual([done, failed.length, failed[0].error.code, failed[0].parked], [3, 1, "SOURCE_UNREACHABLE", true]);

  assert.equal((await world.expect(0, "work", "--idle", "--labels", "eu,us", "--json")).json().done, 2);
  const { points } = (await world.expect(0, "list", "--json")).json();
  assert.deepEqual(points.map(({ source }: { source: string }) => source).sort(), ["far", "shop"]);

  const again = (await world.run("tick", "--json")).json();
  assert.deepEqual(again.queued, [], "what is parked is not put again");
  const [parked] = (await world.expect(4, "workers", "--json")).json().items;
  await world.expect(0, "workers", "release", parked.key);
  assert.equal((await world.expect(0, "work", "--idle", "--json")).json().failed.length, 1);
  await world.assertNothingLeft();
});

test("R36 R53 a queue that is away and work that is parked open alerts, which close when they are over", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const queue = await freshDatabase();
  const away = { url: "postgres://shop@127.0.0.1:1/shop", label: "away" };
  const world = await beginWorld(t, {
    sources: { away },
    source: "policy: nightly",
    yaml: YAML.replace("shop: 1", "away: 1"),
    env: { LIFEBOAT_QUEUE: queue.url },
  });
  const codes = async (...args: readonly string[]): Promise<string[]> => {
    const { alerts } = (await world.run("tick", "--json", ...args)).json();
    return alerts.open
      .map(({ source, code }: Record<string, string>) => `${source ?? "all"} ${code}`)
      .filter((one: string) => /QUEUE|PARKED/.test(one));
  };
  assert.deepEqual(await codes(), []);
  await world.expect(0, "work", "--idle");
  assert.deepEqual(await codes(), ["away WORK_PARKED"]);
  world.env.LIFEBOAT_QUEUE = "postgres://lifeboat@127.0.0.1:1/queue";
  assert.deepEqual(await codes(), ["all QUEUE_AWAY", "away WORK_PARKED"], "what cannot be seen is not over");
  assert.equal((await world.run("work", "--idle", "--json")).code, "QUEUE_UNREACHABLE");
  world.env.LIFEBOAT_QUEUE = queue.url;
  const [parked] = (await world.expect(4, "workers", "--json")).json().items;
  await world.expect(0, "workers", "release", parked.key);
  assert.deepEqual(await codes(), []);
});

test("R24 R36 R51 R53 two services and a worker share a queue: each slot, alert and job of a caller once", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const slack = await beginSlack(t);
  const [shop, far, queue] = [await freshDatabase(), await freshDatabase(), await freshDatabase()];
  for (const source of [shop, far]) await query(source, "create table t as select generate_series(1, 100) as id");
  const yaml = `policies:
  nightly: { backups: [{ tier: daily, cron: "0 2 * * *", keep: 30d }], expire: "0 4 1 1 *", jitter: 20m }
queue: \${LIFEBOAT_QUEUE}
workers: { jobs: 2, takeOver: 5s }
server: { beat: 1s }
notify: { team: { kind: slack, url: "\${HOOK}", severities: [critical] } }
`;
  const world = await beginWorld(t, {
    sources: { shop, far },
    source: "policy: nightly, labels: [eu]",
    yaml,
    env: { LIFEBOAT_QUEUE: queue.url, HOOK: slack.url },
  });
  // Each machine has a directory of its own for its state.
  const onMachine = (name: string): void => {
    world.env.LIFEBOAT_STATE = join(world.directory, name);
  };
  onMachine("one");
  for (const source of ["shop", "far"]) await world.expect(0, "pause", source);
  let service = await beginService(world);
  onMachine("two");
  const other = await beginServing(world);
  // While they are paused, no first backup is waited for: the alert opens at once. No machine that schedules has the label.
  const saying = (code: string): number => slack.messages.filter((message) => JSON.stringify(message).includes(code)).length;
  while (saying("NO_BACKUP") < 2) await sleep(100);
  for (const source of ["shop", "far"]) await world.expect(0, "resume", source);
  onMachine("three");
  const worker = world.start("work", "--labels", "eu", "--name", "w1");
  onMachine("one");
  for (const path of ["/api/health/db/shop", "/api/health/db/far"]) await other.health(path, 200);
  while (saying("NO_BACKUP") < 4) await sleep(100);
  assert.equal(saying("NO_BACKUP"), 4, "of each source it was told that it opened, and that it closed");
  const due = [...service.lines.map((line) => JSON.parse(line)), ...other.lines].filter(({ message }) => message === "work is due");
  assert.deepEqual(due.map(({ key }) => String(key).split(":").slice(0, 2).join(" ")).sort(), [
    ...["backup far", "backup shop"],
    ...["expire far", "expire shop"],
  ]);

  // A caller's backup runs on the worker, which alone has the label.
  const token = await service.token(["operator"]);
  const post = async (path: string, body: unknown, key: string) =>
    apiJob.parse(await (await service.ask(path, { method: "POST", token, body, headers: { "idempotency-key": key } })).json());
  const ended = async ({ id }: { readonly id: string }) => {
    const text = await (await service.ask(`/api/jobs/${id}/events`, { token })).text();
    return { text, job: apiJob.parse(await (await service.ask(`/api/jobs/${id}`, { token })).json()) };
  };
  const begun = await post("/api/backup", { source: "shop", reason: "before the migration" }, "k1");
  const { text, job } = await ended(begun);
  assert.deepEqual([job.state, job.exit], ["done", 0], JSON.stringify(job));
  assert.match(text, /event: begin.*event: step.*event: end.*event: finished/s);
  assert.equal((await post("/api/backup", { source: "shop", reason: "before the migration" }, "k1")).id, begun.id);
  const { jobs } = (await world.expect(0, "jobs", "--source", "shop", "--json")).json();
  assert.equal(jobs[0].id, begun.id, "the journal has the job's id");
  const { points } = (await world.expect(0, "list", "shop", "--json")).json();
  assert.equal(points.length, 2);
  const verified = await ended(await post("/api/verify", { point: points[0].id }, "k2"));
  assert.deepEqual([verified.job.state, verified.job.exit], ["done", 0], JSON.stringify(verified.job));
  const { entries } = (await world.expect(0, "audit", "shop", "--json")).json();
  assert.ok(
    entries.some(({ job: of, actor }: { job: string; actor: { kind: string } }) => of === begun.id && actor.kind === "token"),
    "the audit log names the caller",
  );

  // Without a worker it waits: it can be cancelled, and it outlives the service.
  worker.kill("SIGTERM");
  assert.equal((await worker.ended).exit, 0);
  const unwanted = await post("/api/drill", { source: "far" }, "k3");
  await service.ask(`/api/jobs/${unwanted.id}/cancel`, { method: "POST", token });
  const cancelled = await ended(unwanted);
  assert.deepEqual([cancelled.job.state, cancelled.job.error?.code], ["failed", "CANCELLED"]);
  const waiting = await post("/api/backup", { source: "far" }, "k4");
  const { points: stored } = (await world.expect(0, "list", "far", "--json")).json();
  const drilling = await post("/api/drill", { source: "far", to: stored[0].name }, "k5");
  await service.end();
  // A worker ends the job, and dies before its answer: the next one answers with what is there.
  onMachine("three");
  const before = (await world.expect(0, "backup", "far", "--job", waiting.id, "--json")).json().made[0];
  const drilled = (await world.expect(0, "drill", "far", "--to", stored[0].name, "--job", drilling.id, "--json")).json();
  await world.expect(0, "work", "--idle", "--labels", "eu");
  onMachine("one");
  service = await beginService(world);
  const answered = (await ended(waiting)).job;
  assert.equal(answered.state, "done");
  const { made } = backup.result.parse(answered.result);
  assert.deepEqual(
    made.map(({ id, sizeBytes }) => [id, sizeBytes]),
    [[before.id, before.sizeBytes]],
  );
  assert.equal((await world.expect(0, "list", "far", "--json")).json().points.length, 2, "the backup is not made twice");
  const [found] = drill.result.parse((await ended(drilling)).job.result).drills;
  const { estimate: _, to, ...same } = drilled.drills[0];
  const later = { estimate: undefined, holds: same.holds.at };
  assert.deepEqual({ ...found, ...later, holds: found?.holds?.at, to: found?.to.target }, { ...same, ...later, to: to.target });
  const { jobs: done } = (await world.expect(0, "jobs", "--source", "far", "--json")).json();
  assert.equal(done.filter(({ verb }: { verb: string }) => verb === "drill").length, 1, "the drill is not run twice");
  const id = makeId(new Date(), randomBytes(ID_RANDOM_BYTES));
  const read = (await world.expect(0, "verify", stored[0].id, "--job", id, "--json")).json();
  const context = await compose(loadConfig({ file: world.configFile, env: world.env, cwd: world.directory }), {
    ...{ clock: systemClock, lifeboat: "test", env: world.env },
  });
  const on = { ...context, progress: silentProgress, signal: new AbortController().signal };
  assert.deepEqual(await verify.found?.(on, { point: stored[0].id }, id), read, "nor a verification");
  assert.equal(await verify.found?.(on, { point: points[0].id }, id), undefined, "of another restore point");
  await context.close();
  const { items } = (await world.expect(0, "workers", "--json")).json();
  assert.deepEqual(items, []);
  await service.end();
  await other.stop();
  await world.assertNothingLeft();
});
