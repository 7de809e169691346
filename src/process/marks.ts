// Whether a process that was noted down is still the same one, and ending it. Process numbers are used again, so a number alone proves nothing.
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { baseEnvironment } from "./environment.ts";
import { runProgram } from "./run.ts";

/** A process, and the time it was started: a later process with the same number is not it. */
export interface ProcessMark {
  readonly pid: number;
  readonly startedAt: string;
}

/** When a process was started, in the system's own words (only equality means anything); undefined when it is gone. */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  if (process.platform === "linux") {
    try {
      const stat = await readFile(`/proc/${pid}/stat`, "utf8");
      // The name in parentheses may hold anything; fields are counted after it. State is the 3rd field, start time the 22nd.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return fields[0] === "Z" ? undefined : fields[19];
    } catch {
      return undefined;
    }
  }
  const { stdout } = await runProgram("ps", ["-o", "lstart=", "-p", String(pid)], { env: baseEnvironment(), timeoutMs: 5_000 });
  return stdout.trim() || undefined;
}

export async function markProcess(pid: number): Promise<ProcessMark | undefined> {
  const startedAt = await startTimeOf(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

export async function isAlive(mark: ProcessMark): Promise<boolean> {
  return (await startTimeOf(mark.pid)) === mark.startedAt;
}

/** The arguments a process was started with; empty when it is gone or may not be looked at. */
export async function commandOf(pid: number): Promise<string> {
  if (process.platform === "linux") {
    return (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ");
  }
  return (await runProgram("ps", ["-o", "command=", "-p", String(pid)], { env: baseEnvironment(), timeoutMs: 5_000 })).stdout.trim();
}

/** How a server is ended, and how long each way gets. A fast shutdown writes out what is in memory; an immediate one does not. */
export const IN_PEACE: readonly (readonly [NodeJS.Signals, number])[] = [
  ["SIGINT", 300_000],
  ["SIGQUIT", 5_000],
  ["SIGKILL", 5_000],
];

/** A signal is repeated as often: the first process of a cell that is still being made does not hear it. */
export const SIGNAL_AGAIN_MS = 1_000;

/** Sends the signals in turn, each with its time to work, until the process is gone. Returns whether it is. */
export async function endProcess(mark: ProcessMark, signals: readonly (readonly [NodeJS.Signals, number])[]): Promise<boolean> {
  for (const [signal, waitMs] of signals) {
    for (let waitedMs = 0; waitedMs < waitMs; waitedMs += 20) {
      if (!(await isAlive(mark))) return true;
      if (waitedMs % SIGNAL_AGAIN_MS === 0) send(mark.pid, signal);
      await sleep(20);
    }
  }
  return !(await isAlive(mark));
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
