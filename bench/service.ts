// The service with very many sources and restore points: start, a beat, memory, /api/health and /metrics; commands beside it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fillRepository } from "./many-backups.ts";
import { compare, type Measured, measure } from "./measure.ts";

export interface ServiceFigures {
  readonly fillSeconds: number;
  readonly startSeconds: number;
  readonly firstBeatSeconds: number;
  /** Of a beat after the first, when every change is old enough. */
  readonly beatSeconds: number;
  /** Processor time of the service during it. */
  readonly beatCpuSeconds: number;
  readonly memoryMiB: number;
  /** 95 of 100 requests took no longer. */
  readonly healthMs: number;
  readonly healthOfSourceMs: number;
  readonly metricsMs: number;
  /** Commands without the service, by their line. */
  readonly commands: Readonly<Record<string, Measured>>;
}

interface Order {
  readonly lifeboat: string;
  /** Has a configuration and a repository, as `init` made them. */
  readonly folder: string;
  readonly sources: number;
  readonly points: number;
  readonly env: Readonly<Record<string, string>>;
}

const REQUESTS = 300;
/** A change that is younger is not relied on by the catalog. */
export const SETTLED_MS = 65_000;
/** By how often they are run: the median is told. */
const COMMANDS: Readonly<Record<string, number>> = {
  status: 1,
  "status --max-age 1h": 5,
  "status source7": 5,
  list: 5,
  "list source7": 5,
  "list --limit 1": 5,
  "expire source7 --plan": 5,
  tick: 1,
};

/** Processor seconds of a process so far. */
function cpuOf(pid: number | undefined): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}

export async function benchService({ lifeboat, folder, sources, points, env }: Order): Promise<ServiceFigures> {
  const names = Array.from({ length: sources }, (_, n) => `source${n}`);
  const config = join(folder, "lifeboat.yaml");
  const head = readFileSync(config, "utf8").split(/^sources:/m)[0] ?? "";
  const list = names.map((name) => `  ${name}: { provider: postgres, url: "\${DATABASE_URL}", policy: nightly }`).join("\n");
  const policy = 'policies: { nightly: { backups: [{ tier: daily, cron: "0 0 * * *", keep: 30d }], expire: "0 4 1 1 *" } }';
  writeFileSync(config, `${head}sources:\n${list}\n${policy}\nserver: { beat: 5s }\n`);
  const filling = performance.now();
  for (const name of names)
    fillRepository(join(folder, "repository"), points / sources, join(folder, "lifeboat-writer.pem"), name, new Date());
  const fillSeconds = (performance.now() - filling) / 1000;

  const line = `${lifeboat} --config ${config} --quiet`;
  const token = (await measure(`${line} token create --role viewer --name bench --json`, env)).stdout;
  const began = performance.now();
  const child = spawn(lifeboat, ["--config", config, "serve", "--port", "0", "--log", "json"], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const listening = Promise.withResolvers<string>();
  createInterface({ input: child.stderr }).on("line", (text) => {
    if (!text.startsWith("{")) return;
    const { url, level, message } = JSON.parse(text) as { url?: string; level: string; message: string };
    if (url !== undefined) listening.resolve(url);
    if (level === "error") console.log(`  ${message}`);
  });
  try {
    const url = await listening.promise;
    const startSeconds = (performance.now() - began) / 1000;
    const authorization = `Bearer ${(JSON.parse(token) as { token: string }).token}`;
    const gauge = async (name: string): Promise<number | undefined> => {
      const text = await (await fetch(`${url}/metrics`, { headers: { authorization } })).text();
      const found = new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1];
      return found === undefined ? undefined : Number(found);
    };
    const beatAfter = async (before: number): Promise<number> => {
      for (;;) {
        const at = await gauge("lifeboat_beat_timestamp_seconds");
        if (at !== undefined && at > before) return at;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    };
    let last = await beatAfter(0);
    const firstBeatSeconds = (await gauge("lifeboat_beat_duration_seconds")) ?? 0;
    // Restore points of the last minute are read anew by each beat.
    for (const settled = Date.now() + SETTLED_MS; Date.now() < settled; ) last = await beatAfter(last);
    last = await beatAfter(last);
    const before = cpuOf(child.pid);
    await beatAfter(last);
    const beatCpuSeconds = cpuOf(child.pid) - before;
    const beatSeconds = (await gauge("lifeboat_beat_duration_seconds")) ?? 0;
    const memoryMiB = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
    const slowest = async (path: string, requests: number): Promise<number> => {
      const times: number[] = [];
      for (let n = 0; n < requests; n++) {
        const at = performance.now();
        await (await fetch(`${url}${path}`, { headers: { authorization } })).text();
        times.push(performance.now() - at);
      }
      return times.sort((a, b) => a - b)[Math.floor(0.95 * requests)] ?? 0;
    };
    const healthMs = await slowest("/api/health", REQUESTS);
    const healthOfSourceMs = await slowest("/api/health/db/source7", REQUESTS);
    const metricsMs = await slowest("/metrics", 20);
    child.kill("SIGTERM");
    await once(child, "exit");
    const commands: Record<string, Measured> = {};
    for (const [command, rounds] of Object.entries(COMMANDS))
      Object.assign(commands, await compare({ [command]: `${line} ${command} > /dev/null; test $? -lt 5` }, rounds, env));
    return {
      fillSeconds,
      startSeconds,
      firstBeatSeconds,
      beatSeconds,
      beatCpuSeconds,
      memoryMiB,
      healthMs,
      healthOfSourceMs,
      metricsMs,
      commands,
    };
  } finally {
    child.kill("SIGKILL");
  }
}
