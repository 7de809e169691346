// A thread that hashes, sums up and writes what the main thread reads, while that one waits for the network and seals what is written.
import { parentPort, workerData } from "node:worker_threads";
import { asLifeboatError } from "../../../core/errors.ts";
import type { Prelude } from "../archive/prelude.ts";
import { ArchiveAssembly } from "./assembly.ts";
import type { FromThread, ToThread } from "./assembly-messages.ts";

const assembly = new ArchiveAssembly(workerData as Prelude);

parentPort?.on("message", (message: ToThread) => {
  try {
    const answer = answerTo(message);
    // Memory of documents goes back as it came, without a copy. The small pieces around them are copied: they may share theirs.
    const moved = message.kind === "add" ? [message.documents.buffer as ArrayBuffer] : [];
    parentPort?.postMessage(answer, moved);
  } catch (error) {
    const { code, message: text, hint } = asLifeboatError(error);
    parentPort?.postMessage({ kind: "failed", error: { code, message: text, hint } } satisfies FromThread);
  }
});

function answerTo(message: ToThread): FromThread {
  if (message.kind === "begin") return { kind: "pieces", pieces: assembly.begin() };
  if (message.kind === "add") return { kind: "pieces", pieces: assembly.add(message.index, message.documents, message.count) };
  if (message.kind === "close") return { kind: "pieces", pieces: assembly.close(message.index) };
  return { kind: "end", written: assembly.end() };
}
