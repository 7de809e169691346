// A thread that takes an archive apart and writes its files, while the main thread decrypts, decompresses and proves what comes next.
import { parentPort, workerData } from "node:worker_threads";
import { asLifeboatError } from "../../../core/errors.ts";
import { TarReader } from "../base/tar.ts";
import type { FromThread, ToThread, UnpackTask } from "./unpack-messages.ts";
import { FileWriter } from "./write-files.ts";

const { root, owner, leftOut } = workerData as UnpackTask;
const port = parentPort;
const skipped = new Set(leftOut);
const firstOf = (path: string): string => path.split("/", 1)[0] ?? "";
const writer = new FileWriter(root, owner, (path) => skipped.has(firstOf(path)));
const reader = new TarReader();
const say = (message: FromThread): void => port?.postMessage(message);

/** One after another, in the order in which they came. */
let last: Promise<void> = Promise.resolve();
port?.on("message", (message: ToThread) => {
  last = last.then(() => take(message));
});

async function take(message: ToThread): Promise<void> {
  try {
    if (message.kind === "bytes") {
      const files = await feed(message.bytes);
      return say({ kind: "taken", sizeBytes: message.bytes.length, files });
    }
    if (message.kind === "end") {
      reader.end();
      await writer.end();
      say({ kind: "done" });
    } else {
      await writer.abandon();
      say({ kind: "done" });
    }
    port?.close();
  } catch (error) {
    await writer.abandon();
    const { code, message: text, details, hint } = asLifeboatError(error);
    say({ kind: "failed", error: { code, message: text, details, hint } });
    port?.close();
  }
}

async function feed(bytes: Uint8Array): Promise<[path: string, sizeBytes: number][]> {
  const files: [string, number][] = [];
  for (const event of reader.feed(bytes)) {
    const { entry } = event;
    if (event.kind === "entry" && entry.type === "file") files.push([entry.path, entry.sizeBytes]);
    const full = writer.take(event);
    if (full) await full;
  }
  return files;
}
