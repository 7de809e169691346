// The service with very many sources and restore points: start, a beat, memory, /api/health, and `status` beside it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fillRepository } from "./many-backups.ts";
import { measure } from "./measure.ts";

export interface ServiceFigures {
  readonly fillSeconds: number;
  readonly startSeconds: number;
  readonly firstBeatSeconds: number;
  /** Of a beat after the first. */
  readonly beatSeconds: number;
  readonly memoryMiB: number;
  readonly healthMs: number;
  readonly statusSeconds: number;
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
    const first = await beatAfter(0);
    const firstBeatSeconds = (await gauge("lifeboat_beat_duration_seconds")) ?? 0;
    await beatAfter(first);
    const beatSeconds = (await gauge("lifeboat_beat_duration_seconds")) ?? 0;
    const memoryMiB = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
    const times: number[] = [];
    for (let n = 0; n < REQUESTS; n++) {
      const at = performance.now();
      await (await fetch(`${url}/api/health`)).text();
      times.push(performance.now() - at);
    }
    child.kill("SIGTERM");
    await once(child, "exit");
    const { seconds: statusSeconds } = await measure(`${line} status > /dev/null; test $? -lt 5`, env);
    const healthMs = times.sort((a, b) => a - b)[Math.floor(0.95 * REQUESTS)] ?? 0;
    return { fillSeconds, startSeconds, firstBeatSeconds, beatSeconds, memoryMiB, healthMs, statusSeconds };
  } finally {
    child.kill("SIGKILL");
  }
}
