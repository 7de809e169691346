// A demonstration that is killed: its servers go by themselves, its folder with the next one.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { leftOf, start, temporaryFolder, until } from "../support/demo.ts";
import { skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();

test("a demonstration that is killed leaves no process, and the next one removes its folder", { skip }, async () => {
  const folder = temporaryFolder();
  const { child, ended, stdout } = start(folder);
  await until(() => stdout().includes("lifeboat drill"), "the drill");
  child.kill("SIGKILL");
  await ended;
  const left = await leftOf(folder);
  assert.deepEqual(left.processes, []);
  for (const name of left.files) assert.match(name, /^lifeboat-demo-/, "everything it made lies in its folder");
  for (const name of left.files) assert.ok(!existsSync(join(folder, name, "server")), "the supervisor removed the server");
  const next = await start(folder, ["--json"]).ended;
  assert.equal(next.status, 0, next.stderr);
  assert.deepEqual(await leftOf(folder), { processes: [], files: [] });
});
