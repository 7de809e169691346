// The queue port: work items that several workers share. It decides nothing about due work; what is due is computed from the repository.
//
// An item whose key is in the queue (waiting, running or parked) is not put again. A worker that stops renewing its claim loses it, and
// the item waits again: work runs at least once, so every job holds a lease in the repository, and due work is checked again when it
// begins. Errors are LifeboatErrors: QUEUE_UNREACHABLE, QUEUE_REFUSED.
import type { WorkFailure, WorkItem } from "../core/work.ts";

export type WorkState = "waiting" | "running" | "parked";

export interface QueueEntry {
  readonly item: WorkItem;
  readonly state: WorkState;
  /** Attempts that have begun. */
  readonly attempts: number;
  /** Of a waiting item: not taken before this instant. */
  readonly notBefore: Date;
  /** Why the last attempt failed. */
  readonly failure?: WorkFailure | undefined;
}

/** A claimed item. Exactly one of `done`, `fail`, `park` and `handBack` ends the claim; after the claim was lost, none has an effect. */
export interface Claim {
  readonly item: WorkItem;
  /** 1 for the first. */
  readonly attempt: number;
  /** Renews the claim. False: it was lost, and another worker may have the item. */
  renew(): Promise<boolean>;
  /** Removes the item: its result is in the repository. `answer`: the last one about it, stored in the same act. */
  done(answer?: string): Promise<void>;
  /** Stores answers about the item for the machine that put it, after those before. */
  tell(answers: readonly string[]): Promise<void>;
  /** Puts the item back, with a pause that grows. Parks it when its attempts are used up; then it returns true. */
  fail(failure: WorkFailure): Promise<boolean>;
  /** Keeps the item from being taken until `release`. */
  park(failure: WorkFailure): Promise<void>;
  /** Puts the item back at once, for another worker. */
  handBack(): Promise<void>;
}

/** What one worker has, and what it declined. Other machines see it. */
export interface WorkerReport {
  readonly name: string;
  readonly host: string;
  readonly jobs: number;
  readonly diskBytes: number;
  readonly memoryBytes: number;
  readonly labels: readonly string[];
  /** Keys of the items that it runs. */
  readonly running: readonly string[];
  /** Why it takes an item not. */
  readonly declined: readonly { readonly key: string; readonly reason: string }[];
}

export interface SeenWorker extends WorkerReport {
  /** By the queue's clock. */
  readonly seenAt: Date;
}

/** Picks one of the waiting items (most urgent first) beside those that run on any machine. Undefined: none fits. */
export type Choose = (waiting: readonly WorkItem[], running: readonly WorkItem[]) => WorkItem | undefined;

/** An answer about an item. `at` grows with each. */
export interface Told {
  readonly at: number;
  readonly answer: string;
}

export interface Queue {
  /** How often a claim must be renewed so that it is not lost. */
  readonly renewEveryMs: number;
  /** Adds the items whose keys are not in the queue. Returns their keys. */
  put(items: readonly WorkItem[]): Promise<readonly string[]>;
  /** Claims the item that `choose` picks. No two workers choose at the same time, so limits hold over all of them. */
  take(choose: Choose): Promise<Claim | undefined>;
  /** The item with this key. Undefined: it has ended, or was never put. */
  find(key: string): Promise<QueueEntry | undefined>;
  /** The answers about an item after `at`, for a week at most. 0: all. */
  told(key: string, at: number): Promise<readonly Told[]>;
  /** Every item, most urgent first. */
  list(): Promise<readonly QueueEntry[]>;
  /** Makes a parked item wait again, with all its attempts. False: no item with this key is parked. */
  release(key: string): Promise<boolean>;
  /** Removes an item that does not run. False: there is none. */
  drop(key: string): Promise<boolean>;
  /** Removes an item in any state, and its answers. The worker that runs it loses its claim, and stops. */
  withdraw(key: string): Promise<void>;
  report(worker: WorkerReport): Promise<void>;
  /** Removes a worker that ends. */
  retire(name: string): Promise<void>;
  /** Workers that reported within the last minutes. */
  workers(): Promise<readonly SeenWorker[]>;
  close(): Promise<void>;
}
