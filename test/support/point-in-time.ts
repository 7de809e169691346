// Point-in-time restores under judgement: a cluster that is written to by several sessions, its log archived by the real
// program, and the server's own pg_waldump, over the server's own log, to say which transactions a target has to hold.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../src/engines/postgres/cluster/cluster.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { archiveSource, statusOf, until } from "./archive.ts";
import { freshDatabase, openApplication, postgresBin, query, testCluster } from "./postgres.ts";
import { beginWorld, type Running, type World } from "./program.ts";
import type { S3Emulator } from "./s3/emulator.ts";

export interface Written {
  readonly cluster: Cluster;
  readonly world: World;
  readonly shop: Connection;
  readonly archive: Running;
  /** Begins sessions that each write rows with their transaction's number; resolves when all have ended. */
  write(sessions: number, until: () => boolean): Promise<void>;
}

export interface WrittenOptions {
  readonly s3?: S3Emulator;
  /** More options of the source, each after a comma. */
  readonly source?: string;
  /** More settings of the server. */
  readonly settings?: Readonly<Record<string, string>>;
}

export async function beginWritten(t: TestContext, options: WrittenOptions = {}): Promise<Written> {
  const cluster = await testCluster({
    settings: { ...archiveSource, wal_keep_size: "4GB", synchronous_commit: "on", ...options.settings },
  });
  t.after(() => cluster.stop());
  const shop = await freshDatabase("shop", cluster);
  await query(shop, "create table w (xid bigint, session int, n int, filler text)");
  const world = await beginWorld(t, {
    sources: { shop },
    source: `policy: pitr, objectives: { rpo: 1h }, archive: { partialEvery: 1s }${options.source ?? ""}`,
    yaml: "policies: { pitr: { window: 7d } }\n",
    ...(options.s3 === undefined ? {} : { s3: options.s3 }),
  });
  const archive = world.start("archive", "shop");
  await until("the slot is active", async () =>
    (await query(shop, "select active from pg_replication_slots")).some(({ active }) => active === true),
  );
  const write = async (sessions: number, over: () => boolean): Promise<void> => {
    await Promise.all(Array.from({ length: sessions }, (_none, session) => writeUntil(shop, session, over)));
  };
  return { cluster, world, shop, archive, write };
}

async function writeUntil(shop: Connection, session: number, over: () => boolean): Promise<void> {
  const client = await openApplication(shop);
  try {
    for (let n = 0; !over(); n++) {
      // Every seventh is rolled back: an abort counts for where replay stops, and leaves no row.
      await client.query("begin");
      await client.query(`insert into w select txid_current(), ${session}, ${n}, repeat('x', ${Math.floor(Math.random() * 3000)})`);
      if (Math.random() < 0.2) await sleep(Math.random() * 20);
      await client.query(n % 7 === 6 ? "rollback" : "commit");
    }
  } finally {
    await client.close();
  }
}

/** Waits until the window holds the present, writes nothing more, and ends the receiver. */
export async function settle({ world, shop, archive }: Written): Promise<{ readonly earliest: string; readonly latest: string }> {
  const [row] = await query<{ now: string }>(
    shop,
    `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
  );
  await until("the window has come so far", async () => {
    const ran = await world.run("status", "--json");
    assert.notEqual(ran.stdout, "", ran.stderr);
    const { window } = ran.json().sources[0];
    return window?.latest >= (row?.now ?? "");
  });
  archive.kill("SIGTERM");
  assert.equal((await archive.ended).exit, 0);
  return (await statusOf(world)).window;
}

export interface Transaction {
  readonly xid: number;
  readonly lsn: bigint;
  readonly kind: "COMMIT" | "ABORT";
  readonly at: string;
}

export const lsnNumber = (text: string): bigint => {
  const [high = "", low = ""] = text.split("/");
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
};

/** Every end of a transaction, in log order, as the server's own program reads the server's own log. */
export function transactionsOf(cluster: Cluster): Transaction[] {
  const folder = join(cluster.data, "pg_wal");
  const names = readdirSync(folder)
    .filter((name) => /^[0-9A-F]{24}$/.test(name))
    .sort();
  // Told its files: left to choose the first one by itself, it may take one that is not written yet, and then knows no segment size.
  const range = [join(folder, names[0] ?? ""), names.at(-1) ?? ""];
  let text: string;
  try {
    text = execFileSync(join(postgresBin(), "pg_waldump"), ["-r", "Transaction", ...range], {
      encoding: "utf8",
      env: { TZ: "UTC" },
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 1024 ** 3,
    });
  } catch (error) {
    text = (error as { stdout: string }).stdout; // it always ends at the end of the log, which is an error to it
  }
  const found: Transaction[] = [];
  for (const line of text.split("\n")) {
    const match =
      /tx:\s*(\d+), lsn: ([0-9A-F]+\/[0-9A-F]+), prev \S+, desc: (COMMIT|ABORT) (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)? (UTC|GMT)/.exec(
        line,
      );
    if (match === null) continue;
    const [, xid, lsn = "", kind, day, time, fraction = "."] = match;
    found.push({ xid: Number(xid), lsn: lsnNumber(lsn), kind: kind as "COMMIT", at: `${day}T${time}${fraction.padEnd(7, "0")}Z` });
  }
  return found;
}

/**
 * Transactions that a restore to an instant must hold: those committed before the first end of a transaction stamped later,
 * among those after the base backup.
 */
export function heldAt(all: readonly Transaction[], at: string, from: bigint): Set<number> {
  const stop = all.find((one) => one.lsn >= from && one.at > at);
  return new Set(all.filter(({ kind, lsn }) => kind === "COMMIT" && (stop === undefined || lsn < stop.lsn)).map(({ xid }) => xid));
}

export interface Scratch {
  readonly json: Record<string, unknown> & {
    readonly verdict: string;
    readonly checks: readonly { readonly name: string; readonly message: string }[];
  };
  readonly shop: Connection;
  end(): Promise<void>;
}

/** Restores into scratch, and gives its database as long as the test wants it. */
export async function restoreScratch(world: World, to: string): Promise<Scratch> {
  const running = world.start("restore", "shop", `--to=${to}`, "--into", "scratch", "--json");
  const line = await Promise.race([
    new Promise<string>((resolve) => createInterface({ input: running.child.stdout as NodeJS.ReadableStream }).once("line", resolve)),
    running.ended.then(({ stderr, exit }) => {
      throw new Error(`restore ended with ${exit}: ${stderr}`);
    }),
  ]);
  const json = JSON.parse(line);
  const url = json.databases.find(({ name }: { name: string }) => name === "shop").url as string;
  return {
    json,
    shop: { url, label: "restored" },
    async end() {
      running.kill("SIGINT");
      await running.ended;
    },
  };
}

/** Numbers of the transactions whose rows are there. */
export async function xidsIn(shop: Connection): Promise<Set<number>> {
  return new Set((await query<{ xid: string }>(shop, "select xid::text from w")).map(({ xid }) => Number(xid)));
}

/** An instant between two, to the microsecond. */
export function instantBetween(earliest: string, latest: string, share: number): string {
  const micros = (text: string): bigint => BigInt(Date.parse(`${text.slice(0, 23)}Z`)) * 1000n + BigInt(text.slice(23, 26));
  const at = micros(earliest) + (BigInt(Math.round(share * 1e9)) * (micros(latest) - micros(earliest))) / 1_000_000_000n;
  return `${new Date(Number(at / 1000n)).toISOString().slice(0, 23)}${String(at % 1000n).padStart(3, "0")}Z`;
}
