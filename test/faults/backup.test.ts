// What can go wrong around a backup: each a clear message and the right exit status, nothing half-done, nothing green.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type TestContext, test } from "node:test";
import { generateIdentity } from "../../src/repository/seal/keys.ts";
import { freshDatabase, postgresBin, query, skipWithoutPostgres, testCluster } from "../support/postgres.ts";
import { beginWorld, editConfig, type Ran, type Running, type World } from "../support/program.ts";
import { temporaryDirectory } from "../support/repository.ts";
import { need } from "../support/require.ts";
import { startSandboxedS3 } from "../support/s3-sandbox.ts";

const skip = skipWithoutPostgres();

async function smallSource(rows = 20_000) {
  const source = await freshDatabase();
  await query(source, `create table public.t (id int primary key, v text); insert into t select i, md5(i::text) from generate_series(1, ${rows}) i`);
  return source;
}

/** A folder of PostgreSQL's programs in which pg_dump is a script around the real one (`$REAL`). */
async function programsWith(t: TestContext, script: string): Promise<string> {
  const bin = await temporaryDirectory(t);
  chmodSync(bin, 0o755);
  const real = postgresBin();
  for (const name of readdirSync(real)) {
    const body = name === "pg_dump" ? `case "$1" in --version) exec ${real}/pg_dump --version;; esac\nREAL=${real}/pg_dump\n${script}` : `exec ${real}/${name} "$@"`;
    writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }
  return bin;
}

