// What can go wrong while a backup is made: each a clear message and the right exit status, nothing half-done, nothing green.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertRed, programsWith, untilThere } from "../support/faults.ts";
import { freshDatabase, query, skipWithoutPostgres, testCluster } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";
import { startSandboxedS3 } from "../support/s3-sandbox.ts";

const skip = skipWithoutPostgres();

async function smallSource(rows = 20_000) {
  const source = await freshDatabase();
  await query(
    source,
    `create table public.t (id int primary key, v text); insert into t select i, md5(i::text) from generate_series(1, ${rows}) i`,
  );
  return source;
}

for (const [what, script, expected] of [
  ["dies half way", '"$REAL" "$@" | head -c 300000; kill -9 $$', { exit: 1, code: "DUMP_FAILED" }],
  [
    "exits 1 after its last byte",
    '"$REAL" "$@"; echo "pg_dump: error: late trouble" >&2; exit 1',
    { exit: 1, code: "DUMP_FAILED", message: /late trouble/ },
  ],
  ["exits 0 with half its output", '"$REAL" "$@" | head -c 300000; exit 0', { exit: 1, code: "DUMP_INCOMPLETE" }],
] as const) {
  test(`a pg_dump that ${what} leaves no backup`, { skip }, async (t) => {
    const world = await beginWorld(t, {
      sources: { shop: await smallSource() },
      env: { LIFEBOAT_POSTGRES_BIN: await programsWith(t, script) },
    });
    await assertRed(world, await world.run("backup", "shop", "--json"), expected);
  });
}

/** The real pg_dump, halted after its first 300 kB until the test resumes it; its status is the real one's. */
const HALTED =
  '{ "$REAL" "$@"; echo $? > "$TMPDIR/../status"; } | { head -c 300000; : > "$TMPDIR/../reached"; while [ ! -e "$TMPDIR/../go" ]; do sleep 0.1; done; cat; }; exit "$(cat "$TMPDIR/../status")"';
const HANGING = '"$REAL" "$@" | head -c 300000; : > "$TMPDIR/../reached"; sleep 600';

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} ends a backup whose pg_dump hangs: status 130, and nothing is left`, { skip }, async (t) => {
    const world = await beginWorld(t, {
      sources: { shop: await smallSource() },
      env: { LIFEBOAT_POSTGRES_BIN: await programsWith(t, HANGING) },
    });
    const running = world.start("backup", "shop", "--json");
    await untilThere(join(world.directory, "reached"), running);
    running.kill(signal);
    await assertRed(world, await running.ended, { exit: 130, code: "CANCELLED", message: new RegExp(signal) });
  });
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} ends a restore in the middle of its load: status 130, no database, no spool file`, { skip }, async (t) => {
    const source = await smallSource(1000);
    const bin = await programsWith(t, ': > "$TMPDIR/../reached"; sleep 600', "pg_restore");
    const world = await beginWorld(t, { sources: { shop: source } });
    await world.expect(0, "backup", "shop");
    world.env.LIFEBOAT_POSTGRES_BIN = bin;
    const running = world.start("restore", "shop", "--into", "interrupted", "--json");
    await untilThere(join(world.directory, "reached"), running);
    running.kill(signal);
    const ran = await running.ended;
    assert.deepEqual([ran.exit, ran.code], [130, "CANCELLED"], ran.stderr);
    assert.deepEqual(
      await query(source, "select datname::text as d from pg_database where datname = 'interrupted' or datname like 'lifeboat%'"),
      [],
    );
    await world.assertNothingLeft();
  });
}

