// A backup of a million small documents beside reading the same cursor raw and dropping it, from an emulated server in a process of
// its own: both sides wait for the same server.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { ObjectId } from "bson";
import { MongoClient } from "mongodb";
import { compare, type Measured, measure } from "./measure.ts";

export interface MongodbBench {
  /** The command line under test. */
  readonly lifeboat: string;
  readonly documents: number;
  readonly rounds: number;
}

export const RAW_READ = "the driver's cursor, raw, dropped";
export const OUR_MONGODB_BACKUP = "lifeboat backup, encrypted, fingerprint included";

const BATCH = 10_000;

export async function benchMongodb({ lifeboat, documents, rounds }: MongodbBench): Promise<Readonly<Record<string, Measured>>> {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-bench-mongodb-"));
  const server = spawn(process.execPath, [resolve(import.meta.dirname, "../packages/sandbox/mongo/main.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const { host, port } = await readyLine(server);
    const env = {
      DATABASE_URL: `mongodb://${host}:${port}/shop?replicaSet=rs0`,
      L: `${lifeboat} --config ${folder}/lifeboat.yaml --quiet`,
    };
    await fill(env.DATABASE_URL, documents);
    await measure(`$L init --repository ${folder}/repository --source shop --provider mongodb`, env);
    return await compare(
      {
        [RAW_READ]: `test "$(${process.execPath} ${resolve(import.meta.dirname, "mongodb-read.ts")})" = ${documents}`,
        [OUR_MONGODB_BACKUP]: "$L backup shop",
      },
      rounds,
      env,
    );
  } finally {
    server.stdin?.end();
    await once(server, "close");
    rmSync(folder, { recursive: true, force: true });
  }
}

async function readyLine(server: ChildProcess): Promise<{ readonly host: string; readonly port: number }> {
  if (server.stdout === null) throw new Error("the server has no output");
  const lines = createInterface({ input: server.stdout });
  const [line] = await Promise.race([once(lines, "line"), once(server, "close").then(() => [undefined])]);
  if (line === undefined) throw new Error("the sandbox's server ended before it was ready");
  return JSON.parse(line);
}

/** Documents of about 150 bytes, no two alike. */
async function fill(url: string, documents: number): Promise<void> {
  const client = new MongoClient(url);
  const words = Array.from({ length: 2_000 }, (_, i) => (i * 7919 + 104_729).toString(36));
  const word = (n: number): string => words[(Math.imul(n, 2_654_435_761) >>> 0) % words.length] as string;
  try {
    for (let at = 0; at < documents; at += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, documents - at) }, (_, i) => {
        const n = at + i;
        return {
          _id: new ObjectId(),
          number: n,
          price: (n % 10_000) / 100,
          name: `${word(n)} ${word(n + 1)} ${word(n + 7)}`,
          at: new Date(1_760_000_000_000 + n * 1_000),
          tags: [word(n * 3), word(n * 5)],
          open: n % 3 === 0,
        };
      });
      await client.db().collection("orders").insertMany(batch, { ordered: true });
    }
  } finally {
    await client.close();
  }
}
