// Notices that the configuration file was changed, by editors, by a deployment tool or by a new link of a mounted volume.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

const LOOK_EVERY_MS = 2000;

/** Calls back after each change of the file's bytes until the signal aborts. A file that is away for a moment is not a change. */
export async function watchFile(file: string, signal: AbortSignal, onChange: () => void): Promise<void> {
  let before = await digestOf(file);
  while (!signal.aborted) {
    await pause(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    const now = await digestOf(file);
    if (signal.aborted || now === undefined || now === before) continue;
    before = now;
    onChange();
  }
}

async function digestOf(file: string): Promise<string | undefined> {
  try {
    return createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
  } catch {
    return undefined;
  }
}
