// The log's receiver against real servers: what it hands over is what the server wrote, whatever happens to either of them.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isLifeboatError } from "../../src/core/errors.ts";
import { compareLsn } from "../../src/core/lsn.ts";
import { openClient } from "../../src/engines/postgres/connect/client.ts";
import { dropSlot } from "../../src/engines/postgres/log/slot.ts";
import { logState } from "../../src/engines/postgres/log/state.ts";
import { breakableWay } from "../support/breakable-way.ts";
import { type LogCluster, logCluster } from "../support/log-cluster.ts";
import { type Collector, collectLog, processesIn } from "../support/log-collector.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();
const SLOT = "lifeboat_test";

const write = (cluster: LogCluster, rows: number): Promise<unknown> =>
  query(
    cluster.connection(),
    `create table if not exists t (v text); insert into t select repeat(md5(i::text), 8) from generate_series(1, ${rows}) i`,
  );
const switchSegment = (cluster: LogCluster): Promise<unknown> => query(cluster.connection(), "select pg_switch_wal()");
const slots = (cluster: LogCluster): Promise<{ name: string }[]> =>
  query(cluster.connection(), "select slot_name as name from pg_replication_slots");
const currentLsn = async (cluster: LogCluster): Promise<string> =>
  String((await query<{ lsn: string }>(cluster.connection(), "select pg_current_wal_flush_lsn()::text as lsn"))[0]?.lsn);
const wholeNames = ({ files }: Collector): string[] => files.filter(({ kind }) => kind === "segment").map(({ name }) => name);
const reached = ({ files }: Collector): string => files.findLast(({ facts }) => facts)?.facts?.endLsn ?? "0/0";

/** Runs with a server and a collector, and leaves nothing of either. */
async function withServer(
  options: Parameters<typeof logCluster>[0],
  body: (cluster: LogCluster, collect: (options?: Parameters<typeof collectLog>[1]) => Promise<Collector>) => Promise<void>,
): Promise<void> {
  const cluster = await logCluster({ segmentMegabytes: 1, ...options });
  const collectors: Collector[] = [];
  try {
    await body(cluster, async (more) => {
      const collector = await collectLog(cluster.connection(), more);
      collectors.push(collector);
      return collector;
    });
  } finally {
    for (const collector of collectors.reverse()) await collector.remove();
    await cluster.remove();
  }
}

test(
  "R25 every byte that is handed over is the server's own, in log order, linked, and the slot is declared before it is made",
  { skip },
  () =>
    withServer({}, async (cluster, collect) => {
      const collector = await collect();
      assert.equal(collector.declared.length, 1);
      assert.deepEqual(await slots(cluster), [{ name: SLOT }]);
      for (let round = 0; round < 4; round++) {
        await write(cluster, 4_000);
        await switchSegment(cluster);
      }
      const target = await currentLsn(cluster);
      await collector.until((seen) => compareLsn(reached(seen), target) >= 0);
      const names = wholeNames(collector);
      assert.ok(names.length >= 4);
      assert.deepEqual(names, [...names].sort());
      for (const { name, kind, bytes, linked } of collector.files) {
        if (kind !== "segment") continue;
        assert.ok(Buffer.from(bytes).equals(await readFile(join(cluster.data, "pg_wal", name))), `${name} is the server's`);
        assert.equal(linked, name !== names[0], `${name} follows the one before it`);
      }
      // What is stored is forgotten here, but for the newest.
      await collector.until(() => true);
      await sleep(300);
      assert.ok((await readdir(collector.directory)).length <= 2);
      const state = await logState(cluster.connection(), SLOT);
      assert.equal(state.slot?.active, true);
      assert.ok(state.warnings.some(({ code }) => code === "SLOT_UNLIMITED"));
      await collector.stop();
      await dropSlot(cluster.connection(), SLOT);
      await dropSlot(cluster.connection(), SLOT);
      assert.deepEqual(await slots(cluster), []);
      assert.deepEqual(processesIn(collector.directory), []);
    }),
);

