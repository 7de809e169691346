// Processes of a server whose first process was killed: idle ones end by themselves, but one in the middle of a statement continues,
// commits included. They are found by the name that their server was given, which their process titles show.
import { createHash } from "node:crypto";
import { basename, dirname } from "node:path";
import { baseEnvironment } from "../../../../src/process/environment.ts";
import { runProgram } from "../../../../src/process/run.ts";

/** Begins the name of every server of the fleet in a directory. */
export function fleetName(directory: string): string {
  return `lifeboat-${createHash("sha256").update(directory).digest("hex").slice(0, 24)}-`;
}

/** Name of the server over `<fleet>/lines/<line>/data`. */
export function serverName(data: string): string {
  const line = dirname(data);
  return `${fleetName(dirname(dirname(line)))}${basename(line)}`;
}

/** Kills every process of the servers whose name is this, or begins with it where it ends in a dash. */
export async function endOrphans(name: string): Promise<void> {
  const { stdout } = await runProgram("ps", ["-axo", "pid=,command="], {
    env: baseEnvironment(),
    timeoutMs: 10_000,
    maxOutputBytes: 64 * 1024 * 1024,
  });
  for (const line of stdout.split("\n")) {
    const [, pid, title] = /^\s*(\d+) postgres: ([^:]+):/.exec(line) ?? [];
    if (title === undefined || (name.endsWith("-") ? !title.startsWith(name) : title !== name)) continue;
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // Gone by itself.
    }
  }
}
