// The log archive against a real server: the real program receives, the window grows, gaps and damage turn status red.
import assert from "node:assert/strict";
import { copyFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Connection } from "../../src/ports/connection.ts";
import { archiveSource, basePoints, beginArchiveWorld, flipByte, segmentFiles, statusOf, until } from "../support/archive.ts";
import { tablespaceDirectory } from "../support/base-world.ts";
import { freshDatabase, query, skipWithoutPostgres, testCluster } from "../support/postgres.ts";

const skip = skipWithoutPostgres();

test("R25 R2 the window grows with the log; a missing segment, then a damaged one, turn status red", { skip }, async (t) => {
  const { cluster, world, write } = await beginArchiveWorld(t);
  const shop = cluster.connection("shop");
  await write();
  const archive = world.start("archive", "shop");
  await until("the slot is active", async () =>
    (await query(shop, "select active from pg_replication_slots")).some(({ active }) => active === true),
  );
  await world.expect(0, "backup", "shop", "--kind", "base");
  const first = await until("there is a window", async () => {
    const status = await statusOf(world);
    return status.log?.windows[0]?.latest > status.log?.windows[0]?.earliest ? status : undefined;
  });
  assert.ok(first.window.earliest <= first.window.latest);
  for (let round = 0; round < 6; round++) {
    await write();
    await query(shop, "select pg_switch_wal()");
  }
  const grown = await until("six segments are there", async () => {
    const status = await statusOf(world);
    return status.log.segments >= 6 && status.window.latest > first.window.latest ? status : undefined;
  });
  assert.equal(grown.window.earliest, first.window.earliest);
  assert.deepEqual(grown.log.flaws, []);
  assert.equal(grown.log.slot.active, true);
  assert.ok(grown.exposureSeconds <= 10, `exposure is ${grown.exposureSeconds} s`);
  assert.ok(grown.warnings.some((message: string) => message.includes("max_slot_wal_keep_size")));

  // Idle now: the heartbeat alone keeps the window at the present.
  const idleFrom = grown.window.latest;
  await until("the window moves while nothing is written", async () => (await statusOf(world)).window.latest > idleFrom);

  archive.kill("SIGTERM");
  const ended = await archive.ended;
  assert.equal(ended.exit, 0, ended.stderr);
  const idle = await statusOf(world);
  assert.ok(idle.reasons.some(({ code }: { code: string }) => code === "SLOT_INACTIVE"));

  const files = segmentFiles(world);
  const [victim = "", broken = ""] = files.slice(-3);
  const kept = join(world.directory, "kept");
  copyFileSync(victim, kept);
  rmSync(victim);
  const interrupted = await statusOf(world);
  const gap = interrupted.reasons.find(({ code }: { code: string }) => code === "LOG_GAP");
  const name = /([0-9A-F]{24})\.zst\.age$/.exec(victim)?.[1] ?? "";
  assert.ok(gap?.message.includes(name), JSON.stringify(interrupted.reasons));
  assert.match(gap.message, /nothing after \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z can be reached/);
  assert.ok(interrupted.window.latest < idle.window.latest);
  assert.equal(interrupted.verdict, "fail");
  copyFileSync(kept, victim);
  assert.equal((await statusOf(world)).window.latest, idle.window.latest, "put back, it is all there again");

  flipByte(broken);
  assert.equal((await statusOf(world)).window.latest, idle.window.latest, "damage inside shows only to who reads");
  const verified = (await world.run("verify", "--json", (await basePoints(world))[0]?.id ?? "")).json();
  assert.equal(verified.verdict, "fail");
  const red = await statusOf(world);
  assert.ok(
    red.reasons.some(({ code }: { code: string }) => code === "LOG_DAMAGED"),
    JSON.stringify(red.reasons),
  );
  assert.ok(red.window.latest < idle.window.latest);

  await world.expect(0, "archive", "shop", "--stop");
  assert.deepEqual(await query(shop, "select slot_name from pg_replication_slots"), []);
  await world.assertNothingLeft();
});

test("R25 one archiver at a time: a second is told who has the source", { skip }, async (t) => {
  const { cluster, world } = await beginArchiveWorld(t);
  const archive = world.start("archive", "shop");
  await until("it runs", async () => (await query(cluster.connection("shop"), "select active from pg_replication_slots")).length > 0);
  const second = await world.run("archive", "shop", "--json");
  assert.equal(second.code, "LEASE_HELD");
  const stop = await world.run("archive", "shop", "--stop", "--json");
  assert.equal(stop.code, "LEASE_HELD");
  archive.kill("SIGTERM");
  await archive.ended;
  await world.expect(0, "archive", "shop", "--stop");
});

