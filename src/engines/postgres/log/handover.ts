// What of the received log is handed over when: whole files at once, the one that is still being filled from time to time.
import { setTimeout as sleep } from "node:timers/promises";
import type { LogFile } from "../../../ports/log.ts";
import { forget, judgePartial, listReceived, type ReceivedFile, readReceived, stampOf } from "./received.ts";

interface PartialState {
  readonly stamp: string | undefined;
  readonly endLsn: string;
  /** How far it was filled when it was last handed over, and whether that is stored. */
  handedEnd: string;
  stored: boolean;
}

export class Handover {
  readonly #directory: string;
  readonly #partialEveryMs: number;
  /** Whole files and history files of this run that were handed over, and those that are stored. */
  readonly #handed = new Set<string>();
  readonly #stored = new Set<string>();
  /** Partial files as they were last judged, by name. */
  readonly #partials = new Map<string, PartialState>();
  #partialDueAt = 0;
  #lastCommit: string | undefined;
  #quietSince = performance.now();
  #hurry = true;
  #wake = Promise.withResolvers<void>();
  #startOver: PromiseWithResolvers<void> | undefined;

  constructor(directory: string, partialEveryMs: number) {
    this.#directory = directory;
    this.#partialEveryMs = partialEveryMs;
  }

  /** The partial file is to be handed over now: there may be no more of it for a while. */
  hurry(): void {
    this.#hurry = true;
    this.#wake.resolve();
  }

  /** Resolves when all that was received is stored and no segment is left in the directory. */
  async startOver(signal: AbortSignal): Promise<void> {
    this.#startOver ??= Promise.withResolvers();
    this.hurry();
    const aborted = new Promise<never>((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    await Promise.race([this.#startOver.promise, aborted]);
  }

  /** Whether no new commit was seen for half of the time between partial files. True once in that time. */
  isQuiet(): boolean {
    if (performance.now() - this.#quietSince < this.#partialEveryMs / 2) return false;
    this.#quietSince = performance.now();
    return true;
  }

  async wait(atMostMs: number): Promise<void> {
    await Promise.race([this.#wake.promise, sleep(Math.min(atMostMs, this.#partialEveryMs / 2))]);
    this.#wake = Promise.withResolvers();
  }

  /** Everything there is to hand over now, in log order. */
  async *pass(): AsyncGenerator<LogFile> {
    const hurry = this.#hurry;
    this.#hurry = false;
    const files = await listReceived(this.#directory);
    const whole = new Set(files.filter(({ kind }) => kind === "segment").map(({ base }) => base));
    for (const [index, file] of files.entries()) {
      if (file.kind === "partial") {
        // One that is not the last was left behind when the server went over to another timeline.
        const left = index < files.length - 1;
        if (!whole.has(file.base)) yield* this.#partialIfDue(file, hurry || left);
      } else if (!this.#handed.has(file.name)) {
        this.#handed.add(file.name);
        if (file.kind === "segment") this.#noteCommits();
        yield this.#wholeFile(file, file.kind);
      }
    }
    await this.#tidy(files);
  }

  #wholeFile(file: ReceivedFile, kind: "segment" | "history"): LogFile {
    return {
      name: file.name,
      kind,
      read: () => readReceived(file),
      stored: async () => {
        this.#stored.add(file.name);
      },
    };
  }

  async *#partialIfDue(file: ReceivedFile, now: boolean): AsyncGenerator<LogFile> {
    const stamp = await stampOf(file);
    const known = this.#partials.get(file.name);
    const due = now || performance.now() >= this.#partialDueAt;
    const quiet = performance.now() - this.#quietSince >= this.#partialEveryMs / 2;
    if (!due && !quiet) return;
    if (due) this.#partialDueAt = performance.now() + this.#partialEveryMs;
    if (known !== undefined && known.stamp === stamp && known.endLsn === known.handedEnd) return;
    const judged = await judgePartial(file);
    if (judged === undefined) return;
    const { bytes, facts } = judged;
    if (facts.lastCommit !== undefined && facts.lastCommit.lsn !== this.#lastCommit) {
      this.#lastCommit = facts.lastCommit.lsn;
      this.#noteCommits();
    }
    const handedEnd = known?.handedEnd ?? facts.startLsn;
    const state: PartialState = { stamp, endLsn: facts.endLsn, handedEnd, stored: known?.stored ?? false };
    this.#partials.set(file.name, state);
    if (!due || facts.endLsn === handedEnd) return;
    state.handedEnd = facts.endLsn;
    state.stored = false;
    yield {
      name: file.name,
      kind: "partial",
      read: async () => bytes,
      stored: async () => {
        state.stored = true;
      },
    };
  }

  #noteCommits(): void {
    this.#quietSince = performance.now();
  }

  /**
   * Deletes stored files. The newest segment stays until a newer file exists: pg_receivewal finds its start by it.
   * History files stay: the child looks for them.
   */
  async #tidy(files: readonly ReceivedFile[]): Promise<void> {
    const over = this.#startOver;
    const segments = files.filter(({ kind }) => kind !== "history");
    const whole = new Set(segments.filter(({ kind }) => kind === "segment").map(({ base }) => base));
    let left = 0;
    for (const [index, file] of segments.entries()) {
      const mayGo = over !== undefined || index < segments.length - 1;
      const isStored =
        file.kind === "segment" ? this.#stored.has(file.name) : whole.has(file.base) || (mayGo && (await this.#isStored(file)));
      if (!mayGo || !isStored) left++;
      else {
        await forget(file);
        this.#handed.delete(file.name);
        this.#stored.delete(file.name);
        this.#partials.delete(file.name);
      }
    }
    for (const name of this.#partials.keys()) if (!files.some((file) => file.name === name)) this.#partials.delete(name);
    if (over === undefined) return;
    if (left > 0) return this.hurry();
    this.#startOver = undefined;
    over.resolve();
  }

  /** As far as the partial file is filled now, or it never held the end of a record. */
  async #isStored(file: ReceivedFile): Promise<boolean> {
    const judged = await judgePartial(file);
    if (judged === undefined || judged.facts.endLsn === judged.facts.startLsn) return true;
    const known = this.#partials.get(file.name);
    return known?.stored === true && known.handedEnd === judged.facts.endLsn;
  }
}
