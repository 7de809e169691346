// Starts the reaper of a fleet (reaper-process.ts), which ends its servers and deletes its files.
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
  // Works in source and compiled code.
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
    throw new LifeboatError("SCRATCH_FAILED", "the process that ends the sandbox's servers cannot be started", { cause });
  });
  reaper.stdin.write(`${directory}\n`);
  await noteReaper(directory, reaper.pid as number);
  letGo(reaper);
  return {
    async end() {
      reaper.stdin.end();
      // This timer keeps the event loop running: the reaper itself does not, and there may be nothing else to wait for.
      const waiting = new AbortController();
      await Promise.race([closed, sleep(END_TIMEOUT_MS, undefined, { signal: waiting.signal }).catch(() => {})]);
      waiting.abort();
      // Deletes the rest when the reaper was killed.
      await removePlace(directory);
      if (existsSync(directory)) throw new LifeboatError("SCRATCH_FAILED", `the sandbox's directory ${directory} cannot be removed`);
    },
  };
}

/** It must not keep this process running: when that ends, the reaper's input ends, and so does the fleet. */
function letGo(reaper: ChildProcess): void {
  reaper.unref();
  (reaper.stdin as unknown as { unref(): void }).unref();
}
