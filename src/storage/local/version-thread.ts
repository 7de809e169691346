// The thread that takes the versions of large folders.
import { lstatSync, readdirSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { errnoOf } from "./errors.ts";
import { type Look, type VersionAnswer, type VersionRequest, versionAt } from "./folder-version.ts";

const look: Look = { names: (folder) => readdirSync(folder), facts: (path) => lstatSync(path, { bigint: true }) };

parentPort?.on("message", async (request: VersionRequest) => {
  parentPort?.postMessage(await answerTo(request));
});
parentPort?.postMessage({ id: 0 } satisfies VersionAnswer);

async function answerTo({ id, path }: VersionRequest): Promise<VersionAnswer> {
  try {
    return { id, found: await versionAt(path, look) };
  } catch (error) {
    return { id, failure: { message: error instanceof Error ? error.message : String(error), code: errnoOf(error) } };
  }
}
