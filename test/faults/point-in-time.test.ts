// Point-in-time recovery, the whole campaign: many instants under load, log that is missing or damaged, a server that is killed,
// and kill -9 of the program itself.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { formatLsn } from "../../src/core/lsn.ts";
import { flipByte, segmentFiles, statusOf, until } from "../support/archive.ts";
import { cases, every, firstOf } from "../support/every.ts";
import {
  beginWritten,
  heldAt,
  instantBetween,
  lsnNumber,
  restoreScratch,
  settle,
  transactionsOf,
  xidsIn,
} from "../support/point-in-time.ts";
import { openApplication, query, skipWithoutPostgres } from "../support/postgres.ts";
import { startSandboxedS3 } from "../support/s3-sandbox.ts";

const skip = skipWithoutPostgres();
const minus = (set: Set<number>, other: Set<number>): number[] => [...set].filter((one) => !other.has(one)).sort();
const SESSIONS = 6;

function basesIn(repository: string): { readonly endLsn: string; readonly startLsn: string }[] {
  const folder = join(repository, "sources/shop/backups");
  return readdirSync(folder)
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name, "manifest.json"), "utf8")).base);
}

test("R25 random instants, instants of commits themselves, positions and base backups are reached exactly", { skip }, async (t) => {
  const written = await beginWritten(t);
  const { world, cluster, shop } = written;
  let over = false;
  const writing = written.write(SESSIONS, () => over);
  await sleep(300);
  const names: string[] = [];
  for (let round = 0; round < 3; round++) {
    names.push((await world.expect(0, "backup", "shop", "--kind", "base", "--json")).json().made[0].id);
    await sleep(3_000);
    await query(shop, "select pg_switch_wal()");
  }
  over = true;
  await writing;
  const window = await settle(written);
  const all = transactionsOf(cluster);
  const rows = await xidsIn(shop);
  const bases = basesIn(world.repository);
  const from = lsnNumber(bases[0]?.endLsn ?? "");
  const inversions = all.filter(({ at }, index) => index > 0 && at < (all[index - 1]?.at ?? "")).length;
  t.diagnostic(`${all.length} transactions, ${inversions} stamped earlier than the one before them`);
  const inside = all.filter(({ at, lsn }) => lsn > from && at >= window.earliest && at <= window.latest);
  // Where stamps go backwards, a wrong rule shows.
  const odd = inside.filter(({ at }, index) => index > 0 && at < (inside[index - 1]?.at ?? "")).slice(0, 4);
  const targets = [
    ...Array.from({ length: cases(20, 8) }, () => instantBetween(window.earliest, window.latest, Math.random())),
    ...odd.map(({ at }) => at),
    inside[Math.floor(inside.length / 2)]?.at ?? "",
    window.earliest,
    window.latest,
  ];
  const judge = async (to: string, expected: Set<number>): Promise<void> => {
    const scratch = await restoreScratch(world, to);
    const found = await xidsIn(scratch.shop);
    await scratch.end();
    const wanted = new Set([...expected].filter((xid) => rows.has(xid)));
    assert.deepEqual([minus(found, wanted), minus(wanted, found)], [[], []], `to ${to}`);
    assert.equal(scratch.json.verdict, "pass", JSON.stringify(scratch.json));
  };
  for (const at of targets) await judge(at, heldAt(all, at, from));
  const committed = (before: bigint): Set<number> =>
    new Set(all.filter(({ kind, lsn }) => kind === "COMMIT" && lsn < before).map(({ xid }) => xid));
  for (const share of [0.1, 0.5, 0.9]) {
    const { lsn } = inside[Math.floor(inside.length * share)] as (typeof inside)[number];
    await judge(formatLsn(lsn), committed(lsn)); // the record itself is not replayed
    await judge(formatLsn(lsn + 1n), committed(lsn + 1n)); // it is
  }
  for (const [index, name] of names.entries()) await judge(name, committed(lsnNumber(bases[index]?.endLsn ?? "")));
  await judge("latest", committed(1n << 60n));
  for (const [at, ms] of [
    [window.earliest, -1000],
    [window.latest, 1000],
  ] as const) {
    const refused = await world.run("restore", "shop", "--to", new Date(Date.parse(at) + ms).toISOString(), "--into", "scratch", "--json");
    assert.deepEqual([refused.exit, refused.code], [2, "RECOVERY_TARGET_OUTSIDE_WINDOW"], refused.stderr);
    assert.ok(refused.message?.includes(window.earliest) && refused.message.includes(window.latest), refused.message);
  }
  await world.assertNothingLeft();
});

