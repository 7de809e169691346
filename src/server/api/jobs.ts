// Operations that change something, as jobs of the API: begun once per idempotency key, watched, cancelled, and remembered.
import { createHash } from "node:crypto";
import { asLifeboatError, EXIT, LifeboatError } from "../../core/errors.ts";
import { ID_RANDOM_BYTES, makeId } from "../../core/ids.ts";
import { refuseUnknown } from "../../operations/points/known.ts";
import type { Events, JobEvent } from "../../ports/progress.ts";
import type { Caller } from "../people/caller.ts";
import type { Service } from "../service.ts";
import { type Answer, runOperation } from "./call.ts";
import { type ApiJob, type JobStore, openJobStore } from "./job-store.ts";
import { type ApiOperation, apiOperations } from "./operations.ts";
import { isBug, problemOf, RequestProblem } from "./problem.ts";
import { followJob, type JobRequest, putJob, queuedRequest } from "./queued.ts";

/** Jobs of one service that run at the same time; the database servers have their own limits. */
const MOST_RUNNING = 16;
/** Events of one job that are kept for those who begin to watch later. */
const MOST_EVENTS = 2000;

/** The number of the last event of every job: it is known after its other events are forgotten. */
export const LAST_EVENT = Number.MAX_SAFE_INTEGER;

/** One event of the stream of a job. `finished` is the last one, and has the job itself. */
export interface NumberedEvent {
  readonly id: number;
  readonly event: JobEvent | { readonly type: "finished"; readonly job: ApiJob };
}

export interface Running {
  readonly events: NumberedEvent[];
  /** Called for each new event, until they unsubscribe. */
  readonly watchers: Set<(event: NumberedEvent) => void>;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** Runs a job until it has ended or is cancelled. Undefined: the service stopped, and a worker continues it. */
type Work = (cancel: AbortSignal, events: Events) => Promise<Answer | undefined>;

export class Jobs {
  readonly #service: Service;
  readonly #running = new Map<string, Running>();
  #store: Promise<JobStore> | undefined;

  constructor(service: Service) {
    this.#service = service;
  }

