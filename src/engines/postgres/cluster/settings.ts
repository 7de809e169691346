// Settings of clusters that we make: data, so that a caller can add to them or replace them.
import { availableParallelism, totalmem } from "node:os";
import { versionOf } from "../tools/version.ts";

export type Settings = Readonly<Record<string, string>>;

/** For every temporary cluster: reached by its socket only, silent, and without a trace outside its directory. */
const COMMON: Settings = {
  listen_addresses: "",
  log_min_messages: "warning",
  log_timezone: "UTC",
  timezone: "UTC",
  max_connections: "50",
  dynamic_shared_memory_type: "posix",
};

/** For data that is thrown away: nothing is flushed, nothing is logged twice, nothing runs on its own. */
const THROW_AWAY: Settings = {
  wal_level: "minimal",
  max_wal_senders: "0",
  fsync: "off",
  full_page_writes: "off",
  synchronous_commit: "off",
  autovacuum: "off",
  max_wal_size: "4GB",
  checkpoint_timeout: "30min",
  maintenance_work_mem: "256MB",
};

/** For data that holds code of others: nothing in it makes the server act by itself, or acts when we log in. */
export async function foreignSettings(bin: string, signal?: AbortSignal): Promise<Settings> {
  const major = (await versionOf(`${bin}/postgres`, signal))?.major ?? 0;
  return { max_logical_replication_workers: "0", ...(major >= 17 ? { event_triggers: "off" } : {}) };
}

export function clusterSettings(durable: boolean, extra: Settings = {}): Settings {
  // A quarter of the memory is the usual advice for a server of its own; this one shares the machine, briefly.
  const sharedBuffersMiB = Math.max(16, Math.min(256, Math.floor(totalmem() / 16 / 1024 / 1024)));
  return {
    ...COMMON,
    shared_buffers: `${sharedBuffersMiB}MB`,
    max_parallel_maintenance_workers: String(Math.max(1, Math.min(4, availableParallelism() - 1))),
    ...(durable ? {} : THROW_AWAY),
    ...extra,
  };
}
