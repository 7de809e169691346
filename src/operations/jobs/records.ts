// Where the records of a job are stored: its lease, its journal, what it files. That is the repository; where it cannot be written (it is
// full or read-only, or the credentials do not allow it), jobs that must work even then keep their records on this machine.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Progress } from "../../ports/progress.ts";
import type { Maker } from "../../ports/resource.ts";
import { isRefusal } from "../../ports/storage.ts";
import { Journal } from "../../repository/journal.ts";
import { acquireLease, type Lease } from "../../repository/leases.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Context, Watch } from "../context.ts";
import { makerOf } from "./maker.ts";

/** What a caller asks of a job. */
export interface JobOrder {
  readonly verb: string;
  readonly source: string;
  /** Only one job of this verb at a time on this source. */
  readonly exclusive?: boolean | undefined;
  /** Called with the lease held, before anything is written. What it throws ends the job without a journal. */
  readonly confirm?: (() => Promise<void>) | undefined;
  /** Restore point in use: expire does not remove it while the job runs. */
  readonly point?: string | undefined;
  /** Digest of the plan that is carried out. */
  readonly plan?: string | undefined;
  /** Why it is done, for the audit log. */
  readonly reason?: string | undefined;
  /** It must work where the repository cannot be written: its records are then filed on this machine. */
  readonly aside?: boolean | undefined;
}

/** Why the records of a job are on this machine, and where. */
export interface FiledAside {
  /** One sentence. */
  readonly why: string;
  readonly directory: string;
}

/** The storage refuses, or this machine has nothing to sign with: the repository cannot be written from here. */
export const isUnwritable = (error: unknown): error is LifeboatError => isRefusal(error) || isLifeboatError(error, "KEY_MISSING");

type Asked = Pick<Watch, "progress" | "command" | "actor">;

/** Who asked another adapter than the command line. Undefined: another job did. */
const askedBy = (verb: string, actor: Watch["actor"]): string | undefined =>
  actor === undefined ? undefined : `${verb}, asked for by ${actor.name} (${actor.via})`;

export class JobRecords {
  readonly journal: Journal;
  /** Marks the job's resources, with the key that signs where its records are. */
  readonly maker: Maker;
  readonly #context: Context;
  readonly #order: JobOrder;
  readonly #progress: Progress;
  readonly #leaseName: string;
  readonly #leases = new Map<Repository, Lease>();
  readonly #lost = new AbortController();
  #place: Repository;
  #aside: FiledAside | undefined;

  private constructor(context: Context, order: JobOrder, id: string, { progress, command, actor }: Asked) {
    const { repository, clock, lifeboat } = context;
    const { verb, source } = order;
    this.#context = context;
    this.#order = order;
    this.#progress = progress;
    this.#place = repository;
    this.maker = makerOf(() => this.#place, id, { unended: true });
    this.#leaseName = order.exclusive ? `${verb}-${source}` : `${verb}-${source}-${id}`;
    this.journal = Journal.prepare(repository, clock, { id, verb, source, lifeboat, command: command ?? askedBy(verb, actor) });
    if (order.aside) this.journal.elsewhere = (refusal) => this.#moveAside(refusal);
  }

  /** Takes the job's lease. LEASE_HELD, and what the storage throws. */
  static async open(context: Context, order: JobOrder, id: string, asked: Asked): Promise<JobRecords> {
    const records = new JobRecords(context, order, id, asked);
    try {
      await records.#acquire(context.repository);
    } catch (error) {
      if (!order.aside || (await records.#moveAside(error)) === undefined) throw error;
      records.journal.moveTo(records.#place);
    }
    return records;
  }

  /** Aborts, with LEASE_LOST as its reason, when another process has taken a lease of the job. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Where the records are now. */
  get place(): Repository {
    return this.#place;
  }

  get aside(): FiledAside | undefined {
    return this.#aside;
  }

  /** Files something where the job's records are. When the repository refuses it, the records move to this machine first. */
  async file<T>(write: (place: Repository, aside: FiledAside | undefined) => Promise<T>): Promise<T> {
    const place = this.#place;
    try {
      return await write(place, this.#aside);
    } catch (error) {
      if (!this.#order.aside || place !== this.#context.repository) throw error;
      const elsewhere = await this.#moveAside(error);
      if (elsewhere === undefined) throw error;
      return write(elsewhere, this.#aside);
    }
  }

  /** As `Lease.use`. On a storage that was full a moment ago, it first tries again for the lease there: other machines see only that one. */
  async claim(point: string | undefined): Promise<void> {
    const { repository } = this.#context;
    if (this.#aside !== undefined && !this.#leases.has(repository)) await this.#acquire(repository).catch(ignoreUnwritable); // LEASE_HELD counts
    for (const [place, lease] of this.#leases) {
      try {
        await lease.use(point);
      } catch (error) {
        if (!this.#order.aside || place !== repository || (await this.#moveAside(error)) === undefined) throw error;
      }
    }
  }

  async assertHeld(): Promise<void> {
    for (const lease of this.#leases.values()) await lease.assertHeld();
  }

  async release(): Promise<void> {
    for (const lease of this.#leases.values()) await lease.release();
  }

  async abandon(): Promise<void> {
    for (const lease of this.#leases.values()) await lease.abandon();
  }

  async #acquire(place: Repository): Promise<void> {
    const { verb, source, point, aside } = this.#order;
    const holder = { job: this.journal.record.id, journal: this.journal.name, verb, source, point };
    const lease = await acquireLease(place, this.#leaseName, holder, this.#context.clock, { mayLapse: aside });
    this.#leases.set(place, lease);
    lease.lost.addEventListener("abort", () => this.#lost.abort(lease.lost.reason), { once: true });
  }

  /** Moves the records to this machine. Undefined: the error is not about what can be written, or there is no such place. */
  async #moveAside(error: unknown): Promise<Repository | undefined> {
    const { aside, repository } = this.#context;
    if (aside === undefined || !isUnwritable(error)) return undefined;
    if (this.#aside !== undefined) return this.#place;
    let place: Repository;
    try {
      place = await aside.open();
      await this.#acquire(place);
    } catch (cause) {
      if (isLifeboatError(cause, "LEASE_HELD")) throw cause;
      const said = cause instanceof Error ? cause.message : String(cause);
      throw new LifeboatError(error.code, `${error.message}; nor can ${aside.directory} be written: ${said}`, {
        cause,
        hint: "make room or rights in one of the two, or name another directory with tools.stateDirectory",
      });
    }
    const why = `the repository at ${repository.storage.url} cannot be written: ${error.message}`;
    this.#place = place;
    this.#aside = { why, directory: aside.directory };
    this.#progress.note(`${why}; the records of this job are filed in ${aside.directory}`);
    return place;
  }
}

/** Ignores the failure of a write that the job can do without. */
export function ignoreUnwritable(error: unknown): void {
  if (!isUnwritable(error)) throw error;
}
