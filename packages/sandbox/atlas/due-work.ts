// Work that becomes due with time: state changes, scheduled snapshots, expiries. In the order of their instants, however far a clock jumped.
import { expireAccess } from "./access-list.ts";
import { forgetDownloads } from "./downloads.ts";
import type { Emulator } from "./emulator.ts";
import { exportScheduled } from "./export-work.ts";
import type { PolicyItem } from "./schedule-rules.ts";
import { nextOf } from "./schedule-times.ts";
import { removeSnapshot, takeSnapshot } from "./snapshot-work.ts";
import type { Cluster } from "./state.ts";

interface Due {
  readonly driven: number;
  readonly work: number;
  run(): void | Promise<void>;
}

/** Does all due work, one piece at a time: the caller holds the turn. */
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
  const { time, store, tasks } = emulator;
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
  for (const cluster of [...store.clusters.values(), ...store.retired.values()]) {
    const scheduled = nextScheduled(cluster);
    if (scheduled !== undefined) atInstant(scheduled.at, () => takeScheduled(emulator, cluster, scheduled));
    for (const snapshot of cluster.snapshots.values()) {
      if (snapshot.status === "completed" || snapshot.status === "failed")
        atInstant(snapshot.expiresAt, () => removeSnapshot(emulator, cluster, snapshot));
    }
  }
  for (const [value, entry] of store.accessList) atInstant(entry.deleteAfterDate, () => expireAccess(emulator, value));
  for (const [secret, download] of emulator.downloads) atInstant(download.expiresAt, () => forgetDownloads(emulator, secret));
  return first;
}

export interface Scheduled {
  readonly at: Date;
  readonly items: readonly PolicyItem[];
}

export function nextScheduled(cluster: Cluster): Scheduled | undefined {
  const { schedule } = cluster;
  if (schedule === undefined || cluster.retired || cluster.stateName === "DELETING") return undefined;
  return nextOf(schedule.items, { hour: schedule.referenceHour, minute: schedule.referenceMinute }, schedule.upTo);
}

/** One snapshot serves every item that is due then. None is taken of a cluster that is paused or being restored. */
export function takeScheduled(emulator: Emulator, cluster: Cluster, { at, items }: Scheduled): void {
  if (cluster.schedule === undefined) return;
  cluster.schedule.upTo = at;
  if (cluster.settings.paused || cluster.data === undefined || cluster.restoring !== undefined) return;
  const { autoExport, exportTo } = cluster.schedule;
  const frequencies = items.map((item) => item.frequencyType);
  takeSnapshot(emulator, cluster, {
    kind: "scheduled",
    items,
    asked: at,
    whenCompleted: (snapshot) => {
      if (autoExport && exportTo !== undefined && frequencies.some((each) => each === exportTo.frequencyType))
        exportScheduled(emulator, cluster, snapshot, exportTo.exportBucketId);
    },
  });
}

// One thing at a time: a request's work, or work that became due. A timer does due work between requests.

export interface Turns {
  take<T>(act: () => Promise<T>): Promise<T>;
  /** Does what is due, after something else. */
  due(first?: () => void): Promise<void>;
  stop(): void;
  /** Waits for the running work. Returns the timer's first failure. */
  end(): Promise<unknown>;
}

const TICK_MS = 50;

export function beginTurns(runDue: () => Promise<void>): Turns {
  let last: Promise<unknown> = Promise.resolve();
  let failure: unknown;
  const take = <T>(act: () => Promise<T>): Promise<T> => {
    const done = last.then(act);
    last = done.catch(() => undefined); // the caller gets it from `done`
    return done;
  };
  const due = (first?: () => void): Promise<void> =>
    take(async () => {
      first?.();
      await runDue();
    });
  let waiting = false;
  const timer = setInterval(() => {
    if (waiting) return;
    waiting = true;
    due()
      .catch((error: unknown) => {
        failure ??= error; // told at the end
      })
      .finally(() => {
        waiting = false;
      });
  }, TICK_MS);
  timer.unref();
  const stop = (): void => clearInterval(timer);
  return {
    take,
    due,
    stop,
    async end() {
      stop();
      await last;
      return failure;
    },
  };
}