  /**
   * Begins a job, or finds the one that this caller began with the same key. IDEMPOTENCY_KEY_REUSED: with another request.
   * RATE_LIMITED: too many run. SOURCE_UNKNOWN, POINT_UNKNOWN: there is not what it names.
   */
  async begin(operation: ApiOperation, request: unknown, caller: Caller, key: string | undefined): Promise<ApiJob> {
    const store = await this.#open();
    const { clock } = this.#service;
    const idempotency = key === undefined ? undefined : { caller: caller.key, key };
    // A job that was begun with the key is told at any time. Without one, nothing is filed: the caller sends the same key again.
    const isKnown = idempotency !== undefined && store.has(idempotency);
    if (this.#running.size >= MOST_RUNNING && !isKnown)
      throw new LifeboatError("RATE_LIMITED", `${MOST_RUNNING} jobs are running already`, { details: { retryAfterSeconds: 30 } });
    if (!isKnown) await this.#service.use((context) => refuseUnknown(context, request, this.#service));
    const id = makeId(clock.now(), clock.randomBytes(ID_RANDOM_BYTES));
    const digest = createHash("sha256")
      .update(JSON.stringify([operation.name, sorted(request)]))
      .digest("hex");
    const queued = await this.#service.use(async (context) => queuedRequest(context, operation, request));
    const source = typeof request === "object" && request !== null && "source" in request ? request.source : undefined;
    const begun = store.begin({
      job: {
        id,
        operation: operation.name,
        source: typeof source === "string" ? source : null,
        actor: caller.actor,
        startedAt: clock.now().toISOString(),
      },
      idempotency,
      digest,
      queued: queued !== undefined,
    });
    if (begun.digest !== digest)
      throw new LifeboatError("IDEMPOTENCY_KEY_REUSED", "the idempotency key belongs to another request", {
        details: { job: begun.job.id },
      });
    if (!begun.isNew) return begun.job;
    const run = queued === undefined ? this.#here(operation, begun.job, request) : this.#onWorker(operation, begun.job, queued);
    this.#begin(store, operation, begun.job, run);
    return begun.job;
  }

  /** JOB_UNKNOWN. */
  async find(id: string): Promise<ApiJob> {
    const job = (await this.#open()).find(id);
    if (job === undefined) throw new RequestProblem(404, new LifeboatError("JOB_UNKNOWN", "no job of the API has this id"));
    return job;
  }

  /** What runs in this process, or is followed by it. */
  async running(id: string): Promise<Running | undefined> {
    await this.#open();
    return this.#running.get(id);
  }

  /** Tells the job to stop. It ends when it has cleaned up. */
  cancel(id: string): void {
    this.#running.get(id)?.stop.abort(new LifeboatError("CANCELLED", "cancelled by a caller of the API"));
  }

  /** Runs it in this process. */
  #here(operation: ApiOperation, { id, actor }: ApiJob, request: unknown): Work {
    const { cancel } = this.#service;
    return (stop, events) =>
      runOperation(this.#service, operation, request, { signal: AbortSignal.any([cancel, stop]), events, jobId: id, actor });
  }

  /** Puts it on the queue and follows it; one that was put before the service died is only followed. */
  #onWorker(operation: ApiOperation, job: ApiJob, request?: JobRequest): Work {
    return async (cancel, events) => {
      if (request !== undefined) await this.#service.use((context) => putJob(context, job, request));
      const ended = await followJob(this.#service, operation, job, { cancel, stop: this.#service.signal, events });
      return ended && { ...ended, exit: operation.exit?.(ended.result) ?? EXIT.done };
    };
  }

  #begin(store: JobStore, operation: ApiOperation, job: ApiJob, run: Work): void {
    const { clock, log } = this.#service;
    const stop = new AbortController();
    const events: NumberedEvent[] = [];
    const watchers: Running["watchers"] = new Set();
    let next = 1;
    const tell = (event: NumberedEvent["event"]): void => {
      const numbered = { id: event.type === "finished" ? LAST_EVENT : next++, event };
      events.push(numbered);
      if (events.length > MOST_EVENTS) events.shift();
      for (const watcher of watchers) watcher(numbered);
    };
    const fields = { job: job.id, operation: operation.name, actor: job.actor.name };
    const act = async (): Promise<void> => {
      log.info("a caller began a job", { ...fields, from: job.actor.from });
      let how: Parameters<JobStore["end"]>[1];
      try {
        const ended = await run(stop.signal, tell);
        if (ended === undefined) return;
        const { result, exit } = ended;
        how = { state: "done", endedAt: clock.now().toISOString(), exit, result, error: null };
        log.info("a job of a caller is done", { ...fields, exit });
      } catch (error) {
        if (isBug(error)) log.error("an unexpected error", { ...fields, stack: error instanceof Error ? error.stack : String(error) });
        const found = problemOf(error, { source: job.source ?? undefined, command: operation.name });
        how = { state: "failed", endedAt: clock.now().toISOString(), exit: asLifeboatError(error).exit, result: null, error: found };
        log.warn(`a job of a caller failed: ${found.detail}`, { ...fields, code: found.code });
      }
      try {
        store.end(job.id, how);
      } catch (error) {
        log.error(
          `the end of a job could not be stored, so it stays running until the next start: ${asLifeboatError(error).message}`,
          fields,
        );
      }
      tell({ type: "finished", job: { ...job, ...how } });
      this.#running.delete(job.id);
    };
    this.#running.set(job.id, { events, watchers, stop, ended: act() });
  }

  /** Opened at the first job, closed after the last when the service stops. Throws the signal's reason when it is stopping. */
  async #open(): Promise<JobStore> {
    const { clock, signal, use } = this.#service;
    signal.throwIfAborted();
    this.#store ??= use(async ({ stateFile }) => {
      const store = openJobStore(stateFile("api"), clock.now());
      const operations = await apiOperations();
      for (const job of store.adopt()) {
        const operation = operations.find(({ name }) => name === job.operation);
        if (operation !== undefined) this.#begin(store, operation, job, this.#onWorker(operation, job));
      }
      signal.addEventListener("abort", () => {
        void Promise.allSettled([...this.#running.values()].map(({ ended }) => ended)).then(() => store.close());
      });
      return store;
    });
    this.#store.catch(() => {
      this.#store = undefined;
    });
    return this.#store;
  }
}

/** The same request in another order of its fields is the same request. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  );
}
