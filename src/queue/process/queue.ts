// The queue of one process: in memory, and gone with it. Nothing is lost, because what is due is computed from the repository again.
import { priorityOf, type WorkFailure, type WorkItem } from "../../core/work.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Claim, Queue, QueueEntry, SeenWorker, Told, WorkerReport, WorkState } from "../../ports/queue.ts";

export interface ProcessQueueOptions {
  readonly clock: Clock;
  /** Attempts before an item is parked. */
  readonly attempts: number;
  /** Pause after the first failed attempt; it doubles after each, up to an hour. */
  readonly pauseMs: number;
}

interface Entry {
  readonly item: WorkItem;
  readonly order: number;
  state: WorkState;
  attempts: number;
  /** The claim that holds it. */
  claim?: Claim | undefined;
  notBefore: Date;
  failure?: WorkFailure | undefined;
}

const LONGEST_PAUSE_MS = 3_600_000;

export function openProcessQueue({ clock, attempts, pauseMs }: ProcessQueueOptions): Queue {
  const entries = new Map<string, Entry>();
  const reports = new Map<string, SeenWorker>();
  const answers = new Map<string, Told[]>();
  let order = 0;

  const sorted = (): Entry[] =>
    [...entries.values()].sort((a, b) => priorityOf(b.item.operation) - priorityOf(a.item.operation) || a.order - b.order);

  const tell = (key: string, given: readonly string[]): void => {
    const told = answers.get(key) ?? [];
    for (const answer of given) told.push({ at: told.length + 1, answer });
    answers.set(key, told);
  };
  const entryOf = ({ item, state, attempts: tried, notBefore, failure }: Entry): QueueEntry => {
    return { item, state, attempts: tried, notBefore, failure };
  };

  const claim = (one: Entry): Claim => {
    const attempt = ++one.attempts;
    const isMine = (): boolean => entries.get(one.item.key) === one && one.claim === mine;
    const end = (change: Partial<Entry>): void => {
      if (isMine()) Object.assign(one, { claim: undefined, ...change });
    };
    const mine: Claim = {
      item: one.item,
      attempt,
      renew: async () => isMine(),
      async done(answer) {
        if (!isMine()) return;
        entries.delete(one.item.key);
        if (answer !== undefined) tell(one.item.key, [answer]);
      },
      tell: async (given) => tell(one.item.key, given),
      async fail(failure) {
        const isParked = attempt >= attempts;
        const pause = Math.min(LONGEST_PAUSE_MS, pauseMs * 2 ** (attempt - 1));
        end(isParked ? { state: "parked", failure } : { state: "waiting", failure, notBefore: new Date(clock.now().getTime() + pause) });
        return isParked;
      },
      park: async (failure) => end({ state: "parked", failure }),
      handBack: async () => end({ state: "waiting", attempts: attempt - 1 }),
    };
    Object.assign(one, { state: "running", claim: mine } satisfies Partial<Entry>);
    return mine;
  };

  return {
    renewEveryMs: 60_000,
    async put(items) {
      const added: string[] = [];
      for (const item of items) {
        if (entries.has(item.key)) continue;
        entries.set(item.key, { item, order: order++, state: "waiting", attempts: 0, notBefore: new Date(item.notBefore) });
        added.push(item.key);
      }
      return added;
    },
    async take(choose) {
      const all = sorted();
      const now = clock.now();
      const waiting = all.filter(({ state, notBefore }) => state === "waiting" && notBefore <= now);
      if (waiting.length === 0) return undefined;
      const chosen = choose(
        waiting.map(({ item }) => item),
        all.filter(({ state }) => state === "running").map(({ item }) => item),
      );
      const one = waiting.find(({ item }) => item.key === chosen?.key);
      return one && claim(one);
    },
    async find(key) {
      const one = entries.get(key);
      return one && entryOf(one);
    },
    told: async (key, after) => (answers.get(key) ?? []).filter(({ at }) => at > after),
    list: async () => sorted().map(entryOf),
    async release(key) {
      const one = entries.get(key);
      if (one?.state !== "parked") return false;
      Object.assign(one, { state: "waiting", attempts: 0, notBefore: clock.now(), failure: undefined } satisfies Partial<Entry>);
      return true;
    },
    async drop(key) {
      return entries.get(key)?.state !== "running" && entries.delete(key);
    },
    async withdraw(key) {
      entries.delete(key);
      answers.delete(key);
    },
    async report(worker: WorkerReport) {
      reports.set(worker.name, { ...worker, seenAt: clock.now() });
    },
    async retire(name) {
      reports.delete(name);
    },
    workers: async () => [...reports.values()],
    async close() {},
  };
}
