// Progress of long work on standard error: a live line on a terminal, plain lines elsewhere, or nothing.
import { formatBytes, formatDuration, formatRate } from "../../core/duration.ts";
import { visible } from "../../core/visible.ts";
import type { Events, Progress } from "../../ports/progress.ts";
import type { Output } from "../output.ts";
import type { Paint } from "./paint.ts";

/** A subscriber of job events that prints them. */
export interface ProgressPrinter {
  readonly events: Events;
  /** Ends the live line, so that what is printed next does not share it. More steps may follow. */
  pause(): void;
}

/** What is drawn: one step at a time. */
interface Drawing extends Required<Pick<Progress, "step" | "advance" | "phase" | "count" | "note">> {
  pause(): void;
  /** The step under way was not done. */
  stop(): void;
}

export interface ProgressOptions {
  readonly output: Output;
  readonly paint: Paint;
  /** Milliseconds of a clock that never steps back. */
  readonly monotonicMs: () => number;
  readonly mode: "live" | "plain" | "silent";
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const LIVE_EVERY_MS = 100;
const PLAIN_EVERY_MS = 10_000;
/** The rate is that of the last seconds. */
const RATE_WINDOW_MS = 5_000;

export function printProgress(options: ProgressOptions): ProgressPrinter {
  if (options.mode === "silent") return { events() {}, pause() {} };
  const drawing = options.mode === "live" ? liveProgress(options) : plainProgress(options);
  const doneBytes = new Map<string | null, number>();
  return {
    pause: drawing.pause,
    events(event) {
      switch (event.type) {
        case "step":
          doneBytes.set(event.job, 0);
          drawing.step(event.name, { totalBytes: event.totalBytes ?? undefined });
          break;
        case "advance":
          drawing.advance(event.doneBytes - (doneBytes.get(event.job) ?? 0));
          doneBytes.set(event.job, event.doneBytes);
          break;
        case "phase":
          drawing.phase(event.name);
          break;
        case "count":
          drawing.count(event.done, event.what, event.total ?? undefined);
          break;
        case "note":
          drawing.note(event.message);
          break;
        case "end":
          if (event.outcome === "failed") drawing.stop();
          break;
      }
    },
  };
}

/** What is known of the step under way. */
class Step {
  readonly name: string;
  readonly #totalBytes: number | undefined;
  readonly #startedMs: number;
  #doneBytes = 0;
  #advancedMs: number;
  #phase: string | undefined;
  #counted: { readonly done: number; readonly what: string; readonly total: number | undefined } | undefined;
  #firstCount = 0;
  /** Bytes done at past instants, oldest first. */
  #samples: { readonly atMs: number; readonly doneBytes: number }[];

  constructor(name: string, totalBytes: number | undefined, nowMs: number) {
    this.name = visible(name);
    this.#totalBytes = totalBytes;
    this.#startedMs = nowMs;
    this.#advancedMs = nowMs;
    this.#samples = [{ atMs: nowMs, doneBytes: 0 }];
  }

  advance(sizeBytes: number, nowMs: number): void {
    this.#doneBytes += sizeBytes;
    this.#advancedMs = nowMs;
    this.#phase = undefined;
  }

  enter(phase: string, nowMs: number): void {
    this.#phase = visible(phase);
    this.#advancedMs = nowMs;
  }

  count(done: number, what: string, total: number | undefined): void {
    if (this.#counted === undefined) this.#firstCount = done;
    this.#counted = { done, what: visible(what), total };
  }

  elapsedMs(nowMs: number): number {
    return nowMs - this.#startedMs;
  }

  /** An estimate that proves too small is no longer told. */
  #knownTotal(): number | undefined {
    const total = this.#totalBytes;
    return total !== undefined && total > 0 && this.#doneBytes <= total ? total : undefined;
  }

