// A storage that stops answering: the command ends with a message, and Ctrl-C ends it sooner.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";
import { startSandboxedS3 } from "../support/s3-sandbox.ts";

const skip = skipWithoutPostgres();

test("a storage that never answers ends as STORAGE_TIMEOUT", { skip }, async (t) => {
  const { sandbox, stop } = await startSandboxedS3();
  t.after(stop);
  const world = await beginWorld(t, { sources: { shop: await freshDatabase() }, s3: sandbox });
  sandbox.faults.next({ times: Number.POSITIVE_INFINITY, effect: { kind: "stall" } });
  const ran = await world.run("backup", "shop", "--json");
  assert.deepEqual([ran.exit, ran.code], [1, "STORAGE_TIMEOUT"], ran.stderr);
  sandbox.faults.clear();
  await world.assertNothingLeft();
});

test("a second Ctrl-C leaves a silent storage at once, and the next start cleans up", { skip }, async (t) => {
  // An hour behind: what was left is old at once.
  const { sandbox, stop } = await startSandboxedS3({ clock: () => Date.now() - 3_600_000 });
  t.after(stop);
  const source = await freshDatabase();
  await query(source, "create table public.t (id int); insert into t select generate_series(1, 1000)");
  const world = await beginWorld(t, { sources: { shop: source }, s3: sandbox });
  const before = sandbox.faults.seen.get("PutObject") ?? 0;
  sandbox.faults.next({ operation: "PutObject", times: 10, effect: { kind: "latency", ms: 0 } });
  sandbox.faults.next({ operation: "PutObject", times: Number.POSITIVE_INFINITY, effect: { kind: "stall" } });
  const running = world.start("backup", "shop");
  while ((sandbox.faults.seen.get("PutObject") ?? 0) - before <= 10) await sleep(5);
  running.kill("SIGINT");
  await sleep(200);
  running.kill("SIGINT");
  const ran = await running.ended;
  assert.equal(ran.exit, 130, ran.stderr);
  sandbox.faults.clear();
  assert.deepEqual((await world.expect(0, "list", "--json")).json().points, []);
  assert.match((await world.expect(0, "backup", "shop")).stderr, /cleaned up after job/);
  assert.equal((await world.expect(0, "list", "--json")).json().points.length, 1);
  await world.assertNothingLeft();
});
