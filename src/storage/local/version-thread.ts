// The thread that takes the versions of folders with very many entries.
import { parentPort } from "node:worker_threads";
import { errnoOf } from "./errors.ts";
import { type VersionAnswer, type VersionRequest, versionAt } from "./folder-version.ts";

parentPort?.on("message", (request: VersionRequest) => parentPort?.postMessage(answerTo(request)));
parentPort?.postMessage({ id: 0 } satisfies VersionAnswer);

function answerTo({ id, path }: VersionRequest): VersionAnswer {
  try {
    return { id, found: versionAt(path) };
  } catch (error) {
    return { id, failure: { message: error instanceof Error ? error.message : String(error), code: errnoOf(error) } };
  }
}