/** One message of one code, no restore point, nothing left, and neither list nor status is green. */
async function assertRed(world: World, ran: Ran, expected: { readonly exit: number; readonly code: string; readonly message?: RegExp }): Promise<void> {
  assert.deepEqual([ran.exit, ran.code], [expected.exit, expected.code], ran.stderr);
  if (expected.message) assert.match(ran.message ?? "", expected.message);
  assert.equal(ran.stdout, "");
  assert.doesNotMatch(ran.stderr, /\n\s+at /, "no stack");
  assert.deepEqual((await world.expect(0, "list", "--json")).json().points, []);
  const status = (await world.expect(4, "status", "--json")).json();
  assert.equal(status.verdict, "fail");
  assert.ok(status.sources[0].reasons.some(({ code }: { code: string }) => code === "NO_BACKUP"));
  await world.assertNothingLeft();
  if (existsSync(join(world.repository, "sources"))) {
    const files = readdirSync(join(world.repository, "sources"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    assert.deepEqual(files.map(({ name }) => name), [], "nothing of the backup is left");
  }
}

for (const [what, script, expected] of [
  ["dies half way", '"$REAL" "$@" | head -c 300000; kill -9 $$', { exit: 1, code: "DUMP_FAILED" }],
  ["exits 1 after its last byte", '"$REAL" "$@"; echo "pg_dump: error: late trouble" >&2; exit 1', { exit: 1, code: "DUMP_FAILED", message: /late trouble/ }],
  ["exits 0 with half its output", '"$REAL" "$@" | head -c 300000; exit 0', { exit: 1, code: "DUMP_INCOMPLETE" }],
] as const) {
  test(`a pg_dump that ${what} leaves no backup`, { skip }, async (t) => {
    const world = await beginWorld(t, { sources: { shop: await smallSource() }, env: { LIFEBOAT_POSTGRES_BIN: await programsWith(t, script) } });
    await assertRed(world, await world.run("backup", "shop", "--json"), expected);
  });
}

/** Until the file is there: the script around pg_dump makes it. */
async function untilThere(file: string, running: Running): Promise<void> {
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  while (!existsSync(file)) {
    if (over) assert.fail(`it ended before ${file} was there: ${(await running.ended).stderr}`);
    await sleep(10);
  }
}

const HANGING = '"$REAL" "$@" | head -c 300000; : > "$TMPDIR/../reached"; sleep 600';

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} ends a backup whose pg_dump hangs for ever: status 130, and nothing is left`, { skip }, async (t) => {
    const world = await beginWorld(t, { sources: { shop: await smallSource() }, env: { LIFEBOAT_POSTGRES_BIN: await programsWith(t, HANGING) } });
    const running = world.start("backup", "shop", "--json");
    await untilThere(join(world.directory, "reached"), running);
    running.kill(signal);
    await assertRed(world, await running.ended, { exit: 130, code: "CANCELLED", message: new RegExp(signal) });
  });
}

test("SIGINT ends a restore: status 130, no database, no spool file", { skip }, async (t) => {
  const source = await smallSource(1000);
  const world = await beginWorld(t, { sources: { shop: source } });
  await query(source, "create function public.slow(int) returns int language plpgsql immutable as 'begin perform pg_catalog.pg_sleep(60); return 1; end'; create table public.s (id int); create index on s (public.slow(id)); alter table s disable trigger all");
  await query(source, "set session_replication_role = replica; drop index public.s_slow_idx; insert into s values (1)");
  // The index is built last and takes a minute: the signal comes in the middle of the load.
  await query(source, "create materialized view public.late as select pg_sleep(0) is null as x with no data");
  await query(source, "alter table public.s add constraint waits check (public.slow(id) = 1) not valid");
  await world.expect(0, "backup", "shop");
  const running = world.start("restore", "shop", "--into", "interrupted", "--json");
  const loading = async (): Promise<boolean> =>
    (await query(source, "select 1 as one from pg_stat_activity where datname like 'lifeboat%' and query ilike 'copy%'")).length > 0;
  while (!(await loading())) await sleep(20);
  running.kill("SIGINT");
  const ran = await running.ended;
  assert.deepEqual([ran.exit, ran.code], [130, "CANCELLED"], ran.stderr);
  const names = await query(source, "select datname::text as d from pg_database where datname = 'interrupted' or datname like 'lifeboat%'");
  assert.deepEqual(names, []);
  await world.assertNothingLeft();
});

test("a server that vanishes in the middle of a dump leaves no backup", { skip }, async (t) => {
  const cluster = await testCluster();
  t.after(() => cluster.stop());
  const source = await freshDatabase("gone", cluster);
  await query(source, "create table public.t (id int primary key, v text); insert into t select i, md5(i::text) from generate_series(1, 20000) i");
  const world = await beginWorld(t, { sources: { shop: source }, env: { LIFEBOAT_POSTGRES_BIN: await programsWith(t, HANGING) } });
  const running = world.start("backup", "shop", "--json");
  await untilThere(join(world.directory, "reached"), running);
  process.kill(cluster.pid, "SIGQUIT"); // what `pg_ctl stop -m immediate` does
  const ran = await running.ended;
  assert.ok(["DUMP_FAILED", "SOURCE_UNREACHABLE"].includes(ran.code ?? ""), ran.stderr);
  await assertRed(world, ran, { exit: 1, code: ran.code ?? "" });
});

test("a storage that is full refuses the backup and keeps nothing of it; with room again the next one succeeds", { skip }, async (t) => {
  const { sandbox, stop } = await startSandboxedS3();
  t.after(stop);
  const world = await beginWorld(t, { sources: { shop: await smallSource() }, s3: sandbox });
  sandbox.faults.capacityBytes = sandbox.store.usedBytes + 100_000;
  await assertRed(world, await world.run("backup", "shop", "--json"), { exit: 1, code: "STORAGE_FULL" });
  assert.deepEqual([...sandbox.store.objects.keys()].filter((key) => key.startsWith("repo/sources/")), []);
  sandbox.faults.clear();
  await world.expect(0, "backup", "shop");
});

test("a full disk under the spool is said before anything is made", { skip }, async (t) => {
  const directory = await temporaryDirectory(t);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", directory]).status === 0;
  if (!mounted) return t.skip("a small file system cannot be mounted here");
  try {
    const source = await smallSource();
    const world = await beginWorld(t, { sources: { shop: source }, env: { LIFEBOAT_SPOOL: directory } });
    await world.expect(0, "backup", "shop");
    for (const args of [["restore", "shop", "--into", "nodisk"], ["drill", "shop"]]) {
      const ran = await world.run(...args, "--json");
      assert.deepEqual([ran.exit, ran.code], [1, "DISK_FULL"], ran.stderr);
      assert.match(ran.message ?? "", new RegExp(directory));
    }
    assert.deepEqual(await query(source, "select 1 as x from pg_database where datname = 'nodisk' or datname like 'lifeboat%'"), []);
    assert.equal((await world.expect(0, "list", "--json")).json().points[0].damagedAt, null, "a full disk says nothing against the backup");
    assert.notEqual((await world.run("status")).exit, 0);
    assert.deepEqual(readdirSync(directory), []);
    await world.assertNothingLeft();
  } finally {
    execFileSync("umount", [directory]);
  }
});

test("R21 a wrong key and a missing key are told apart from damage: status 12, and nothing is marked", { skip }, async (t) => {
  const source = await smallSource(100);
  const world = await beginWorld(t, { sources: { shop: source } });
  const { id } = (await world.expect(0, "backup", "shop", "--json")).json();
  const identity = readFileSync(world.identityFile, "utf8");
  writeFileSync(world.identityFile, `${(await generateIdentity()).identity}\n`);
  for (const args of [["verify", id], ["restore", "shop", "--into", "locked"], ["drill", "shop"]]) {
    const ran = await world.run(...args, "--json");
    assert.deepEqual([ran.exit, ran.code], [12, "WRONG_KEY"], `${args[0]}: ${ran.stderr}`);
  }
  editConfig(world, (text) => text.replace(/, identityFile: "[^"]*"/, ""));
  for (const args of [["restore", "shop", "--into", "locked"], ["drill", "shop"]]) {
    const ran = await world.run(...args, "--json");
    assert.deepEqual([ran.exit, ran.code], [12, "KEY_MISSING"], `${args[0]}: ${ran.stderr}`);
  }
  const unopened = (await world.expect(0, "verify", id, "--json")).json();
  assert.equal(unopened.opened, false, "without a key only the stored bytes are compared, and that is said");
  assert.equal((await world.expect(0, "list", "--json")).json().points[0].damagedAt, null);
  await world.expect(0, "backup", "shop");
  assert.ok(!identity.includes("nothing"));
  assert.deepEqual(await query(source, "select 1 as x from pg_database where datname = 'locked' or datname like 'lifeboat%'"), []);
  await world.assertNothingLeft();
});

for (const [what, tail] of [
  ["a second zstd frame", (zstd: (text: string) => Buffer) => zstd("more")],
  ["bytes after the zstd frame", () => Buffer.from("trailing")],
] as const) {
  test(`${what} in a stored part is found though the manifest's digest of the stored bytes fits`, { skip }, async (t) => {
    if (!need(t, "age", spawnSync("age", ["--version"]).status === 0) || !need(t, "zstd", spawnSync("zstd", ["--version"]).status === 0)) return;
    const world = await beginWorld(t, { sources: { shop: await smallSource(100) } });
    const { id } = (await world.expect(0, "backup", "shop", "--json")).json();
    const folder = join(world.repository, "sources/shop/backups", readdirSync(join(world.repository, "sources/shop/backups"))[0] ?? "");
    const part = join(folder, "data.zst.age");
    const frame = execFileSync("age", ["-d", "-i", world.identityFile, part]);
    const input = Buffer.concat([frame, tail((text) => execFileSync("zstd", ["-c"], { input: text }))]);
    const forged = execFileSync("age", ["-r", world.recipient], { input });
    writeFileSync(part, forged);
    const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
    manifest.parts[0].stored = { sizeBytes: forged.length, sha256: createHash("sha256").update(forged).digest("hex") };
    writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
    const verified = await world.run("verify", id, "--json");
    assert.equal(verified.exit, 30, verified.stderr);
    const restored = await world.run("restore", "shop", "--to", id, "--into", "forged", "--json");
    assert.deepEqual([restored.exit, restored.code], [30, "INTEGRITY"], restored.stderr);
    await world.assertNothingLeft();
  });
}