test(
  "R25 after kill -9 of the server the partial segment that is handed over at once holds every commit that was acknowledged",
  { skip },
  () =>
    withServer({ segmentMegabytes: 16 }, async (cluster, collect) => {
      const collector = await collect({ partialEveryMs: 600_000 });
      await query(cluster.connection(), "create table sentinel (n int)");
      await query(cluster.connection(), `alter system set synchronous_standby_names = '${SLOT}'`);
      await query(cluster.connection(), "select pg_reload_conf()");
      await sleep(300);
      const client = await openClient(cluster.connection());
      const acknowledged: { lsn: string; n: number }[] = [];
      const writing = (async () => {
        for (let n = 0; ; n++) {
          await client.query(`insert into sentinel values (${n})`);
          const [row] = await client.query<{ lsn: string }>("select pg_current_wal_flush_lsn()::text as lsn");
          acknowledged.push({ lsn: String(row?.lsn), n });
        }
      })().catch(() => {});
      while (acknowledged.length < 50) await sleep(5);
      await cluster.kill();
      await writing;
      await client.close();
      const last = acknowledged.at(-1)?.lsn ?? "0/0";
      await collector.until((seen) => compareLsn(reached(seen), last) >= 0);
      assert.equal(collector.files.at(-1)?.kind, "partial");
      const commits = collector.files.at(-1)?.facts;
      assert.ok(commits?.lastCommit && commits.records > acknowledged.length);

      // And goes on when it is back.
      await cluster.start();
      await collector.until(({ notices }) => notices.some(({ code }) => code === "ARCHIVE_RESUMED"));
      assert.ok(collector.notices.some(({ code }) => code === "SOURCE_UNREACHABLE"));
      await query(cluster.connection(), "insert into sentinel values (-1)");
      await switchSegment(cluster);
      await query(cluster.connection(), "insert into sentinel values (-2)");
      await collector.until((seen) => wholeNames(seen).length > 0);
      const whole = collector.files.find(({ kind }) => kind === "segment");
      assert.ok(whole && Buffer.from(whole.bytes).equals(await readFile(join(cluster.data, "pg_wal", whole.name))));
    }),
);

test("R25 when the way to the server breaks, what there is is handed over at once, and it goes on when the way is back", { skip }, () =>
  withServer({}, async (cluster) => {
    const way = await breakableWay(cluster);
    const collector = await collectLog(way.connection, { partialEveryMs: 600_000 });
    try {
      await write(cluster, 500);
      const before = await currentLsn(cluster);
      // It arrives within moments; a file of it is not due for ten minutes.
      const [arrived] = await readReplies(cluster, before);
      assert.ok(arrived);
      await way.cut();
      await collector.until((seen) => compareLsn(reached(seen), before) >= 0);
      await collector.until(({ notices }) => notices.some(({ code }) => code === "SOURCE_UNREACHABLE"));
      await write(cluster, 8_000);
      await way.mend();
      await collector.until(({ notices }) => notices.some(({ code }) => code === "ARCHIVE_RESUMED"));
      await collector.until((seen) => wholeNames(seen).length >= 2);
      assert.ok(
        collector.files
          .filter(({ kind }) => kind === "segment")
          .slice(1)
          .every(({ linked }) => linked),
      );
      assert.equal(collector.notices.filter(({ code }) => code === "SOURCE_UNREACHABLE").length, 1, "one notice an outage");
    } finally {
      await collector.remove();
      await way.close();
    }
  }),
);

/** Waits until the server knows that the receiver has the log up to there. */
async function readReplies(cluster: LogCluster, lsn: string): Promise<unknown[]> {
  for (;;) {
    const rows = await query(
      cluster.connection(),
      `select 1 from pg_stat_replication where application_name = '${SLOT}' and flush_lsn >= '${lsn}'`,
    );
    if (rows.length > 0) return rows;
    await sleep(20);
  }
}

