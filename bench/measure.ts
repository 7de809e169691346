// Measuring whole programs: wall time, and the peak memory of every process that belongs to them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";

export interface Measured {
  readonly seconds: number;
  /** Processor time of all its processes, which other work on the machine hardly changes. */
  readonly cpuSeconds: number;
  /** Largest resident size of each program seen, in MiB, by command name. Only where /proc is. */
  readonly peakMiB: Readonly<Record<string, number>>;
  readonly stdout: string;
}

const SAMPLE_MS = 25;

/** Runs a shell line (bash, pipefail) and measures it. Throws when it fails. */
export async function measure(line: string, env: Readonly<Record<string, string>>): Promise<Measured> {
  const peakMiB: Record<string, number> = {};
  const began = performance.now();
  const timed = `TIMEFORMAT="cpu %U %S"; time { ${line}\n}`;
  const child = spawn("bash", ["-o", "pipefail", "-c", timed], { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr = (stderr + chunk).slice(-4000);
  });
  const timer = setInterval(() => sample(child.pid as number, peakMiB), SAMPLE_MS);
  const [status] = (await once(child, "close")) as [number | null];
  clearInterval(timer);
  const seconds = (performance.now() - began) / 1000;
  if (status !== 0) throw new Error(`${line}\nended with status ${status}:\n${stderr}`);
  const [, user, system] = /cpu ([\d.]+) ([\d.]+)\s*$/.exec(stderr) ?? [];
  return { seconds, cpuSeconds: Number(user) + Number(system), peakMiB, stdout };
}

/** The median run of several, in turn with the others, so that a machine that slows down slows all of them. */
export async function compare(
  lines: Readonly<Record<string, string>>,
  rounds: number,
  env: Readonly<Record<string, string>>,
  between?: () => Promise<void>,
) {
  const runs: Record<string, Measured[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, line] of Object.entries(lines)) {
      await between?.();
      runs[name] = [...(runs[name] ?? []), await measure(line, env)];
    }
  }
  return Object.fromEntries(Object.entries(runs).map(([name, all]) => [name, median(all)]));
}

function median(all: readonly Measured[]): Measured {
  const sorted = [...all].sort((a, b) => a.seconds - b.seconds);
  const middle = sorted[Math.floor(sorted.length / 2)] as Measured;
  const peakMiB: Record<string, number> = {};
  for (const run of all) for (const [name, mib] of Object.entries(run.peakMiB)) peakMiB[name] = Math.max(peakMiB[name] ?? 0, mib);
  return { ...middle, peakMiB };
}

function sample(root: number, peakMiB: Record<string, number>): void {
  const parents = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = read(`/proc/${entry}/stat`);
    parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
  }
  for (const pid of parents.keys()) {
    let up: number | undefined = pid;
    while (up !== undefined && up !== root && up > 1) up = parents.get(up);
    if (up !== root) continue;
    const status = read(`/proc/${pid}/status`);
    const name = /^Name:\s+(.+)$/m.exec(status)?.[1];
    const kib = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    if (name) peakMiB[name] = Math.max(peakMiB[name] ?? 0, kib / 1024);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it ended meanwhile
  }
}
