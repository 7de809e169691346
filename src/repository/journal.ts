// Job journals: each effect of a job is recorded before it happens, so that a crash leaves nothing unknown.
import * as z from "zod/mini";
import type { Decision } from "../core/chronology.ts";
import { asLifeboatError, LifeboatError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Resource } from "../ports/resource.ts";
import { decision, format, id, instant, list, locator, maybe, prose, type Schema, segment, step, word } from "./fields.ts";
import { jobName } from "./layout.ts";
import { type Owner, ownerSchema, thisOwner } from "./owner.ts";
import type { Repository } from "./repository.ts";
import { getSigned, putSigned } from "./signed.ts";
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
export function refuseOther({ id }: JobRecord, name: string): void {
  if (name.endsWith(`/${id}.json`)) return;
  throw new LifeboatError("INTEGRITY", `${name} is the journal of another job`);
}