test("R25 a consumer that is slow loses nothing: what was received waits on disk", { skip }, () =>
  withServer({}, async (cluster, collect) => {
    let open = false;
    const collector = await collect({
      slow: async () => {
        while (!open) await sleep(20);
      },
    });
    await write(cluster, 30_000);
    await switchSegment(cluster);
    const target = await currentLsn(cluster);
    const filled = async (): Promise<number> => (await readdir(collector.directory)).filter((name) => /^[0-9A-F]{24}$/.test(name)).length;
    while ((await filled()) < 8) await sleep(20);
    assert.ok(collector.files.length <= 1);
    open = true;
    await collector.until((seen) => compareLsn(reached(seen), target) >= 0);
    const names = wholeNames(collector);
    assert.deepEqual(names, [...new Set(names)].sort());
    assert.ok(
      collector.files
        .filter(({ kind }) => kind === "segment")
        .slice(1)
        .every(({ linked }) => linked),
    );
  }),
);

test("R25 told to stop, it hands over the last partial segment and ends; the next one begins with what was left", { skip }, () =>
  withServer({}, async (cluster, collect) => {
    const first = await collect({ partialEveryMs: 600_000 });
    await write(cluster, 100);
    const target = await currentLsn(cluster);
    await sleep(300);
    await first.stop();
    assert.ok(compareLsn(reached(first), target) >= 0);
    assert.deepEqual(processesIn(first.directory), []);
    await first.receiver.end();
    await write(cluster, 5_000);
    const second = await collect({ directory: first.directory, partialEveryMs: 600_000 });
    assert.deepEqual(second.declared, [], "the slot was there already");
    await second.until((seen) => wholeNames(seen).length > 0);
    assert.equal(second.files[0]?.name.slice(0, 24), first.files.at(-1)?.name.slice(0, 24));
  }),
);

test("R25 a slot that keeps more log back than allowed is given up, rather than the source's disk", { skip }, () =>
  withServer({}, async (cluster, collect) => {
    const collector = await collect({ maxBehindBytes: 3 * 1024 * 1024 });
    const [pid] = processesIn(collector.directory);
    assert.ok(pid);
    // It hangs, as one whose disk or network does.
    process.kill(Number(pid), "SIGSTOP");
    await write(cluster, 40_000);
    await assert.rejects(collector.ended, (error) => isLifeboatError(error, "ARCHIVE_BLOCKED"));
    assert.ok(collector.notices.some(({ code }) => code === "SLOT_GIVEN_UP"));
    assert.deepEqual(await slots(cluster), []);
  }),
);

test("R25 a slot whose log the server dropped is made anew, and the gap is said", { skip }, () =>
  withServer(
    { settings: { max_slot_wal_keep_size: "2MB", wal_keep_size: "0", max_wal_size: "2MB", min_wal_size: "2MB" } },
    async (cluster, collect) => {
      const first = await collect();
      await write(cluster, 100);
      await first.stop();
      await write(cluster, 60_000);
      await query(cluster.connection(), "checkpoint");
      const state = await logState(cluster.connection(), SLOT);
      assert.equal(state.slot?.state, "lost");
      assert.ok(state.warnings.some(({ code }) => code === "SLOT_LOST"));
      const second = await collect({ directory: first.directory });
      assert.ok(second.notices.some(({ code }) => code === "SLOT_LOST"));
      await write(cluster, 1_000);
      const target = await currentLsn(cluster);
      await second.until((seen) => compareLsn(reached(seen), target) >= 0);
      assert.equal((await logState(cluster.connection(), SLOT)).slot?.state, "reserved");
    },
  ),
);

test("R25 an idle source is made to commit, so that its log proves the present", { skip }, () =>
  withServer({}, async (_cluster, collect) => {
    const collector = await collect({ partialEveryMs: 300 });
    const times = (): Set<string | undefined> => new Set(collector.files.map(({ facts }) => facts?.maxCommitAt));
    await collector.until(() => times().size >= 4);
  }),
);

