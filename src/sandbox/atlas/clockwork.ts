// What time brings about: work that ends, scheduled snapshots, expiries. In the order of their instants, however far a clock jumped.
import { expireAccess } from "./access-list.ts";
import { forgetDownloads } from "./downloads.ts";
import type { Realm } from "./realm.ts";
import { nextScheduled, takeScheduled } from "./scheduled.ts";
import { removeSnapshot } from "./snapshot-work.ts";

interface Due {
  readonly driven: number;
  readonly work: number;
  run(): void | Promise<void>;
}

/** Does everything that is due. One at a time: whoever calls holds the turn. */
export async function runDue(realm: Realm): Promise<void> {
  const { time } = realm;
  for (;;) {
    time.read();
    const next = earliest(realm);
    if (next === undefined || next.work > time.latest().work || next.driven > time.latest().driven) break;
    await time.at(next, () => next.run());
  }
  time.settle();
}

function earliest(realm: Realm): Due | undefined {
  const { time, world, tasks } = realm;
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
    if (scheduled !== undefined) atInstant(scheduled.at, () => takeScheduled(realm, cluster, scheduled));
    for (const snapshot of cluster.snapshots.values()) {
      if (snapshot.status === "completed" || snapshot.status === "failed")
        atInstant(snapshot.expiresAt, () => removeSnapshot(realm, cluster, snapshot));
    }
  }
  for (const [value, entry] of world.accessList) atInstant(entry.deleteAfterDate, () => expireAccess(realm, value));
  for (const [secret, download] of realm.downloads) atInstant(download.expiresAt, () => forgetDownloads(realm, secret));
  return first;
}
