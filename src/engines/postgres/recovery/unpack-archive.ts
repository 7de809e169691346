// Feeds an archive to the thread that unpacks it. Bytes are handed over, not copied; so much at most is on its way.
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { LifeboatError } from "../../../core/errors.ts";
import type { FromThread, ToThread, UnpackTask } from "./unpack-messages.ts";

/** What the thread has not dealt with yet. */
const UNDER_WAY_BYTES = 4 * 1024 * 1024;
/** It keeps next to nothing of its own: a large heap would only be collected later. */
const LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 };

export type OnFile = (path: string, sizeBytes: number) => void;

/** Resolves when every file is written and closed. Throws what `bytes` or `onFile` throws, INTEGRITY, DISK_FULL, RESTORE_TARGET_INVALID. */
export async function unpackArchive(bytes: AsyncIterable<Uint8Array>, task: UnpackTask, onFile: OnFile): Promise<void> {
  const thread = new Thread(task, onFile);
  try {
    for await (const chunk of bytes) await thread.take(chunk);
    await thread.end("end");
  } catch (error) {
    await thread.end("abandon").catch(() => {}); // the first cause is told
    throw error;
  }
}

class Thread {
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  #underWayBytes = 0;
  #done = false;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(task: UnpackTask, onFile: OnFile) {
    // Runs from source and from the compiled package alike.
    const script = import.meta.url.endsWith(".ts") ? "./unpack-thread.ts" : "./unpack-thread.js";
    this.#worker = new Worker(fileURLToPath(new URL(script, import.meta.url)), { workerData: task, resourceLimits: LIMITS });
    this.#worker.on("message", (message: FromThread) => {
      if (message.kind === "taken") {
        this.#underWayBytes -= message.sizeBytes;
        try {
          for (const [path, sizeBytes] of message.files) onFile(path, sizeBytes);
        } catch (error) {
          this.#failure ??= error;
        }
      } else if (message.kind === "done") this.#done = true;
      else {
        const { code, message: text, details, hint } = message.error;
        this.#failure ??= new LifeboatError(code, text, { details, hint });
      }
      this.#wake?.();
    });
    this.#worker.on("error", (error) => {
      this.#failure ??= error;
      this.#wake?.();
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once("exit", () => {
        if (!this.#done) this.#failure ??= new LifeboatError("BUG", "the thread that unpacks ended before its archive");
        this.#wake?.();
        resolve();
      });
    });
  }

  async take(chunk: Uint8Array): Promise<void> {
    // Memory that is shared with what comes next cannot be given away.
    const whole = chunk.byteLength === chunk.buffer.byteLength;
    const bytes = whole ? chunk : new Uint8Array(chunk);
    if (this.#failure !== undefined) throw this.#failure;
    this.#underWayBytes += bytes.length;
    this.#worker.postMessage({ kind: "bytes", bytes } satisfies ToThread, [bytes.buffer as ArrayBuffer]);
    await this.#until(() => this.#underWayBytes <= UNDER_WAY_BYTES);
  }

  /** The thread has ended afterwards, on every path. */
  async end(how: "end" | "abandon"): Promise<void> {
    const failed = this.#failure !== undefined;
    // The thread waits for a last word also when it was on this side that something failed; one that is gone does not hear it.
    this.#worker.postMessage({ kind: failed ? "abandon" : how } satisfies ToThread);
    if (!failed) await this.#until(() => this.#done).catch(() => {});
    await this.#exited;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds() && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}