test("of two backups of one source at once, one is made and the other ends with status 11", { skip }, async (t) => {
  const world = await beginWorld(t, { sources: { shop: await smallSource(100) }, env: { LIFEBOAT_POSTGRES_BIN: await programsWith(t, ': > "$TMPDIR/../reached"; while [ ! -e "$TMPDIR/../go" ]; do sleep 0.1; done; exec "$REAL" "$@"') } });
  const first = world.start("backup", "shop", "--json");
  await untilThere(join(world.directory, "reached"), first);
  const second = await world.run("backup", "shop", "--json");
  assert.deepEqual([second.exit, second.code], [11, "LEASE_HELD"], second.stderr);
  writeFileSync(join(world.directory, "go"), "");
  const { id } = (await first.ended).json();
  assert.deepEqual((await world.expect(0, "list", "--json")).json().points.map((point: { id: string }) => point.id), [id]);
  await world.expect(0, "verify", id);
  await world.assertNothingLeft();
});

test("a table truncated or rewritten during the backup is neither lost nor green without its rows", { skip }, async (t) => {
  const source = await smallSource(1000);
  await query(source, "create table public.u (id int, v text); insert into u select i, 'x' from generate_series(1, 500) i");
  const script = ': > "$TMPDIR/../reached"; while [ ! -e "$TMPDIR/../go" ]; do sleep 0.1; done; exec "$REAL" "$@"';
  const world = await beginWorld(t, { sources: { shop: source }, env: { LIFEBOAT_POSTGRES_BIN: await programsWith(t, script) } });
  const running = world.start("backup", "shop", "--json");
  await untilThere(join(world.directory, "reached"), running);
  const changes = Promise.all([query(source, "truncate public.t"), query(source, "alter table public.u alter column id type bigint; delete from public.u")]);
  await sleep(200); // they wait for the backup's locks, or have been done by now: both must end well
  writeFileSync(join(world.directory, "go"), "");
  const ran = await running.ended;
  await changes;
  assert.equal(ran.exit, 0, ran.stderr);
  assert.equal(ran.json().fingerprint.rows, 1500);
  assert.deepEqual(await query(source, "select (select count(*)::int from t) as t, (select count(*)::int from u) as u"), [{ t: 0, u: 0 }]);
  const drilled = (await world.expect(0, "drill", "shop", "--json")).json();
  assert.equal(drilled.verdict, "pass");
});