test("R25 with the receiver as a synchronous standby, kill -9 of the server loses no acknowledged commit", {
  skip,
}, async (t) => {
  const written = await beginWritten(t);
  const { world, cluster, shop, archive } = written;
  await world.expect(0, "backup", "shop", "--kind", "base");
  await query(shop, "alter system set synchronous_standby_names = '*'");
  await query(shop, "select pg_reload_conf()");
  await until("it is synchronous", async () =>
    (await query(shop, "select sync_state from pg_stat_replication")).some((row) => row.sync_state === "sync"),
  );
  const writing = written.write(SESSIONS, () => false).catch(() => undefined);
  const acknowledged = new Set<number>();
  const sentinel = (async () => {
    const client = await openApplication(shop);
    try {
      for (;;) {
        const [row] = await client.query<{ xid: string }>("insert into w select txid_current(), 99, 0, 's' returning xid::text");
        acknowledged.add(Number(row?.xid));
      }
    } catch {
      // The server is gone: what was acknowledged until now must come back.
    }
  })();
  await sleep(3_000);
  process.kill(cluster.pid, "SIGKILL");
  await Promise.all([writing, sentinel]);
  assert.ok(acknowledged.size > 20, `${acknowledged.size} sentinels`);
  archive.kill("SIGTERM");
  await archive.ended;
  const scratch = await restoreScratch(world, "latest");
  const found = await xidsIn(scratch.shop);
  await scratch.end();
  assert.deepEqual(minus(acknowledged, found), [], "every acknowledged commit is there");
});

test("R25 log that is missing or damaged never gives a restore that is green", { skip }, async (t) => {
  const written = await beginWritten(t);
  const { world, shop } = written;
  await world.expect(0, "backup", "shop", "--kind", "base");
  for (let round = 0; round < 4; round++) {
    let n = 0;
    await written.write(2, () => n++ > 40);
    await query(shop, "select pg_switch_wal()");
  }
  const window = await settle(written);
  const files = segmentFiles(world);
  const victims = files.slice(1, -1);
  assert.ok(victims.length >= 2, files.join(" "));
  for (const victim of victims) {
    const aside = join(world.directory, "aside");
    renameSync(victim, aside);
    const shorter = await statusOf(world);
    assert.ok(shorter.window.latest < window.latest, "the window ends before what is missing");
    const refused = await world.run("restore", "shop", "--to", window.latest, "--into", "scratch", "--json");
    assert.equal(refused.code, "RECOVERY_TARGET_OUTSIDE_WINDOW", refused.stderr);
    const scratch = await restoreScratch(world, "latest");
    await scratch.end();
    renameSync(aside, victim);
  }
  const broken = victims.at(-1) as string;
  flipByte(broken);
  const directory = join(world.directory, "half");
  const ran = await world.run("restore", "shop", "--to", window.latest, "--into", directory, "--json");
  assert.deepEqual([ran.exit, ran.code], [30, "INTEGRITY"], ran.stderr);
  assert.deepEqual(
    readdirSync(world.directory).filter((name) => name.startsWith("half")),
    [],
  );
  // It is remembered: the window ends before it from now on, and the drill of what is left passes.
  const red = await statusOf(world);
  assert.ok(red.window.latest < window.latest && red.verdict === "fail", JSON.stringify(red.window));
  assert.equal((await world.expect(0, "drill", "shop", "--json")).json().drills[0].verdict, "pass");
  await world.assertNothingLeft();
});

test("R25 kill -9 of the program at any request of a restore leaves nothing after the next start", { skip }, async (t) => {
  const { sandbox: s3, stop } = await startSandboxedS3({ minPartBytes: 5 * 1024 ** 2, clock: () => Date.now() - 3_600_000 });
  t.after(stop);
  const written = await beginWritten(t, { s3 });
  const { world, shop } = written;
  await world.expect(0, "backup", "shop", "--kind", "base");
  let n = 0;
  await written.write(2, () => n++ > 200);
  await query(shop, "select pg_switch_wal()");
  await settle(written);
  const seen = (): number => [...s3.faults.seen.values()].reduce((sum, count) => sum + count, 0);
  const directory = join(world.directory, "restored");
  let steps = 0;
  for (let at = 2 + firstOf(5); at < 120; at += every(5)) {
    const before = seen();
    s3.faults.next({ times: at - 1, effect: { kind: "latency", ms: 0 } });
    s3.faults.next({ times: Number.POSITIVE_INFINITY, effect: { kind: "stall" } });
    const running = world.start("restore", "shop", "--into", directory);
    let over = false;
    void running.ended.then(() => {
      over = true;
    });
    while (!over && seen() - before < at) await sleep(2);
    if (!over) running.kill("SIGKILL");
    const { signal, exit, stderr } = await running.ended;
    s3.faults.clear();
    if (signal !== "SIGKILL") {
      assert.equal(exit, 0, stderr);
      break;
    }
    steps++;
    await world.expect(0, "jobs", "recover");
    const left = readdirSync(world.directory).filter((name) => name.startsWith("restored"));
    // Killed after its end, it is whole: without the note of a restore under way beside it.
    assert.ok(
      left.length === 0 || (left.length === 1 && existsSync(join(directory, "PG_VERSION"))),
      `killed at request ${at}: ${left.join(" ")}`,
    );
    await world.assertNothingLeft();
    if (left.length === 1) renameSync(directory, join(world.directory, `whole-${at}`));
  }
  assert.ok(steps >= 4, `only ${steps} steps were killed`);
  t.diagnostic(`killed at ${steps} requests`);
});
