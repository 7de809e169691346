// A server and consumers of its log, together: what the tests of the receiver say to them, and that nothing of either is left.
import { compareLsn } from "../../src/core/lsn.ts";
import { type LogCluster, type LogClusterOptions, logCluster } from "./log-cluster.ts";
import { type Collector, type CollectorOptions, collectLog } from "./log-collector.ts";
import { query } from "./postgres.ts";

/** Of every collector that is not told another name. */
export const SLOT = "lifeboat_test";

export const write = (cluster: LogCluster, rows: number): Promise<unknown> =>
  query(
    cluster.connection(),
    `create table if not exists t (v text); insert into t select repeat(md5(i::text), 8) from generate_series(1, ${rows}) i`,
  );
export const switchSegment = (cluster: LogCluster): Promise<unknown> => query(cluster.connection(), "select pg_switch_wal()");
export const slots = (cluster: LogCluster): Promise<{ name: string }[]> =>
  query(cluster.connection(), "select slot_name as name from pg_replication_slots");
export const currentLsn = async (cluster: LogCluster): Promise<string> =>
  String((await query<{ lsn: string }>(cluster.connection(), "select pg_current_wal_flush_lsn()::text as lsn"))[0]?.lsn);
export const wholeNames = ({ files }: Collector): string[] => files.filter(({ kind }) => kind === "segment").map(({ name }) => name);
export const reached = ({ files }: Collector): string => files.findLast(({ facts }) => facts)?.facts?.endLsn ?? "0/0";

/** Runs with a server and a collector, and leaves nothing of either. */
export async function withServer(
  options: LogClusterOptions,
  body: (cluster: LogCluster, collect: (options?: CollectorOptions) => Promise<Collector>) => Promise<void>,
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
      assert.ok(collector.notices.some(({ code, message }) => code === "SLOT_UNLIMITED" && /ALTER SYSTEM/.test(message)));
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

/** Whether the collector has all of the log up to there. */
export const hasReached =
  (lsn: string): ((seen: Collector) => boolean) =>
  (seen) =>
    compareLsn(reached(seen), lsn) >= 0;