test("R25 what the source does not allow is refused with the words that allow it, and no slot is left", { skip }, async (t) => {
  const hba = "local all all trust\nlocal replication postgres reject\nlocal replication other trust\n";
  await withServer({ hba }, async (cluster) => {
    await t.test("no line for replication", async () => {
      await assert.rejects(
        collectLog(cluster.connection()),
        (error) => isLifeboatError(error, "SOURCE_PERMISSION") && /local replication "postgres"/.test(error.hint),
      );
    });
    await t.test("no right to replicate", async () => {
      await query(cluster.connection(), "create role other login");
      await assert.rejects(
        collectLog(cluster.connection("postgres", "other")),
        (error) => isLifeboatError(error, "SOURCE_PERMISSION") && /ALTER ROLE "other" REPLICATION/.test(error.hint),
      );
      const state = await logState(cluster.connection("postgres", "other"), SLOT);
      assert.ok(state.warnings.some(({ code, message }) => code === "REPLICATION_MISSING" && /ALTER ROLE other REPLICATION/.test(message)));
    });
    assert.deepEqual(await slots(cluster), []);
  });
});

test("R25 log of another cluster in the directory stops the receiver before anything is mixed", { skip }, () =>
  withServer({}, async (first, collect) => {
    const collector = await collect();
    await write(first, 100);
    await collector.until((seen) => seen.files.length > 0);
    await collector.stop();
    await withServer({}, async (second) => {
      const other = await collectLog(second.connection(), { directory: collector.directory });
      await assert.rejects(
        other.ended,
        (error) => isLifeboatError(error, "ARCHIVE_BLOCKED") && /another database cluster/.test(error.message),
      );
      assert.deepEqual(await slots(second), []);
    });
  }),
);

test("R25 the receiver of a standby follows it through its promotion, with the history file", { skip }, () =>
  withServer({}, async (primary) => {
    const standby = await logCluster({
      from: async (data) => {
        await primary.run("pg_basebackup", ["-h", primary.root, "-U", "postgres", "-D", data, "-R", "-X", "stream", "-c", "fast"]);
      },
    });
    let collector: Collector | undefined;
    try {
      collector = await collectLog(standby.connection(), { partialEveryMs: 300 });
      await write(primary, 4_000);
      const before = await currentLsn(primary);
      await collector.until((seen) => compareLsn(reached(seen), before) >= 0);
      await collector.until(({ notices }) => notices.some(({ code }) => code === "HEARTBEAT_OFF"));
      await primary.kill();
      await query(standby.connection(), "select pg_promote()");
      await write(standby, 4_000);
      const target = await currentLsn(standby);
      await collector.until((seen) => seen.files.some(({ name }) => name === "00000002.history"));
      await collector.until((seen) => seen.files.at(-1)?.facts?.timeline === 2 && compareLsn(reached(seen), target) >= 0);
      const second = collector.files.filter(({ kind, facts }) => kind === "segment" && facts?.timeline === 2);
      assert.ok(second.length > 0 && second.every(({ linked }) => linked), "linked over the switch");
    } finally {
      await collector?.remove();
      await standby.remove();
    }
  }),
);

test("R25 after a failover to a server that had less, the receiver goes the new server's way and says that there is a gap", { skip }, () =>
  withServer({}, async (primary) => {
    const standby = await logCluster({
      from: async (data) => {
        await primary.run("pg_basebackup", ["-h", primary.root, "-U", "postgres", "-D", data, "-R", "-X", "stream", "-c", "fast"]);
      },
    });
    const collectors: Collector[] = [];
    try {
      const first = await collectLog(primary.connection());
      collectors.push(first);
      await standby.shutDown();
      await write(primary, 10_000);
      const ahead = await currentLsn(primary);
      await first.until((seen) => compareLsn(reached(seen), ahead) >= 0);
      await primary.kill();
      await first.stop();
      await standby.start();
      await query(standby.connection(), "select pg_promote()");
      const second = await collectLog(standby.connection(), { directory: first.directory, partialEveryMs: 300 });
      collectors.push(second);
      await second.until(({ notices }) => notices.some(({ code }) => code === "LOG_GAP"));
      await write(standby, 4_000);
      const target = await currentLsn(standby);
      await second.until((seen) => seen.files.at(-1)?.facts?.timeline === 2 && compareLsn(reached(seen), target) >= 0);
      assert.ok(second.files.some(({ name }) => name === "00000002.history"));
    } finally {
      for (const collector of collectors.reverse()) await collector.remove();
      await standby.remove();
    }
  }),
);
