// Helpers of the tests of the log archive.
import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../src/engines/postgres/cluster/cluster.ts";
import { freshDatabase, query, testCluster } from "./postgres.ts";
import { beginWorld, type World } from "./program.ts";

/** What a server needs so that its log can be archived; small segments make short tests. */
export const archiveSource: Readonly<Record<string, string>> = {
  wal_level: "replica",
  max_wal_senders: "6",
  max_replication_slots: "4",
  fsync: "off",
  synchronous_commit: "on",
};

/** Waits for something to become true, and gives what it found. */
export async function until<T>(what: string, look: () => Promise<T | undefined | false | null>, seconds = 60): Promise<T> {
  const giveUpAt = performance.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > giveUpAt) throw new Error(`waited ${seconds} seconds in vain until ${what}`);
    await sleep(200);
  }
}

/** The first source of `status --json`. */
// biome-ignore lint/suspicious/noExplicitAny: shapes are what the tests look at
export async function statusOf(world: World): Promise<any> {
  return (await world.run("status", "--json")).json().sources[0];
}

/** Stored bytes of whole segments, in order. */
export function segmentFiles(world: World, source = "shop"): string[] {
  const folder = join(world.repository, "sources", source, "log");
  return readdirSync(folder)
    .flatMap((timeline) => readdirSync(join(folder, timeline)).map((name) => join(folder, timeline, name)))
    .filter((path) => /[0-9A-F]{24}\.zst\.age$/.test(path))
    .sort();
}

/** Damages a file in its middle; its size stays. */
export function flipByte(path: string): void {
  const file = openSync(path, "r+");
  const at = Math.floor(statSync(path).size / 2);
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0x40;
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}

/** A source under protection, whose log can be archived, and something to write into it. */
export async function beginArchiveWorld(t: TestContext): Promise<{ cluster: Cluster; world: World; write: () => Promise<void> }> {
  const cluster = await testCluster({ settings: archiveSource });
  t.after(() => cluster.stop());
  const connection = await freshDatabase("shop", cluster);
  await query(connection, "create table orders (id bigint generated always as identity, note text)");
  const world = await beginWorld(t, {
    sources: { shop: connection },
    source: "policy: pitr, objectives: { rpo: 10s }, archive: { partialEvery: 1s }",
    yaml: "policies: { pitr: { window: 7d } }\n",
  });
  const write = async (): Promise<void> => {
    await query(connection, "insert into orders (note) select repeat('x', 200) from generate_series(1, 1000)");
  };
  return { cluster, world, write };
}

/** The base backups of the shop. */
export async function basePoints(world: World): Promise<{ id: string; kind: string }[]> {
  const { points: all } = (await world.expect(0, "list", "shop", "--json")).json() as { points: { id: string; kind: string }[] };
  return all.filter(({ kind }) => kind === "base");
}
