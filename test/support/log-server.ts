// A server and consumers of its log, together: what the tests of the receiver say to them, and that nothing of either is left.
import { setTimeout as sleep } from "node:timers/promises";
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

/** Whether the collector has all of the log up to there. */
export const hasReached =
  (lsn: string): ((seen: Collector) => boolean) =>
  (seen) =>
    compareLsn(reached(seen), lsn) >= 0;

/** Waits until the server knows that the receiver has the log up to there, on disk. */
export async function hasArrived(cluster: LogCluster, lsn: string): Promise<void> {
  const seen = `select 1 from pg_stat_replication where application_name = '${SLOT}' and flush_lsn >= '${lsn}'`;
  while ((await query(cluster.connection(), seen)).length === 0) await sleep(20);
}
