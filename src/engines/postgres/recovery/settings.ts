// Settings of a server that replays a log for us. They are given on its command line: nothing of them stays in the data.
import type { RecoveryOrder } from "../../../ports/physical.ts";
import type { Settings } from "../cluster/settings.ts";

export function recoverySettings(order: RecoveryOrder, restoreCommand: string): Settings {
  const { stopBefore, timeline, serverMajor, throwAway } = order;
  return {
    restore_command: restoreCommand,
    recovery_target_timeline: String(timeline),
    ...(stopBefore === undefined ? {} : { recovery_target_lsn: stopBefore, recovery_target_inclusive: "off" }),
    recovery_target_action: "promote",
    // No session may connect before the end is reached; and replay need not keep rows for readers.
    hot_standby: "off",
    max_wal_senders: "0",
    // What is in memory is written out once, at the end, and not at every checkpoint that the source made.
    checkpoint_timeout: "1d",
    max_wal_size: "64GB",
    // Data stays as it was until its owner takes over.
    autovacuum: "off",
    restart_after_crash: "off",
    // Before it replays, the server flushes all unpacked files: one call a file system, and not one a file.
    ...(throwAway || serverMajor < 14 || process.platform !== "linux" ? {} : { recovery_init_sync_method: "syncfs" }),
  };
}
