// A drill whose own disk is full: nothing is said against the backup.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

test("R33 a full spool disk makes a drill inconclusive, and the backup stays what it was", { skip }, async (t) => {
  const small = mkdtempSync(join(tmpdir(), "lifeboat-disk-"));
  t.after(() => {
    spawnSync("umount", ["-l", small]);
    rmSync(small, { recursive: true });
  });
  const source = await freshDatabase();
  await query(source, "create table rows as select n as id, repeat('x', 100) as words from generate_series(1, 1000) n");
  const world = await beginWorld(t, { sources: { shop: source } });
  await world.expect(0, "backup", "shop");
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", small]).status === 0;
  if (!mounted) return t.diagnostic("no file system can be mounted here: the small disk is left out");
  const env = { ...world.env, LIFEBOAT_SPOOL: small };
  const run = spawnSync("bin/lifeboat", ["--config", world.configFile, "drill", "shop", "--json"], { env, encoding: "utf8" });
  assert.equal(JSON.parse(run.stderr).error.code, "DISK_FULL", run.stderr);
  const status = (await world.run("status", "--json")).json().sources[0];
  assert.equal(status.lastDrill.verdict, "inconclusive");
  assert.notEqual(status.verdict, "pass");
  const [point] = (await world.expect(0, "list", "--json")).json().points;
  assert.equal(point.damagedAt ?? null, null);
});
