// What time brings about: work that ends, scheduled snapshots, expiries. In the order of their instants, however far a clock jumped.
import { expireAccess } from "./access-list.ts";
import { forgetDownloads } from "./downloads.ts";
import type { Emulator } from "./emulator.ts";
import { nextScheduled, takeScheduled } from "./scheduled.ts";
import { removeSnapshot } from "./snapshot-work.ts";

interface Due {
  readonly driven: number;
  readonly work: number;
  run(): void | Promise<void>;
}

/** Does everything that is due. One at a time: whoever calls holds the turn. */
export async function runDue(emulator: Emulator): Promise<void> {
  const { time } = emulator;
  for (;;) {
    time.read();
    const next = earliest(emulator);
    if (next === undefined || next.work > time.latest().work || next.driven > time.latest().driven) break;
    await time.at(next, () => next.run());
  }
  time.settle();
}

function earliest(emulator: Emulator): Due | undefined {
  const { time, world, tasks } = emulator;
  let first: Due | undefined;
  const consider = (due: Due): void => {
    if (first === undefined || due.work < first.work) first = due;
  };
  const atInstant = (at: Date | undefined, run: () => void | Promise<void>): void => {
    if (at === undefined || at > time.clock()) return;
    consider({ driven: at.getTime(), work: time.workAt(at.getTime()), run });
  };
  const [task] = [...tasks].sort((a, b) => a.due - b.due || a.order - b.order);
  if (task !== undefined) {
    const run = (): void | Promise<void> => {
      tasks.delete(task);
      return task.run();
    };
    consider({ driven: time.instantOf(task.due), work: task.due, run });
  }
  for (const cluster of [...world.clusters.values(), ...world.retired.values()]) {
    const scheduled = nextScheduled(cluster);
    if (scheduled !== undefined) atInstant(scheduled.at, () => takeScheduled(emulator, cluster, scheduled));
    for (const snapshot of cluster.snapshots.values()) {
      if (snapshot.status === "completed" || snapshot.status === "failed")
        atInstant(snapshot.expiresAt, () => removeSnapshot(emulator, cluster, snapshot));
    }
  }
  for (const [value, entry] of world.accessList) atInstant(entry.deleteAfterDate, () => expireAccess(emulator, value));
  for (const [secret, download] of emulator.downloads) atInstant(download.expiresAt, () => forgetDownloads(emulator, secret));
  return first;
}
