// Who assembles an archive: this thread, or one of its own. The same interface, so that whoever reads the source does not care.
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { LifeboatError } from "../../../core/errors.ts";
import type { Prelude } from "../archive/prelude.ts";
import { ArchiveAssembly, type WrittenCollection } from "./assembly.ts";
import type { FromThread, ToThread } from "./assembly-messages.ts";

/** Answers come in the order of the calls; none needs to be awaited before the next call. */
export interface Assembler {
  begin(): Promise<readonly Uint8Array[]>;
  /** The documents' memory belongs to it from now on. */
  add(index: number, documents: Uint8Array, count: number): Promise<readonly Uint8Array[]>;
  close(index: number): Promise<readonly Uint8Array[]>;
  /** DUMP_INCOMPLETE, INTEGRITY. */
  end(): Promise<readonly WrittenCollection[]>;
  /** Gives up or is done; whatever was still asked for rejects. Safe to call twice. */
  dispose(): Promise<void>;
}

export function assembleHere(prelude: Prelude): Assembler {
  const assembly = new ArchiveAssembly(prelude);
  return {
    begin: async () => assembly.begin(),
    add: async (index, documents, count) => assembly.add(index, documents, count),
    close: async (index) => assembly.close(index),
    end: async () => assembly.end(),
    dispose: async () => {},
  };
}

/** It keeps little of its own: a large heap would only be collected later. */
const LIMITS = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 96 };

export function assembleInThread(prelude: Prelude): Assembler {
  // Runs from source and from the compiled package alike.
  const script = import.meta.url.endsWith(".ts") ? "./assembly-thread.ts" : "./assembly-thread.js";
  const worker = new Worker(fileURLToPath(new URL(script, import.meta.url)), { workerData: prelude, resourceLimits: LIMITS });
  const waiting: { readonly resolve: (answer: FromThread) => void; readonly reject: (error: unknown) => void }[] = [];
  let failure: unknown;
  const fail = (error: unknown): void => {
    failure ??= error;
    for (const one of waiting.splice(0)) one.reject(failure);
  };
  worker.on("message", (message: FromThread) => {
    if (message.kind !== "failed") return waiting.shift()?.resolve(message);
    const { code, message: text, hint } = message.error;
    fail(new LifeboatError(code, text, { hint }));
  });
  worker.on("error", fail);
  worker.on("exit", () => fail(new LifeboatError("BUG", "the thread that assembles an archive ended before it")));
  const ask = (message: ToThread, moved: readonly ArrayBuffer[] = []): Promise<FromThread> => {
    if (failure !== undefined) return Promise.reject(failure);
    const answer = new Promise<FromThread>((resolve, reject) => waiting.push({ resolve, reject }));
    worker.postMessage(message, moved);
    return answer;
  };
  const pieces = async (message: ToThread, moved?: readonly ArrayBuffer[]): Promise<readonly Uint8Array[]> => {
    const answer = await ask(message, moved);
    return answer.kind === "pieces" ? answer.pieces : [];
  };
  return {
    begin: () => pieces({ kind: "begin" }),
    add(index, given, count) {
      // A copy: the driver keeps views of the replies' memory (the signature of a cluster's time), so it cannot be given away.
      const documents = new Uint8Array(given);
      return pieces({ kind: "add", index, documents, count }, [documents.buffer as ArrayBuffer]);
    },
    close: (index) => pieces({ kind: "close", index }),
    async end() {
      const answer = await ask({ kind: "end" });
      return answer.kind === "end" ? answer.written : [];
    },
    async dispose() {
      fail(new LifeboatError("CANCELLED", "the archive was given up"));
      await worker.terminate();
    },
  };
}
