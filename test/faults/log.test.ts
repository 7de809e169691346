// The log archive while things go wrong around it: the storage is away, the server dies, a removal is interrupted.
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../src/engines/postgres/cluster/cluster.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { archiveSource, segmentFiles, statusOf, until } from "../support/archive.ts";
import { freshDatabase, query, skipWithoutPostgres, testCluster } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";
import { startS3Emulator } from "../support/s3/emulator.ts";

const skip = skipWithoutPostgres();
const pitr = {
  source: "policy: pitr, objectives: { rpo: 10s }, archive: { partialEvery: 1s }",
  yaml: "policies: { pitr: { window: 7d } }\n",
};

async function beginSource(t: TestContext): Promise<{ cluster: Cluster; shop: Connection; write: () => Promise<string> }> {
  const cluster = await testCluster({ settings: archiveSource });
  t.after(() => cluster.stop());
  const shop = await freshDatabase("shop", cluster);
  await query(shop, "create table sentinel (id bigint generated always as identity, note text)");
  /** Writes some, ends the segment, and gives an instant that the last commit is not before. */
  const write = async (): Promise<string> => {
    const [row] = await query<{ at: string }>(
      shop,
      `insert into sentinel (note) select repeat('x', 300) from generate_series(1, 500);
       select pg_switch_wal();
       insert into sentinel (note) values ('last') returning to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`,
    );
    return row?.at ?? "";
  };
  return { cluster, shop, write };
}

test("R25 receiving continues while the storage is unreachable, and afterwards nothing is missing", { skip }, async (t) => {
  const { shop, write } = await beginSource(t);
  const s3 = await startS3Emulator({});
  t.after(() => s3.stop());
  const world = await beginWorld(t, { sources: { shop }, s3, ...pitr });
  await world.expect(0, "backup", "shop", "--kind", "base");
  const archive = world.start("archive", "shop");
  const before = await write();
  await until("it archives", async () => (await statusOf(world)).window.latest >= before);
  s3.faults.next({ times: 100_000, effect: { kind: "status", status: 503, code: "SlowDown" } });
  let last = "";
  for (let round = 0; round < 4; round++) {
    last = await write();
    await sleep(1500);
  }
  const [slot] = await query<{ active: boolean }>(shop, "select active from pg_replication_slots");
  assert.equal(slot?.active, true, "the server's log is still fetched");
  assert.equal(archive.child.exitCode, null, "it waits instead of giving up");
  s3.faults.clear();
  const status = await until("all of it is in the window", async () => {
    const now = await statusOf(world);
    return now.window.latest >= last ? now : undefined;
  });
  assert.deepEqual(status.log.flaws, []);
  archive.kill("SIGTERM");
  const ended = await archive.ended;
  assert.equal(ended.exit, 0, ended.stderr);
  assert.match(ended.stderr, /trying again/);
});

test("R25 an archiver that lost its lease acquires it again and continues with the received log", { skip }, async (t) => {
  const { shop, write } = await beginSource(t);
  const world = await beginWorld(t, { sources: { shop }, ...pitr });
  await world.expect(0, "backup", "shop", "--kind", "base");
  const archive = world.start("archive", "shop");
  const lease = join(world.repository, "leases/archive-shop.json");
  const jobOf = (): string => (existsSync(lease) ? (JSON.parse(readFileSync(lease, "utf8")) as { job: string }).job : "");
  const first = await until("it has its lease", async () => jobOf());
  const before = await write();
  await until("it archives", async () => (await statusOf(world)).window.latest >= before);
  rmSync(lease); // as after a long silence: the next heartbeat finds out
  await until("it has a lease again", async () => {
    await write();
    return jobOf() !== "" && jobOf() !== first;
  });
  const last = await write();
  const status = await until("all of it is in the window", async () => {
    const now = await statusOf(world);
    return now.window.latest >= last ? now : undefined;
  });
  assert.deepEqual(status.log.flaws, []);
  archive.kill("SIGTERM");
  assert.equal((await archive.ended).exit, 0);
  await world.assertNothingLeft();
});

