// The stream of job events, made from what work reports. Subscribers are the live line of a terminal, logs and server-sent events.
import type { Clock } from "../../ports/clock.ts";
import type { Events, JobEvent, Progress } from "../../ports/progress.ts";

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

  constructor(events: Events, clock: Clock) {
    this.#events = events;
    this.#clock = clock;
  }

  fork(): JobProgress {
    return new JobProgress(this.#events, this.#clock);
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