test("a server that vanishes in the middle of a dump leaves no backup", { skip }, async (t) => {
  const cluster = await testCluster();
  t.after(() => cluster.stop());
  const source = await freshDatabase("gone", cluster);
  await query(
    source,
    "create table public.t (id int primary key, v text); insert into t select i, md5(i::text) from generate_series(1, 60000) i",
  );
  const world = await beginWorld(t, { sources: { shop: source }, env: { LIFEBOAT_POSTGRES_BIN: await programsWith(t, HALTED) } });
  const running = world.start("backup", "shop", "--json");
  await untilThere(join(world.directory, "reached"), running);
  process.kill(cluster.pid, "SIGQUIT"); // what `pg_ctl stop -m immediate` does
  writeFileSync(join(world.directory, "go"), "");
  const ran = await running.ended;
  assert.ok(["DUMP_FAILED", "SOURCE_UNREACHABLE"].includes(ran.code ?? ""), ran.stderr);
  await assertRed(world, ran, { exit: 1, code: ran.code ?? "" });
});

test("a full storage refuses the backup and keeps nothing of it; with free space the next one succeeds", { skip }, async (t) => {
  const { sandbox, stop } = await startSandboxedS3();
  t.after(stop);
  const world = await beginWorld(t, { sources: { shop: await smallSource() }, s3: sandbox });
  sandbox.faults.capacityBytes = sandbox.store.usedBytes + 100_000;
  await assertRed(world, await world.run("backup", "shop", "--json"), { exit: 1, code: "STORAGE_FULL" });
  assert.deepEqual(
    [...sandbox.store.objects.keys()].filter((key) => key.startsWith("repo/sources/")),
    [],
  );
  sandbox.faults.clear();
  await world.expect(0, "backup", "shop");
});

test("of two backups of one source at once, one is made and the other ends with status 11", { skip }, async (t) => {
  const world = await beginWorld(t, {
    sources: { shop: await smallSource(100) },
    env: {
      LIFEBOAT_POSTGRES_BIN: await programsWith(
        t,
        ': > "$TMPDIR/../reached"; while [ ! -e "$TMPDIR/../go" ]; do sleep 0.1; done; exec "$REAL" "$@"',
      ),
    },
  });
  const first = world.start("backup", "shop", "--json");
  await untilThere(join(world.directory, "reached"), first);
  const second = await world.run("backup", "shop", "--json");
  assert.deepEqual([second.exit, second.code], [11, "LEASE_HELD"], second.stderr);
  writeFileSync(join(world.directory, "go"), "");
  const { id } = (await first.ended).json().made[0];
  assert.deepEqual(
    (await world.expect(0, "list", "--json")).json().points.map((point: { id: string }) => point.id),
    [id],
  );
  await world.expect(0, "verify", id);
  await world.assertNothingLeft();
});

test("a table truncated or rewritten during the backup is neither lost nor green without its rows", { skip }, async (t) => {
  const source = await smallSource(60_000);
  await query(source, "create table public.u (id int, v text); insert into u select i, 'x' from generate_series(1, 500) i");
  const world = await beginWorld(t, { sources: { shop: source }, env: { LIFEBOAT_POSTGRES_BIN: await programsWith(t, HALTED) } });
  const running = world.start("backup", "shop", "--json");
  await untilThere(join(world.directory, "reached"), running);
  const changes = Promise.all([
    query(source, "truncate public.t"),
    query(source, "alter table public.u alter column id type bigint; delete from public.u"),
  ]);
  const waiting = async (): Promise<number> =>
    (await query(source, "select 1 as one from pg_locks where not granted and mode = 'AccessExclusiveLock'")).length;
  while ((await waiting()) < 2) await sleep(20); // both wait for the backup's locks
  writeFileSync(join(world.directory, "go"), "");
  const ran = await running.ended;
  await changes;
  t.diagnostic(`the backup ended with ${ran.exit} ${ran.code ?? ""}`);
  if (ran.exit !== 0) return assertRed(world, ran, { exit: 1, code: "SOURCE_CHANGED" });
  assert.equal(ran.json().made[0].fingerprint.rows, 60_500);
  const drilled = (await world.expect(0, "drill", "shop", "--json")).json().drills[0];
  assert.equal(drilled.verdict, "pass");
});
