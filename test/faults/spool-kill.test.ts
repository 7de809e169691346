// A restore that is killed while its archive is on this machine in the clear: nothing of it can be read afterwards.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";

const skip = process.platform === "linux" ? skipWithoutPostgres() : "it needs /proc";
const MARKER = "quite-secret-row";

/** The spool's file once it has bytes. */
function spoolOf(world: World): string | undefined {
  const folder = readdirSync(world.temporary).find((name) => name.endsWith(".spool"));
  const path = folder && join(world.temporary, folder, "archive");
  return path !== undefined && (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 100_000 ? path : undefined;
}

/** Files under the folder whose bytes hold the marker. */
function readable(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(MARKER));
}

async function killAtSpool(world: World, ...args: readonly string[]): Promise<void> {
  const running = world.start(...args);
  let path: string | undefined;
  for (let waits = 0; path === undefined && waits < 6000; waits++) {
    await sleep(5);
    path = spoolOf(world);
    if (running.child.exitCode !== null) break;
  }
  assert.ok(path, "the spool was never seen");
  assert.ok(readFileSync(path).includes(MARKER), "it is plain while it is in use");
  running.kill("SIGKILL");
  await running.ended;
}

test("R56 a restore killed while its archive is spooled leaves nothing that can be read, and is cleaned up", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(source, `create table rows as select n as id, '${MARKER}-' || n as words from generate_series(1, 400000) n`);
  const world = await beginWorld(t, { sources: { shop: source } });
  await world.expect(0, "backup", "shop");
  for (const args of [
    ["drill", "shop"],
    ["restore", "shop", "--into", "shop_killed"],
  ]) {
    await killAtSpool(world, ...args);
    // The supervisor of a drill's scratch server ends it when this process is gone.
    for (let waits = 0; readable(world.temporary).length > 0 && waits < 200; waits++) await sleep(100);
    assert.deepEqual(readable(world.temporary), []);
    await world.expect(0, "jobs", "recover");
    await world.assertNothingLeft();
  }
});
