// What a killed archive leaves half written: in a local storage, in S3, and its own directory.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { archiveSource, beginArchiveWorld, until } from "../support/archive.ts";
import { freshDatabase, skipWithoutPostgres, testCluster } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";
import { startS3Emulator } from "../support/s3/emulator.ts";

const skip = skipWithoutPostgres();
const UUID = "0f8fad5b-d9cb-469f-a165-70867728950e";

/** Starts the archive, waits for what it does at its start, and ends it. */
async function startOnce(world: World, done: () => boolean): Promise<void> {
  const archive = world.start("archive", "shop");
  let said = "";
  archive.child.stderr?.on("data", (text: string) => {
    said += text;
  });
  await until("what was left is gone", async () => done() && said.includes("archiving the log"));
  archive.kill("SIGTERM");
  const { exit, stderr } = await archive.ended;
  assert.equal(exit, 0, stderr);
}

test("R25 the next start of an archive sweeps what a killed one left in a local storage, and only that", { skip }, async (t) => {
  const { world } = await beginArchiveWorld(t);
  const aside = join(world.repository, ".tmp");
  const leave = (name: string, hoursAgo: number): void => {
    mkdirSync(aside, { recursive: true });
    writeFileSync(join(aside, `${UUID}+${name}`), "half");
    const at = Date.now() / 1000 - hoursAgo * 3600;
    utimesSync(join(aside, `${UUID}+${name}`), at, at);
  };
  leave("sources+shop+log+00000001+000000010000000000000003.zst.age", 0);
  leave("jobs+2026+01+01+old.json", 2);
  leave("leases+old.json", 2);
  leave("jobs+2026+01+01+young.json", 0);
  leave("sources+shop+backups+20260101T000000Z-full-x+data.zst.age", 2);
  const left = (): string[] => readdirSync(aside).filter((name) => name.startsWith(UUID));
  await startOnce(world, () => left().length <= 2);
  assert.deepEqual(
    left().map((name) => name.split("+").at(1)),
    ["jobs", "sources"],
    "what may be another process's stays",
  );
});

test("R25 the next start of an archive aborts the uploads that a killed one left in S3", { skip }, async (t) => {
  const cluster = await testCluster({ settings: archiveSource });
  t.after(() => cluster.stop());
  const s3 = await startS3Emulator();
  t.after(() => s3.stop());
  const world = await beginWorld(t, {
    sources: { shop: await freshDatabase("shop", cluster) },
    source: "policy: pitr, archive: { partialEvery: 1s }",
    yaml: "policies: { pitr: { window: 7d } }\n",
    s3,
  });
  const leave = (id: string, key: string): void => {
    s3.store.uploads.set(id, { id, key, startedMs: Date.now() - 60_000, traits: {}, parts: new Map() } as never);
  };
  leave("log", "repo/sources/shop/log/00000001/000000010000000000000003.zst.age");
  leave("backup", "repo/sources/shop/backups/20260101T000000Z-full-x/data.zst.age");
  await startOnce(world, () => !s3.store.uploads.has("log"));
  assert.ok(s3.store.uploads.has("backup"));
});

test("R56 the directory of received log is for its owner only, also when it was there before", { skip }, async (t) => {
  const { world } = await beginArchiveWorld(t);
  await startOnce(world, () => directories().length > 0);
  function directories(): string[] {
    const root = world.env.LIFEBOAT_STATE ?? "";
    try {
      return readdirSync(root, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isDirectory() && entry.name === "shop")
        .map((entry) => join(entry.parentPath, entry.name));
    } catch {
      return [];
    }
  }
  const [directory = ""] = directories();
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  chmodSync(directory, 0o755);
  await startOnce(world, () => (statSync(directory).mode & 0o777) === 0o700);
  for (const file of readdirSync(directory)) assert.equal(statSync(join(directory, file)).mode & 0o077, 0, file);
});