test("R25 a server killed with -9 loses no more than the objective, and the archive is consistent", { skip }, async (t) => {
  const { shop, write } = await beginSource(t);
  const world = await beginWorld(t, { sources: { shop }, ...pitr });
  await world.expect(0, "backup", "shop", "--kind", "base");
  const archive = world.start("archive", "shop");
  const first = await write();
  await until("it archives", async () => (await statusOf(world)).window.latest >= first);
  const [{ directory } = { directory: "" }] = await query<{ directory: string }>(
    shop,
    "select current_setting('data_directory') as directory",
  );
  const postmaster = Number(readFileSync(join(directory, "postmaster.pid"), "utf8").split("\n")[0]);
  let acknowledged = "";
  for (let round = 0; round < 20; round++) {
    const [row] = await query<{ at: string }>(
      shop,
      `insert into sentinel (note) values ('s') returning to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`,
    );
    acknowledged = row?.at ?? "";
  }
  process.kill(postmaster, "SIGKILL");
  const status = await until("what was received is stored", async () => {
    const now = await statusOf(world);
    return now.window.latest >= acknowledged ? now : undefined;
  });
  assert.deepEqual(status.log.flaws, []);
  assert.ok(status.reasons.some(({ code }: { code: string }) => code === "SOURCE_UNREACHABLE"));
  archive.kill("SIGTERM");
  assert.equal((await archive.ended).exit, 0);
  const { points } = (await world.expect(0, "list", "--json")).json();
  const verified = (await world.run("verify", points[0].id, "--json")).json();
  assert.equal(verified.verdict, "pass", JSON.stringify(verified.checks));
});

test("R25 expire deletes old bases, then their log; the next one completes an interrupted deletion", {
  skip,
}, async (t) => {
  const { shop, write } = await beginSource(t);
  const world = await beginWorld(t, { sources: { shop }, ...pitr, yaml: "policies: { pitr: { window: 1s } }\n" });
  const archive = world.start("archive", "shop");
  await until("it runs", async () => (await query(shop, "select active from pg_replication_slots")).some(({ active }) => active === true));
  for (let round = 0; round < 3; round++) {
    await write();
    await world.expect(0, "backup", "shop", "--kind", "base");
  }
  const last = await write();
  await until("all is archived", async () => (await statusOf(world)).window.latest >= last);
  archive.kill("SIGTERM");
  await archive.ended;
  const before = segmentFiles(world);
  const plan = (await world.expect(0, "expire", "shop", "--plan", "--json")).json().sources[0];
  assert.equal(plan.remove.length, 2, JSON.stringify(plan));
  assert.ok(plan.log.removedSegments > 0 && plan.log.reasons.some((one: string) => /requires it/.test(one)));
  assert.deepEqual(segmentFiles(world), before, "a plan changes nothing");
  // A crash between the two deletions of the oldest segment.
  rmSync((before[0] ?? "").replace(/zst\.age$/, "json"));
  const done = (await world.expect(0, "expire", "shop", "--json")).json().sources[0];
  assert.equal(done.remove.length, 2);
  const status = await statusOf(world);
  assert.deepEqual(status.log.flaws, []);
  assert.ok(status.window.latest >= last && status.window.earliest < last);
  const after = segmentFiles(world);
  assert.ok(after.length < before.length && !after.includes(before[0] ?? ""), "the remains are gone too");
  const { points } = (await world.expect(0, "list", "--json")).json();
  assert.equal(points.length, 1);
  assert.equal((await world.run("verify", points[0].id, "--json")).json().verdict, "pass");
  const again = (await world.expect(0, "expire", "shop", "--json")).json().sources[0];
  assert.deepEqual([again.remove.length, again.log.removedSegments], [0, 0]);
});
