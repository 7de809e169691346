// Several machines and one queue: what is due is put once, workers take what they have room for, and what fails is parked.
import assert from "node:assert/strict";
import { test } from "node:test";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig } from "../support/program.ts";

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
