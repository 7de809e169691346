// kill -9 at every step: the storage falls silent at the Nth request, the program hangs there, and is killed.
// Whatever was under way, no restore point that is not whole is ever listed, and the next start cleans everything up.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "../../src/ports/connection.ts";
import { objectOfSignature } from "../../src/repository/signed.ts";
import type { S3Sandbox } from "../../src/sandbox/s3/s3-sandbox.ts";
import { forget } from "../support/planted.ts";
import { freshDatabase, query, sharedCluster, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";
import { startSandboxedS3 } from "../support/s3-sandbox.ts";

const skip = skipWithoutPostgres();
/** Far more requests than any of these commands makes: reaching it means that one never ends. */
const TOO_MANY = 120;

async function worldOnS3(t: TestContext, source: Connection, yaml = "", more?: string): Promise<World & { readonly s3: S3Sandbox }> {
  // An hour behind: what a killed process left is old at once.
  const { sandbox, stop } = await startSandboxedS3({ minPartBytes: 5 * 1024 ** 2, clock: () => Date.now() - 3_600_000 });
  t.after(stop);
  return {
    ...(await beginWorld(t, { sources: { shop: source }, s3: sandbox, yaml, ...(more === undefined ? {} : { source: more }) })),
    s3: sandbox,
  };
}

async function smallSource(): Promise<Connection> {
  const source = await freshDatabase();
  await query(
    source,
    "create table public.t (id int primary key, v text); insert into t select i, md5(i::text) from generate_series(1, 2000) i",
  );
  return source;
}

const seen = (s3: S3Sandbox): number => [...s3.faults.seen.values()].reduce((sum, count) => sum + count, 0);

/** Runs the command until its Nth request, which is never answered, and kills it there. False when it ended before. */
async function killedAt(world: World & { readonly s3: S3Sandbox }, n: number, ...args: readonly string[]): Promise<boolean> {
  const { faults } = world.s3;
  if (n > TOO_MANY) throw new Error(`lifeboat ${args[0]} makes more than ${TOO_MANY} requests`);
  const before = seen(world.s3);
  if (n > 1) faults.next({ times: n - 1, effect: { kind: "latency", ms: 0 } });
  faults.next({ times: Number.POSITIVE_INFINITY, effect: { kind: "stall" } });
  const running = world.start(...args);
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  while (!over && seen(world.s3) - before < n) await sleep(2);
  if (!over) running.kill("SIGKILL");
  const { signal, exit, stderr } = await running.ended;
  faults.clear();
  if (signal === "SIGKILL") return true;
  assert.equal(exit, 0, stderr);
  return false;
}

/** Names in the bucket by what they are. */
function bucket(s3: S3Sandbox) {
  const all = [...s3.store.objects.keys()].map((key) => key.replace(/^repo\//, ""));
  // The signature of an object that is there belongs to it; one of an object that is not is looked at as everything else.
  const keys = all.filter((key) => !all.includes(objectOfSignature(key) ?? ""));
  const of = (prefix: string): string[] => keys.filter((key) => key.startsWith(prefix));
  return {
    leases: of("leases/"),
    backups: of("sources/shop/backups/"),
    marks: of("sources/shop/marks/").filter((key) => key.endsWith(".json")),
    rest: keys.filter((key) => !/^(leases|sources|jobs|evidence)\//.test(key)),
  };
}

/**
 * After the clean-up: whole backups and nothing else. An empty probe of whether the server honours conditions may lie about
 * until the next command that writes.
 */
async function assertOnlyWhole(world: World & { readonly s3: S3Sandbox }, context: string, probes = false): Promise<void> {
  const { points } = (await world.expect(0, "list", "--json")).json();
  const { leases, backups, rest } = bucket(world.s3);
  assert.deepEqual([leases, probes ? rest.filter((key) => !key.startsWith("probe-")) : rest], [[], ["lifeboat.json"]], context);
  const folders = new Set(backups.map((key) => key.split("/")[3]));
  assert.equal(folders.size, points.length, `${context}: every folder is a restore point`);
  assert.deepEqual(
    backups.map((key) => key.split("/")[4]).sort(),
    points.flatMap(() => ["data.zst.age", "fingerprint.zst.age", "manifest.json"]).sort(),
    context,
  );
  await world.assertNothingLeft();
}

const databases = async (): Promise<string[]> =>
  (await query<{ d: string }>((await sharedCluster()).connection("postgres"), "select datname::text as d from pg_database")).map(
    ({ d }) => d,
  );

/** Roles of loads: of none that is over is one left. */
const loaders = async (): Promise<unknown[]> =>
  await query((await sharedCluster()).connection("postgres"), "select rolname from pg_roles where rolname like 'lifeboat%'");

test("kill -9 at every request of a backup leaves no restore point that is not whole, and the next backup cleans up and says so", {
  skip,
}, async (t) => {
  const source = await smallSource();
  const world = await worldOnS3(t, source);
  let committed = 0;
  let steps = 0;
  for (let n = 1; await killedAt(world, n, "backup", "shop", "--hold"); n++) {
    steps = n;
    const context = `killed at request ${n}`;
    const { leases, backups } = bucket(world.s3);
    const { points } = (await world.expect(0, "list", "--json")).json();
    assert.equal(points.length, backups.some((key) => key.endsWith("manifest.json")) ? 1 : 0, context);
    for (const { id } of points) {
      await world.expect(0, "verify", id);
      committed++;
    }
    const next = await world.expect(0, "backup", "shop");
    if (leases.length > 0 && points.length === 0) assert.match(next.stderr, /cleaned up after job/, context);
    await assertOnlyWhole(world, context);
    for (const key of [...world.s3.store.objects.keys()]) if (/^repo\/(sources|jobs)\//.test(key)) world.s3.store.delete(key);
    forget(world); // else it would be missed
  }
  assert.ok(steps >= 10, `only ${steps} steps were killed`);
  assert.ok(committed >= 1, "the kill after the commit was reached too");
  t.diagnostic(`killed at ${steps} requests`);
});

test("kill -9 in a large upload leaves nothing of it after the next start", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    "create extension pgcrypto; create table public.big (v bytea); insert into big select gen_random_bytes(1000) from generate_series(1, 20000)",
  );
  const world = await worldOnS3(t, source);
  for (const operation of ["UploadPart", "CompleteMultipartUpload"] as const) {
    for (const times of operation === "UploadPart" ? [0, 1] : [0]) {
      const { faults } = world.s3;
      const before = faults.seen.get(operation) ?? 0;
      if (times > 0) faults.next({ operation, times, effect: { kind: "latency", ms: 0 } });
      faults.next({ operation, times: Number.POSITIVE_INFINITY, effect: { kind: "stall" } });
      const running = world.start("backup", "shop");
      while ((faults.seen.get(operation) ?? 0) - before <= times) await sleep(5);
      running.kill("SIGKILL");
      await running.ended;
      faults.clear();
      assert.equal(world.s3.store.uploads.size, 1);
      assert.deepEqual((await world.expect(0, "list", "--json")).json().points, []);
      const recovered = (await world.expect(0, "jobs", "recover", "--json")).json();
      assert.deepEqual(
        recovered.recovered.map(({ verb, left }: { verb: string; left: unknown[] }) => [verb, left]),
        [["backup", []]],
      );
      await assertOnlyWhole(world, `${operation} ${times + 1}`);
    }
  }
  await world.expect(0, "backup", "shop");
  await assertOnlyWhole(world, "afterwards");
});

test("R57 kill -9 during a restore leaves no half database, no role and no spool file", { skip }, async (t) => {
  const world = await worldOnS3(t, await smallSource());
  await world.expect(0, "backup", "shop");
  let steps = 0;
  for (let n = 2; await killedAt(world, n, "restore", "shop", "--into", "half"); n += 2) {
    steps = n;
    const context = `killed at request ${n}`;
    await world.expect(0, "jobs", "recover");
    const names = await databases();
    assert.deepEqual(
      names.filter((name) => name.startsWith("lifeboat")),
      [],
      context,
    );
    assert.deepEqual(await loaders(), [], context);
    await assertOnlyWhole(world, context, true);
    if (!names.includes("half")) continue;
    const cluster = await sharedCluster();
    assert.deepEqual(await query(cluster.connection("half"), "select count(*)::int as n from public.t"), [{ n: 2000 }], context);
    await query(cluster.connection("postgres"), "drop database half");
  }
  assert.ok(steps >= 10, `only ${steps} steps were killed`);
  assert.ok((await databases()).includes("half"));
  await assertOnlyWhole(world, "afterwards");
});

test("kill -9 at any request of a drill leaves no cluster and no file", { skip }, async (t) => {
  const world = await worldOnS3(t, await smallSource());
  await world.expect(0, "backup", "shop");
  // Every third one: a drill makes a cluster each time.
  for (let n = 8; await killedAt(world, n, "drill", "shop"); n += 3) {
    await world.expect(0, "jobs", "recover");
    await assertOnlyWhole(world, `killed at request ${n}`, true);
  }
  await assertOnlyWhole(world, "afterwards");
});

test("kill -9 during expire leaves each backup whole or gone, and what must stay stays", { skip }, async (t) => {
  // Kept for a second: the older two are due to go, the newest stays whatever the policy says.
  const world = await worldOnS3(t, await smallSource(), "policies:\n  short: { keepManual: 1s }\n", "policy: short");
  let steps = 0;
  for (let n = 7; ; n += 4) {
    for (const name of ["old-1", "old-2", "new"]) await world.expect(0, "backup", "shop", "--name", name);
    await sleep(1_000);
    const killed = await killedAt(world, n, "expire", "shop");
    await world.expect(0, "jobs", "recover");
    await assertOnlyWhole(world, `killed at request ${n}`, true);
    const names = (await world.expect(0, "list", "--json")).json().points.map(({ name }: { name: string }) => name);
    assert.equal(names.at(-1), "new", `killed at request ${n}`);
    if (!killed) {
      assert.deepEqual(names, ["new"]);
      break;
    }
    steps++;
    for (const key of [...world.s3.store.objects.keys()]) if (/^repo\/(sources|jobs)\//.test(key)) world.s3.store.delete(key);
    forget(world); // else it would be missed
  }
  assert.ok(steps >= 4, `only ${steps} steps were killed`);
});

test("kill -9 at every request of verify leaves nothing, and says nothing about the backup", { skip }, async (t) => {
  const world = await worldOnS3(t, await smallSource());
  const { id } = (await world.expect(0, "backup", "shop", "--json")).json();
  for (let n = 1; await killedAt(world, n, "verify", id); n++) {
    const [point] = (await world.expect(0, "list", "--json")).json().points;
    assert.equal(point.damagedAt, null);
    assert.equal(point.verifiedAt !== null, bucket(world.s3).marks.length > 0, `killed at request ${n}`);
    await world.expect(0, "jobs", "recover");
    await assertOnlyWhole(world, `killed at request ${n}`, true);
    if (point.verifiedAt === null) continue;
    world.s3.store.delete(`repo/sources/shop/marks/${id}.json`);
    forget(world); // else it would be missed
  }
});