test("R25 archive_command stores each file once, in any order", { skip }, async (t) => {
  const { cluster, world, write } = await beginArchiveWorld(t);
  const shop = cluster.connection("shop");
  await world.expect(0, "backup", "shop", "--kind", "base");
  for (let round = 0; round < 3; round++) {
    await write();
    await query(shop, "select pg_switch_wal()");
  }
  const [{ directory } = { directory: "" }] = await query<{ directory: string }>(
    shop,
    "select current_setting('data_directory') as directory",
  );
  const [{ current } = { current: "" }] = await query<{ current: string }>(shop, "select pg_walfile_name(pg_current_wal_lsn()) as current");
  const folder = join(directory, "pg_wal");
  const ready = readdirSync(folder)
    .filter((name) => /^[0-9A-F]{24}$/.test(name) && name < current)
    .sort();
  assert.ok(ready.length >= 3);
  for (const name of ready.toReversed()) await world.expect(0, "archive", "shop", "--segment", join(folder, name));
  for (const name of ready) await world.expect(0, "--quiet", "archive", "shop", "--segment", join(folder, name));
  const status = await statusOf(world);
  assert.deepEqual([status.log.segments, status.log.flaws], [ready.length, []], "those that came too early were linked afterwards");
  assert.ok(status.log.windows.length === 1 && status.window.latest > status.window.earliest);
  for (const name of readdirSync(folder).filter((one) => one.endsWith(".backup")))
    await world.expect(0, "archive", "shop", "--segment", join(folder, name));
  const other = join(world.temporary, ready[0] ?? "");
  copyFileSync(join(folder, ready[1] ?? ""), other);
  const refused = await world.run("archive", "shop", "--json", "--segment", other);
  assert.notEqual(refused.exit, 0);
  rmSync(other);
  assert.equal((await world.run("archive", "shop", "--json", "--segment", join(folder, "nothing"))).code, "USAGE");
  await world.assertNothingLeft();
});

test("R25 archive_command of another server is refused, unless the source was made anew as that server", { skip }, async (t) => {
  const { cluster, world } = await beginArchiveWorld(t);
  const other = await testCluster({ settings: archiveSource });
  t.after(() => other.stop());
  const elsewhere = await freshDatabase("shop", other);
  const closedSegment = async (connection: Connection, data: string): Promise<string> => {
    const [{ name } = { name: "" }] = await query<{ name: string }>(connection, "select pg_walfile_name(pg_current_wal_lsn()) as name");
    await query(connection, "create table if not exists written (n int); insert into written values (1); select pg_switch_wal()");
    return join(data, "pg_wal", name);
  };
  const hand = (path: string) => world.run("archive", "shop", "--json", "--segment", path);
  const foreign = await closedSegment(elsewhere, other.data);
  // Only the base backup says whose archive it is; then the segments do, before and after.
  await world.expect(0, "backup", "shop", "--kind", "base");
  const first = await hand(foreign);
  assert.deepEqual([first.exit, first.code], [30, "LOG_INVALID"], first.stderr);
  assert.match(first.message ?? "", /is of another database cluster \(\d+\) than the archive of shop \(\d+\), and was not stored$/);
  const own = await closedSegment(cluster.connection("shop"), cluster.data);
  assert.equal((await hand(own)).exit, 0);
  assert.equal((await hand(await closedSegment(elsewhere, other.data))).code, "LOG_INVALID");
  const { log } = await statusOf(world);
  assert.deepEqual([log.segments, log.flaws], [1, []]);
  Object.assign(world.env, { URL_SHOP: elsewhere.url });
  const renewed = await hand(await closedSegment(elsewhere, other.data));
  assert.equal(renewed.exit, 0, renewed.stderr);
  await world.assertNothingLeft();
});

test("R25 R54 a tablespace that was created and dropped after the newest base backup asks for a new one", { skip }, async (t) => {
  const { cluster, world } = await beginArchiveWorld(t);
  const shop = cluster.connection("shop");
  await world.expect(0, "backup", "shop", "--kind", "base");
  await query(shop, `create tablespace late location '${await tablespaceDirectory(t)}'`);
  const [{ name } = { name: "" }] = await query<{ name: string }>(shop, "select pg_walfile_name(pg_current_wal_lsn()) as name");
  for (const statement of ["drop tablespace late", "create table written ()", "select pg_switch_wal()"]) await query(shop, statement);
  await world.expect(0, "archive", "shop", "--segment", join(cluster.data, "pg_wal", name));
  const outdated = async () => (await statusOf(world)).reasons.filter(({ code }: { code: string }) => code === "BASE_OUTDATED");
  const [told, ...others] = await outdated();
  assert.match(
    told?.message ?? "",
    /^a tablespace was created at 0\/[0-9A-F]+, after the newest base backup: no instant after that can be recovered$/,
  );
  assert.deepEqual(others, []);
  await world.expect(0, "backup", "shop", "--kind", "base");
  assert.deepEqual(await outdated(), []);
});
