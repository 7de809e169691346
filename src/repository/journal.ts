// Job journals: each effect of a job is recorded before it happens, so that a crash leaves nothing unknown.
import * as z from "zod/mini";
import type { Decision } from "../core/chronology.ts";
import { asLifeboatError, isLifeboatError, LifeboatError } from "../core/errors.ts";
import { timeOfId } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Resource } from "../ports/resource.ts";
import type { ObjectInfo, Storage } from "../ports/storage.ts";
import { decision, format, id, instant, list, locator, maybe, prose, type Schema, segment, step, word } from "./fields.ts";
import { jobName } from "./layout.ts";
import { type Owner, ownerSchema, thisOwner } from "./owner.ts";
import type { Repository } from "./repository.ts";
import { getSigned, objectOfSignature, putSigned } from "./signed.ts";
import type { TrustedKey } from "./trust.ts";

export type JobState = "running" | "done" | "failed";

export interface JobStep {
  readonly name: string;
  readonly startedAt: string;
  /** The duration by a monotonic clock. Absent while the step runs, or when a crash ended it. */
  ms?: number | undefined;
  /** Bytes that it worked through, where its time depends on them. */
  readonly sizeBytes?: number | undefined;
}

export interface DeclaredResource extends Resource {
  readonly declaredAt: string;
  goneAt?: string | undefined;
}

export interface JobRecord {
  readonly format: 1;
  readonly id: string;
  readonly verb: string;
  readonly source: string;
  readonly startedAt: string;
  readonly owner: Owner;
  readonly lifeboat: string;
  /** What was asked for: the command line without secrets, or which adapter was asked by whom. */
  readonly command?: string | undefined;
  state: JobState;
  endedAt?: string | undefined;
  readonly steps: JobStep[];
  /** What the job decided, and why. */
  decisions?: Decision[] | undefined;
  readonly resources: DeclaredResource[];
  error?: { readonly code: string; readonly message: string } | undefined;
  /** The result of the job, such as a restore point's id or a verdict. */
  result?: Readonly<Record<string, unknown>> | undefined;
}

export const jobSchema: Schema<JobRecord> = z.looseObject({
  format,
  id,
  verb: word,
  source: segment,
  startedAt: instant,
  owner: ownerSchema,
  lifeboat: word,
  command: maybe(prose),
  state: z.enum(["running", "done", "failed"]),
  endedAt: maybe(instant),
  steps: list(step),
  decisions: maybe(list(decision)),
  resources: list(
    z.looseObject({
      kind: word,
      locator: locator,
      declaredAt: instant,
      goneAt: maybe(instant),
    }),
  ),
  error: maybe(z.looseObject({ code: word, message: prose })),
  result: maybe(z.record(z.string(), z.unknown())),
});

