// Helpers of the tests of the log archive.
import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { World } from "./program.ts";

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
