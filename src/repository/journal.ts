// Job journals: what a job was about to do, written before it does it, so that a crash leaves nothing unknown.
import { asLifeboatError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Resource } from "../ports/resource.ts";
import type { Storage } from "../ports/storage.ts";
import { getJson, putJson } from "./json-object.ts";
import { jobName } from "./layout.ts";
import { type Owner, thisOwner } from "./owner.ts";

export type JobState = "running" | "done" | "failed";

export interface JobStep {
  readonly name: string;
  readonly startedAt: string;
  /** Wall time by a clock that never steps back; absent while the step runs, or when a crash ended it. */
  ms?: number;
}

export interface DeclaredResource extends Resource {
  readonly declaredAt: string;
  goneAt?: string;
}

export interface JobRecord {
  readonly format: 1;
  readonly id: string;
  readonly verb: string;
  readonly source: string;
  readonly startedAt: string;
  readonly owner: Owner;
  readonly lifeboat: string;
  state: JobState;
  endedAt?: string;
  readonly steps: JobStep[];
  readonly resources: DeclaredResource[];
  error?: { readonly code: string; readonly message: string };
  /** What the job made: a restore point's id, a verdict. */
  result?: Readonly<Record<string, unknown>>;
}

/** A journal being written. Writes are in order; each is complete before the promise resolves. */
export class Journal {
  readonly name: string;
  readonly record: JobRecord;
  readonly #storage: Storage;
  readonly #clock: Clock;
  #etag: string | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(storage: Storage, clock: Clock, name: string, record: JobRecord, etag?: string) {
    this.#storage = storage;
    this.#clock = clock;
    this.name = name;
    this.record = record;
    this.#etag = etag;
  }

  /** Where a job's journal will lie; a lease names it before it exists. */
  static prepare(storage: Storage, clock: Clock, job: { id: string; verb: string; source: string; lifeboat: string }): Journal {
    const startedAt = clock.now();
    const record: JobRecord = {
      format: 1,
      ...job,
      startedAt: startedAt.toISOString(),
      owner: thisOwner(),
      state: "running",
      steps: [],
      resources: [],
    };
    return new Journal(storage, clock, jobName(startedAt, job.id), record);
  }

  /** Opens a journal that another process left. Undefined when its lease was taken but nothing had been written yet. */
  static async reopen(storage: Storage, clock: Clock, name: string): Promise<Journal | undefined> {
    const facts = await storage.head(name);
    const record = facts && (await getJson(storage, name));
    if (facts === undefined || record === undefined) return undefined;
    return new Journal(storage, clock, name, record as unknown as JobRecord, facts.etag);
  }

  /** Writes the record as it is now. Another writer of the same journal makes this fail: there is only ever one. */
  write(): Promise<void> {
    const next = this.#queue.then(async () => {
      const condition = this.#etag === undefined ? { ifAbsent: true } : { ifMatch: this.#etag };
      this.#etag = (await putJson(this.#storage, this.name, this.record, condition)).etag;
    });
    this.#queue = next.catch(() => undefined); // the caller of this write learns of its failure; later writes try anew
    return next;
  }

  /** Runs one step of the job; its time is the measured one. */
  async step<T>(name: string, run: () => Promise<T>): Promise<T> {
    const step: JobStep = { name, startedAt: this.#clock.now().toISOString() };
    this.record.steps.push(step);
    await this.write(); // before the step has effects
    const beganMs = this.#clock.monotonicMs();
    try {
      return await run();
    } finally {
      step.ms = Math.round(this.#clock.monotonicMs() - beganMs);
    }
  }

  /** Written down before the thing is made. */
  async declare(resource: Resource): Promise<void> {
    this.record.resources.push({ ...resource, declaredAt: this.#clock.now().toISOString() });
    await this.write();
  }

  /** Struck out after the thing is gone, or has become something that is meant to stay. */
  async strike(resource: Resource): Promise<void> {
    const key = JSON.stringify(resource.locator);
    const declared = this.record.resources.find((one) => one.kind === resource.kind && JSON.stringify(one.locator) === key && !one.goneAt);
    if (declared) declared.goneAt = this.#clock.now().toISOString();
    await this.write();
  }

  /** Resources that may still exist. */
  open(): DeclaredResource[] {
    return this.record.resources.filter((resource) => resource.goneAt === undefined);
  }

  async end(outcome: { readonly result?: Readonly<Record<string, unknown>> } | { readonly error: unknown }): Promise<void> {
    this.record.endedAt = this.#clock.now().toISOString();
    if ("error" in outcome) {
      const { code, message } = asLifeboatError(outcome.error);
      this.record.state = "failed";
      this.record.error = { code, message };
    } else {
      this.record.state = "done";
      if (outcome.result) this.record.result = outcome.result;
    }
    await this.write();
  }
}

/** Journals of jobs begun at or after the instant, newest first; only the days that are asked for are read. */
export async function* jobsSince(storage: Storage, since: Date, signal?: AbortSignal): AsyncIterable<JobRecord> {
  const firstDay = since.toISOString().slice(0, 10).replaceAll("-", "/");
  for (const year of await foldersDescending(storage, "jobs/", signal)) {
    for (const month of await foldersDescending(storage, `jobs/${year}/`, signal)) {
      for (const day of await foldersDescending(storage, `jobs/${year}/${month}/`, signal)) {
        if (`${year}/${month}/${day}` < firstDay) return;
        const names: string[] = [];
        for await (const { name } of storage.list(`jobs/${year}/${month}/${day}/`, { signal })) names.push(name);
        for (const name of names.reverse()) {
          const record = (await getJson(storage, name, signal)) as unknown as JobRecord | undefined;
          if (record !== undefined && new Date(record.startedAt) < since) return;
          if (record !== undefined) yield record;
        }
      }
    }
  }
}

/** The journal of a job, by its id and the instant in it; undefined: this repository has never had it. */
export async function findJob(storage: Storage, id: string, at: Date, signal?: AbortSignal): Promise<JobRecord | undefined> {
  // The journal is begun a moment after its id is made: around midnight that is another day.
  for (const day of [at, new Date(at.getTime() + 60_000)]) {
    const found = await getJson(storage, jobName(day, id), signal);
    if (found !== undefined) return found as unknown as JobRecord;
  }
  return undefined;
}

async function foldersDescending(storage: Storage, prefix: string, signal?: AbortSignal): Promise<string[]> {
  const folders: string[] = [];
  for await (const folder of storage.listFolders(prefix, { signal })) folders.push(folder);
  return folders.reverse();
}
