// Sealing and opening against the commands that do the same (zstd and age), side by side in one run: time, processor
// seconds of all processes, peak memory of lifeboat. Usage: node bench/seal.ts [MiB of rows, default 1024]
import { spawnSync } from "node:child_process";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { generateIdentity } from "../src/seal/keys.ts";
import { seal } from "../src/seal/seal.ts";
import { unseal } from "../src/seal/unseal.ts";

const ROUNDS = 3;

/** Rows as COPY writes them: ids, words, numbers, times, a digest; about 3 times smaller under zstd -1. */
async function writeRows(file: string, sizeBytes: number): Promise<void> {
  const words = Array.from({ length: 2000 }, (_, i) => (i * 7919 + 104729).toString(36));
  let seed = 42;
  const next = (limit: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * limit);
  };
  const out = await open(file, "w");
  for (let written = 0, id = 1; written < sizeBytes; ) {
    const lines: string[] = [];
    for (let n = 0; n < 10_000; n++, id++) {
      const text = Array.from({ length: 8 }, () => words[next(2000)]).join(" ");
      lines.push(
        `${id}\t${next(1e6)}\t${text}\t${(next(1e7) / 100).toFixed(2)}\t2026-0${1 + next(9)}-1${next(10)} 1${next(10)}:00:0${next(10)}.${next(1e6)}+00\t\\N\n`,
      );
    }
    const chunk = Buffer.from(lines.join(""));
    await out.write(chunk);
    written += chunk.length;
  }
  await out.close();
}

/** One side's work, run in this process when it is called with a role; the input comes through a pipe, as from pg_dump. */
async function work(role: string, folder: string): Promise<void> {
  const { identity, recipient } = JSON.parse(await readFile(join(folder, "key.json"), "utf8")) as { identity: string; recipient: string };
  if (role === "seal") {
    const { bytes } = seal(process.stdin, { recipients: [recipient] });
    await pipeline(bytes, createWriteStream(join(folder, "ours"), { highWaterMark: 1 << 20 }));
  } else {
    await pipeline(
      unseal(createReadStream(join(folder, "ours"), { highWaterMark: 1 << 20 }), { identities: [identity] }),
      createWriteStream("/dev/null"),
    );
  }
}

interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMiB: number;
}

/** Runs a shell line under `time`-like accounting by the kernel (of all its children). */
function run(line: string): Measured {
  const program = `import resource,subprocess,sys,time
t=time.monotonic(); status=subprocess.call(["bash","-o","pipefail","-c",sys.argv[1]]); t=time.monotonic()-t
r=resource.getrusage(resource.RUSAGE_CHILDREN); print(t, r.ru_utime+r.ru_stime, r.ru_maxrss/1024); sys.exit(status)`;
  const { status, stdout, stderr } = spawnSync("python3", ["-c", program, line], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${line}: ${stderr}`);
  const [seconds = 0, cpuSeconds = 0, peakMiB = 0] = stdout.trim().split(" ").map(Number);
  return { seconds, cpuSeconds, peakMiB };
}

async function compare(mib: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "lifeboat-bench-seal-"));
  try {
    const pair = await generateIdentity();
    await writeFile(join(folder, "key.json"), JSON.stringify(pair), { mode: 0o600 });
    await writeFile(join(folder, "key"), `${pair.identity}\n`, { mode: 0o600 });
    const rows = join(folder, "rows");
    await writeRows(rows, mib << 20);
    const self = `${process.execPath} ${fileURLToPath(import.meta.url)}`;
    const pairs = {
      seal: [`cat ${rows} | ${self} --role seal ${folder}`, `cat ${rows} | zstd -1 -T0 -c | age -r ${pair.recipient} > ${folder}/theirs`],
      open: [`${self} --role open ${folder}`, `age -d -i ${folder}/key ${folder}/theirs | zstd -dc > /dev/null`],
    };
    for (const [name, [ours = "", theirs = ""]] of Object.entries(pairs)) {
      const rounds = Array.from({ length: ROUNDS }, () => ({ ours: run(ours), theirs: run(theirs) }));
      const best = (side: "ours" | "theirs", what: keyof Measured): number => Math.min(...rounds.map((round) => round[side][what]));
      for (const side of ["ours", "theirs"] as const) {
        const seconds = best(side, "seconds");
        console.log(
          `${name} ${side.padEnd(6)} ${seconds.toFixed(2)} s  ${Math.round(mib / seconds)} MiB/s  ${best(side, "cpuSeconds").toFixed(2)} CPU s  peak ${Math.round(best(side, "peakMiB"))} MiB`,
        );
      }
      console.log(
        `${name} ratio  ${(best("ours", "seconds") / best("theirs", "seconds")).toFixed(2)} of the time, ${(best("ours", "cpuSeconds") / best("theirs", "cpuSeconds")).toFixed(2)} of the processor`,
      );
    }
    console.log(`stored: ours ${(await stat(join(folder, "ours"))).size} bytes, theirs ${(await stat(join(folder, "theirs"))).size} bytes`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const [first, role, folder] = process.argv.slice(2);
if (first === "--role" && role !== undefined && folder !== undefined) await work(role, folder);
else await compare(Number(first ?? 1024));
