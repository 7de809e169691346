// The stream of job events, made from what work reports. Subscribers are the live line of a terminal, logs and server-sent events.
import * as z from "zod/mini";
import type { Clock } from "../../ports/clock.ts";
import type { Events, JobEvent, Progress } from "../../ports/progress.ts";
import { about, bytes, count, instant, jobId, orNull, sourceName } from "../schemas.ts";

const bare = { at: instant, job: orNull(jobId), source: orNull(sourceName) };
const event = <T extends string, Fields extends z.core.$ZodShape>(type: T, fields: Fields, sentence: string) =>
  about(z.strictObject({ ...bare, type: z.literal(type), ...fields }), sentence);

/** One event, as subscribers receive it. */
export const jobEvent = z.discriminatedUnion("type", [
  event("begin", { verb: z.string() }, "A job begins."),
  event("step", { name: z.string(), totalBytes: orNull(bytes) }, "A step of it begins; how much it reads or writes, if that is known."),
  event("advance", { doneBytes: bytes }, "What the present step has done since it began. At most ten a second."),
  event("phase", { name: z.string() }, "The present step does work that is not measured in bytes, until it advances again."),
  event(
    "count",
    { done: count, total: orNull(count), what: z.string() },
    "So many things of the present step are done. At most ten a second.",
  ),
  event("note", { message: z.string() }, "A sentence for the user."),
  event("ready", { result: z.unknown() }, "What the job made can be used until it is stopped: the result as it is now."),
  event("end", { outcome: z.enum(["done", "failed"]), code: orNull(z.string()) }, "The job has ended. `code`: of the error, or null."),
]) satisfies z.ZodMiniType<JobEvent>;

/** Bytes are reported per chunk, and told this often. */
const ADVANCE_EVERY_MS = 100;

type Told = JobEvent extends infer E ? (E extends JobEvent ? Omit<E, "at" | "job" | "source"> : never) : never;

export class JobProgress implements Progress {
  readonly #events: Events;
  readonly #clock: Clock;
  #job: { readonly id: string; readonly source: string } | undefined;
  #doneBytes = 0;
  #toldBytes = 0;
  #toldMs = 0;
  #countedMs = Number.NEGATIVE_INFINITY;

  constructor(events: Events, clock: Clock) {
    this.#events = events;
    this.#clock = clock;
  }

  fork(also?: Events): JobProgress {
    const events = this.#events;
    const both: Events = (event) => {
      events(event);
      also?.(event);
    };
    return new JobProgress(also === undefined ? events : both, this.#clock);
  }

  begin({ id, verb, source }: { readonly id: string; readonly verb: string; readonly source: string }): void {
    this.#job = { id, source };
    this.#tell({ type: "begin", verb });
  }

  end(code?: string): void {
    this.#settle();
    this.#tell({ type: "end", outcome: code === undefined ? "done" : "failed", code: code ?? null });
    this.#job = undefined;
  }

  step(name: string, options?: { readonly totalBytes?: number | undefined }): void {
    this.#settle();
    this.#doneBytes = 0;
    this.#toldBytes = 0;
    this.#countedMs = Number.NEGATIVE_INFINITY;
    this.#tell({ type: "step", name, totalBytes: options?.totalBytes ?? null });
  }

  advance(sizeBytes: number): void {
    this.#doneBytes += sizeBytes;
    if (this.#clock.monotonicMs() - this.#toldMs >= ADVANCE_EVERY_MS) this.#settle();
  }

  phase(name: string): void {
    this.#settle();
    this.#tell({ type: "phase", name });
  }

  count(done: number, what: string, total?: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (done !== total && nowMs - this.#countedMs < ADVANCE_EVERY_MS) return;
    this.#countedMs = nowMs;
    this.#tell({ type: "count", done, total: total ?? null, what });
  }

  note(message: string): void {
    this.#settle();
    this.#tell({ type: "note", message });
  }

  ready(result: unknown): void {
    this.#settle();
    this.#tell({ type: "ready", result });
  }

  /** What was done and not told yet. */
  #settle(): void {
    if (this.#doneBytes === this.#toldBytes) return;
    this.#toldBytes = this.#doneBytes;
    this.#toldMs = this.#clock.monotonicMs();
    this.#tell({ type: "advance", doneBytes: this.#doneBytes });
  }

  #tell(event: Told): void {
    this.#events({
      at: this.#clock.now().toISOString(),
      job: this.#job?.id ?? null,
      source: this.#job?.source ?? null,
      ...event,
    } as JobEvent);
  }
}
