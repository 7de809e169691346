// Starts the keeper of a fleet (see keeper.ts) and, at the end, has it do its work.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { LifeboatError } from "../../../../src/core/errors.ts";
import { baseEnvironment } from "../../../../src/process/environment.ts";
import { noteReaper, removePlace } from "./place.ts";

export interface Reaper {
  /** Ends the servers, removes the directory, and waits for it. Throws SCRATCH_FAILED when something stays behind. */
  end(): Promise<void>;
}

const END_TIMEOUT_MS = 20_000;

export async function startReaper(directory: string): Promise<Reaper> {
  // Runs from source and from the compiled package alike.
  const script = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "./reaper-process.ts" : "./reaper-process.js", import.meta.url));
  const reaper = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script], {
    env: baseEnvironment(),
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    cwd: "/",
  });
  const closed = new Promise<void>((resolve) => reaper.once("close", () => resolve()));
  reaper.stdin.on("error", () => {});
  await once(reaper, "spawn").catch((cause) => {
    throw new LifeboatError("SCRATCH_FAILED", "the keeper of the sandbox's servers cannot be started", { cause });
  });
  reaper.stdin.write(`${directory}\n`);
  await noteReaper(directory, reaper.pid as number);
  letGo(reaper);
  return {
    async end() {
      reaper.stdin.end();
      // This timer keeps the event loop running: the keeper itself does not, and we may have nothing else to wait for.
      const waiting = new AbortController();
      await Promise.race([closed, sleep(END_TIMEOUT_MS, undefined, { signal: waiting.signal }).catch(() => {})]);
      waiting.abort();
      // Nothing to do when the keeper did its work; everything when it was killed.
      await removePlace(directory);
      if (existsSync(directory)) throw new LifeboatError("SCRATCH_FAILED", `the sandbox's directory ${directory} cannot be removed`);
    },
  };
}

/** It must not keep us alive: when we end, its input ends, and so does the fleet. */
function letGo(reaper: ChildProcess): void {
  reaper.unref();
  (reaper.stdin as unknown as { unref(): void }).unref();
}
