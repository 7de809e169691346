// The demonstration as a user runs it, in a temporary folder of its own, and what it leaves.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { PROGRAM } from "./program.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));
const TIMEOUT_MS = 240_000;

/** A temporary folder for one run, which reveals what it leaves. Servers run as another user and must be able to enter. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "d-"));
  chmodSync(folder, 0o711);
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

export interface DemoRun {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }>;
  stdout(): string;
}

/** Colours are neither demanded nor forbidden: a run decides by itself. */
export const { FORCE_COLOR: _, NO_COLOR: __, ...plain } = process.env;

export function start(folder: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): DemoRun {
  const child = spawn(PROGRAM, ["demo", ...args], {
    // A user's own settings must not lead the demonstration to the user's own repository.
    env: { ...plain, TMPDIR: folder, LIFEBOAT_REPOSITORY: "file:///nowhere", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) =>
    child.once("close", (status) => resolve({ status, stdout, stderr })),
  );
  return { child, ended, stdout: () => stdout };
}

/** Processes whose arguments or environment name the folder; known on Linux only. */
function processesOf(folder: string): string[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        const told = `${command} ${readFileSync(`/proc/${pid}/environ`, "utf8")}`;
        return command !== "" && told.includes(folder) ? [`${pid} ${command}`] : [];
      } catch {
        return [];
      }
    });
}

/** What is left once the supervisors have had their time. */
export async function leftOf(folder: string): Promise<{ readonly processes: string[]; readonly files: string[] }> {
  const look = () => ({ processes: processesOf(folder), files: readdirSync(folder).sort() });
  for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 100) {
    const { processes } = look();
    if (processes.length === 0) break;
    await sleep(100);
  }
  return look();
}

export async function until(holds: () => boolean, what: string): Promise<void> {
  for (let waitedMs = 0; !holds(); waitedMs += 50) {
    assert.ok(waitedMs < TIMEOUT_MS, `in vain waited for ${what}`);
    await sleep(50);
  }
}

export const headingsOf = (text: string): string[] => text.split("\n").filter((line) => line.startsWith("── "));