test("R33 an empty database and one of empty tables drill as inconclusive, never as a pass", { skip }, async (t) => {
  const [empty, rowless] = [await freshDatabase(), await freshDatabase()];
  await query(rowless, "create table public.t (id int primary key)");
  const world = await beginWorld(t, { sources: { empty, rowless } });
  for (const name of ["empty", "rowless"]) {
    const made = await world.run("backup", name, "--json");
    assert.ok(made.exit === 0 || made.code === "BACKUP_EMPTY", made.stderr);
    if (made.exit !== 0) continue;
    const drilled = (await world.expect(3, "drill", name, "--json")).json();
    assert.equal(drilled.verdict, "inconclusive");
    assert.match(drilled.reasons.join(), /proves nothing|nothing is proven/);
    assert.notEqual((await world.run("status", name)).exit, 0);
  }
  await world.assertNothingLeft();
});

test("R33 forced row security never makes a backup of the visible rows pass for one of all rows", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(source, "create role rls_owner login superuser; create table public.open (id int); insert into open select generate_series(1, 10); create table public.hidden (id int, who text); insert into hidden select i, case when i % 2 = 0 then 'a' else 'b' end from generate_series(1, 100) i; alter table hidden enable row level security; alter table hidden force row level security; create policy half on hidden using (who = 'a'); alter table hidden owner to rls_owner; alter table open owner to rls_owner; alter role rls_owner nosuperuser password 'rls-secret'");
  const url = new URL(source.url);
  url.username = "rls_owner";
  url.password = "rls-secret";
  const world = await beginWorld(t, { sources: { shop: { url: url.href, label: "hidden" } } });
  const made = await world.run("backup", "shop", "--json");
  if (made.exit === 0) {
    const drilled = await world.run("drill", "shop", "--json");
    assert.equal(drilled.exit, 3, drilled.stderr);
    assert.equal(drilled.json().verdict, "inconclusive");
  } else {
    assert.match(made.message ?? "", /hidden/, made.stderr);
    await assertRed(world, made, { exit: made.exit ?? 0, code: made.code ?? "" });
  }
  t.diagnostic(`backup ended with ${made.exit} ${made.code ?? ""}: ${made.message ?? ""}`);
});