  /** `1.2 GB of 3.4 GB` or `40 of 1000 sources`; empty before there is any. */
  amount(): string {
    if (this.#counted !== undefined) {
      const { done, what, total } = this.#counted;
      return `${total === undefined ? done : `${done} of ${total}`} ${what}`;
    }
    if (this.#doneBytes === 0) return "";
    const total = this.#knownTotal();
    return total === undefined ? formatBytes(this.#doneBytes) : `${formatBytes(this.#doneBytes)} of ${formatBytes(total)}`;
  }

  /** `1.2 GB of 3.4 GB, 148 MB/s, 15 s left`, `40 of 1000 sources, 15 s left`, or `3.4 GB, indexes for 12 s`; empty before anything is known. */
  describe(nowMs: number): string {
    this.#samples.push({ atMs: nowMs, doneBytes: this.#doneBytes });
    while (this.#samples.length > 2 && nowMs - (this.#samples[1]?.atMs ?? nowMs) >= RATE_WINDOW_MS) this.#samples.shift();
    if (this.#counted !== undefined) {
      const { done, total = done } = this.#counted;
      const lately = done - this.#firstCount;
      const leftMs = lately === 0 ? 0 : ((total - done) * this.elapsedMs(nowMs)) / lately;
      return leftMs < 1000 ? this.amount() : `${this.amount()}, ${formatDuration(leftMs)} left`;
    }
    const working = `${this.#phase ?? "working"} for ${formatDuration(nowMs - this.#advancedMs)}`;
    if (this.#doneBytes === 0) return this.#phase === undefined ? "" : working;
    if (this.#phase !== undefined) return `${formatBytes(this.#doneBytes)}, ${working}`;
    const since = this.#samples[0];
    const windowMs = nowMs - (since?.atMs ?? nowMs);
    const windowBytes = this.#doneBytes - (since?.doneBytes ?? 0);
    const total = this.#knownTotal();
    const facts = [this.amount()];
    if (windowMs >= 500) {
      facts.push(windowBytes > 0 ? formatRate(windowBytes, windowMs) : working);
      const leftMs = total !== undefined && windowBytes > 0 ? ((total - this.#doneBytes) * windowMs) / windowBytes : 0;
      // All bytes may have passed while work continues.
      if (leftMs >= 1000) facts.push(`${formatDuration(leftMs)} left`);
    }
    return facts.join(", ");
  }
}

function finished(step: Step, nowMs: number): string {
  const amount = step.amount();
  return `${step.name}${amount ? `, ${amount}` : ""} (${formatDuration(step.elapsedMs(nowMs))})`;
}

function liveProgress({ output, paint, monotonicMs }: ProgressOptions): Drawing {
  let step: Step | undefined;
  let timer: NodeJS.Timeout | undefined;
  let frame = 0;
  const clear = (): void => output.write("\r\x1b[2K");
  const draw = (): void => {
    if (step === undefined) return;
    const facts = step.describe(monotonicMs());
    const line = fit([step.name, facts].filter(Boolean).join("  "), output.columns - 3);
    frame = (frame + 1) % FRAMES.length;
    output.write(
      `\r\x1b[2K${paint.cyan(FRAMES[frame] ?? "")} ${line.startsWith(step.name) ? step.name + paint.dim(line.slice(step.name.length)) : line}`,
    );
  };
  const close = (mark = paint.green("•")): void => {
    if (step === undefined) return;
    clear();
    output.write(`${mark} ${finished(step, monotonicMs())}\n`);
    step = undefined;
  };
  return {
    step(name, options) {
      close();
      step = new Step(name, options?.totalBytes, monotonicMs());
      timer ??= setInterval(draw, LIVE_EVERY_MS).unref();
      draw();
    },
    advance: (sizeBytes) => step?.advance(sizeBytes, monotonicMs()),
    phase: (name) => step?.enter(name, monotonicMs()),
    count: (done, what, total) => step?.count(done, what, total),
    note(message) {
      if (step !== undefined) clear();
      output.write(`${paint.yellow("!")} ${visible(message)}\n`);
      draw();
    },
    stop: () => close(paint.red("✗")),
    pause() {
      close();
      clearInterval(timer);
      timer = undefined;
    },
  };
}

function plainProgress({ output, monotonicMs }: ProgressOptions): Drawing {
  let step: Step | undefined;
  let timer: NodeJS.Timeout | undefined;
  const close = (word = "done"): void => {
    if (step !== undefined) output.write(`${word}: ${finished(step, monotonicMs())}\n`);
    step = undefined;
  };
  return {
    step(name, options) {
      close();
      step = new Step(name, options?.totalBytes, monotonicMs());
      output.write(`${step.name} …\n`);
      timer ??= setInterval(() => {
        const facts = step?.describe(monotonicMs());
        if (step !== undefined && facts) output.write(`${step.name}: ${facts}\n`);
      }, PLAIN_EVERY_MS).unref();
    },
    advance: (sizeBytes) => step?.advance(sizeBytes, monotonicMs()),
    phase: (name) => step?.enter(name, monotonicMs()),
    count: (done, what, total) => step?.count(done, what, total),
    note: (message) => output.write(`note: ${visible(message)}\n`),
    stop: () => close("stopped"),
    pause() {
      close();
      clearInterval(timer);
      timer = undefined;
    },
  };
}

/** The line cut to the width, with an ellipsis where something is missing. */
function fit(line: string, columns: number): string {
  const chars = [...line];
  return chars.length <= columns ? line : `${chars.slice(0, Math.max(0, columns - 1)).join("")}…`;
}
