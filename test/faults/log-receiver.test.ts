// The log's receiver when something breaks: the server, the way to it, the slot, the receiver itself.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isLifeboatError } from "../../src/core/errors.ts";
import { compareLsn } from "../../src/core/lsn.ts";
import { logState } from "../../src/engines/postgres/log/state.ts";
import { breakableWay } from "../support/breakable-way.ts";
import { logCluster } from "../support/log-cluster.ts";
import { type Collector, collectLog, processesIn } from "../support/log-collector.ts";
import {
  currentLsn,
  hasArrived,
  hasReached,
  reached,
  SLOT,
  slots,
  switchSegment,
  wholeNames,
  withServer,
  write,
} from "../support/log-server.ts";
import { openApplication, query, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();

test("R25 after kill -9 of the server the partial segment holds every acknowledged commit", { skip }, () =>
  withServer({ segmentMegabytes: 16 }, async (cluster, collect) => {
    const collector = await collect({ partialEveryMs: 600_000 });
    await query(cluster.connection(), "create table sentinel (n int)");
    await query(cluster.connection(), `alter system set synchronous_standby_names = '${SLOT}'`);
    await query(cluster.connection(), "select pg_reload_conf()");
    while ((await query(cluster.connection(), "select 1 from pg_stat_replication where sync_state = 'sync'")).length === 0) await sleep(20);
    const client = await openApplication(cluster.connection());
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
    await collector.until(hasReached(last));
    assert.equal(collector.files.at(-1)?.kind, "partial");
    const commits = collector.files.at(-1)?.facts;
    assert.ok(commits?.lastCommit && commits.records > acknowledged.length);

    // It continues when the server is back.
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

test("R25 when the connection breaks, received log is delivered at once and receiving continues", { skip }, () =>
  withServer({}, async (cluster) => {
    const way = await breakableWay(cluster);
    const collector = await collectLog(way.connection, { partialEveryMs: 600_000 });
    try {
      await write(cluster, 500);
      const before = await currentLsn(cluster);
      // It arrives within moments; a file of it is not due for ten minutes.
      await hasArrived(cluster, before);
      await way.cut();
      await collector.until(hasReached(before));
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
      await second.until(hasReached(target));
      assert.equal((await logState(cluster.connection(), SLOT)).slot?.state, "reserved");
    },
  ),
);

test("R25 what an earlier run left is handed over even while the server is away", { skip }, () =>
  withServer({}, async (cluster, collect) => {
    const first = await collect({ slot: "lifeboat_left" });
    await write(cluster, 500);
    const target = await currentLsn(cluster);
    await first.until(hasReached(target));
    await first.stop();
    await cluster.kill();
    const second = await collect({ slot: "lifeboat_left", directory: first.directory });
    await second.until(hasReached(target));
    assert.ok(second.notices.some(({ code }) => code === "SOURCE_UNREACHABLE"));
    await cluster.start();
    await second.until(({ notices }) => notices.some(({ code }) => code === "ARCHIVE_RESUMED"));
  }),
);

test("R25 after a failover to a server that had less, the receiver follows it and reports a gap", { skip }, () =>
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
      await first.until(hasReached(ahead));
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