/** A journal being written. Writes are ordered; each is complete before its promise resolves. */
export class Journal {
  readonly name: string;
  readonly record: JobRecord;
  /** The signer of an opened journal. Absent: no trusted key signed it, and it must not be acted upon. A new journal has the writer's key. */
  readonly signedBy: TrustedKey | undefined;
  /** Called when a write fails. Returns the storage where the whole journal continues. Undefined: none, and the write fails. */
  elsewhere?: (error: unknown) => Promise<Repository | undefined>;
  #repository: Repository;
  readonly #clock: Clock;
  #stored: { readonly etag: string; readonly digest: string } | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(
    repository: Repository,
    clock: Clock,
    name: string,
    record: JobRecord,
    found?: { readonly etag: string; readonly digest: string; readonly signedBy: TrustedKey | undefined },
  ) {
    this.#repository = repository;
    this.#clock = clock;
    this.name = name;
    this.record = record;
    this.#stored = found;
    this.signedBy = found === undefined ? repository.trust.writer?.publicKey : found.signedBy;
  }

  /** Returns the name of a job's journal. A lease contains it before the journal exists. */
  static prepare(repository: Repository, clock: Clock, job: Pick<JobRecord, "id" | "verb" | "source" | "lifeboat" | "command">): Journal {
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
    return new Journal(repository, clock, jobName(startedAt, job.id), record);
  }

  /**
   * Opens a journal that another process left. Undefined: its lease was acquired but nothing was written yet. Throws INTEGRITY when it is
   * damaged, or is not the journal of the job in its name.
   */
  static async reopen(repository: Repository, clock: Clock, name: string): Promise<Journal | undefined> {
    const facts = await repository.storage.head(name);
    const found = facts && (await getSigned(repository, "job", name, jobSchema));
    if (facts === undefined || found === undefined) return undefined;
    refuseOther(found.value, name);
    return new Journal(repository, clock, name, found.value, { etag: facts.etag, digest: found.digest, signedBy: found.signedBy });
  }

  /** Writes the present record. Fails when another process wrote the same journal, which has only one writer. */
  write(): Promise<void> {
    const next = this.#queue.then(async () => {
      try {
        await this.#put();
      } catch (error) {
        const place = await this.elsewhere?.(error);
        if (place === undefined) throw error;
        this.moveTo(place);
        await this.#put();
      }
    });
    this.#queue = next.catch(() => undefined); // the caller of this write receives its failure; later writes try again
    return next;
  }

  /** Redirects all further writes. */
  moveTo(place: Repository): void {
    if (place === this.#repository) return;
    this.#repository = place;
    this.#stored = undefined;
  }

  async #put(): Promise<void> {
    const condition = this.#stored === undefined ? { ifAbsent: true } : { ifMatch: this.#stored.etag, replaces: this.#stored.digest };
    this.#stored = await putSigned(this.#repository, "job", this.name, this.record, condition);
  }

  /** Runs one step of the job; its time is the measured one. */
  async step<T>(name: string, run: () => Promise<T>, sizeBytes?: number): Promise<T> {
    const step: JobStep = { name, startedAt: this.#clock.now().toISOString(), ...(sizeBytes !== undefined && { sizeBytes }) };
    this.record.steps.push(step);
    await this.write(); // before the step has effects
    const beganMs = this.#clock.monotonicMs();
    try {
      return await run();
    } finally {
      step.ms = Math.round(this.#clock.monotonicMs() - beganMs);
    }
  }

  /** Records a decision. It is stored with the next write: before the next step has effects. */
  decide(what: string, why?: string): void {
    this.record.decisions ??= [];
    this.record.decisions.push({ at: this.#clock.now().toISOString(), what, ...(why !== undefined && { why }) });
  }

  /** Declares a resource before it is created. */
  async declare(resource: Resource): Promise<void> {
    this.record.resources.push({ ...resource, declaredAt: this.#clock.now().toISOString() });
    await this.write();
  }

  /** Withdraws a resource after it is gone, or after it has become one that stays. */
  async withdraw(resource: Resource): Promise<void> {
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

/** Refuses a journal under the name of another job, whose clean-up would act on resources of that job. */
function refuseOther({ id }: JobRecord, name: string): void {
  if (name.endsWith(`/${id}.json`)) return;
  throw new LifeboatError("INTEGRITY", `${name} is the journal of another job`);
}

/**
 * Yields the journals of jobs begun at or after the instant, newest first. Only the requested days are read. Unreadable and unsigned
 * journals are reported to `onFlaw` and skipped.
 */
export async function* jobsSince(
  repository: Repository,
  since: Date,
  signal?: AbortSignal,
  onFlaw: (message: string) => void = () => {},
): AsyncIterable<JobRecord> {
  const { storage } = repository;
  const firstDay = since.toISOString().slice(0, 10).replaceAll("-", "/");
  for (const year of await foldersDescending(storage, "jobs/", signal)) {
    for (const month of await foldersDescending(storage, `jobs/${year}/`, signal)) {
      for (const day of await foldersDescending(storage, `jobs/${year}/${month}/`, signal)) {
        if (`${year}/${month}/${day}` < firstDay) return;
        const found: ObjectInfo[] = [];
        for await (const info of storage.list(`jobs/${year}/${month}/${day}/`, { signal })) {
          if (objectOfSignature(info.name) === undefined) found.push(info);
        }
        for (const info of found.reverse()) {
          const record = await readOnce(repository, info, signal, onFlaw);
          if (record !== undefined && new Date(record.startedAt) < since) return;
          if (record !== undefined) yield record;
        }
      }
    }
  }
}

/** Reads the journal of the job with this id, which a trusted key signed. Undefined: there is none. */
export async function findJob(repository: Repository, id: string, signal?: AbortSignal): Promise<JobRecord | undefined> {
  for (const name of journalNames(id)) {
    const record = await readJob(repository, name, signal, () => {});
    if (record !== undefined) return record;
  }
  return undefined;
}

/** Clocks of the caller and of this machine may differ a little. */
export const ID_AHEAD_MS = 1000;
const DAY_MS = 86_400_000;

/** Where the journal of a job can be: it is stored under the day on which the job began, and its id may have been made the day before. */
export const journalNames = (id: string): ReadonlySet<string> => {
  const madeAt = timeOfId(id).getTime();
  return new Set([madeAt - ID_AHEAD_MS, madeAt, madeAt + DAY_MS].map((at) => jobName(new Date(at), id)));
};

/** Journals that this process has read, by name, each with the version that it read. A fleet has thousands a day, and each beat looks at them. */
const READ = new WeakMap<Repository, Map<string, { readonly etag: string; readonly record: JobRecord }>>();
const MOST_READ = 10_000;

async function readOnce(
  repository: Repository,
  { name, etag }: ObjectInfo,
  signal: AbortSignal | undefined,
  onFlaw: (message: string) => void,
): Promise<JobRecord | undefined> {
  const read = READ.get(repository) ?? new Map();
  READ.set(repository, read);
  const known = read.get(name);
  if (known?.etag === etag) return known.record;
  const record = await readJob(repository, name, signal, onFlaw);
  if (read.size >= MOST_READ) read.clear();
  if (record !== undefined && record.state !== "running") read.set(name, { etag, record });
  return record;
}

async function readJob(
  repository: Repository,
  name: string,
  signal: AbortSignal | undefined,
  onFlaw: (message: string) => void,
): Promise<JobRecord | undefined> {
  try {
    const found = await getSigned(repository, "job", name, jobSchema, signal);
    if (found === undefined) return undefined;
    refuseOther(found.value, name);
    if (found.signedBy !== undefined) return found.value;
    onFlaw(`${name} is not signed by a trusted key`);
    return undefined;
  } catch (error) {
    if (!isLifeboatError(error, "INTEGRITY") && !isLifeboatError(error, "FORMAT_UNKNOWN")) throw error;
    onFlaw(error.message);
    return undefined;
  }
}

async function foldersDescending(storage: Storage, prefix: string, signal?: AbortSignal): Promise<string[]> {
  const folders: string[] = [];
  for await (const folder of storage.listFolders(prefix, { signal })) folders.push(folder);
  return folders.reverse();
}
