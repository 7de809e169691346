// Base backups through the real program: what it prints, what it refuses, and what a killed one leaves.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { copyableCluster, throughProxy } from "../support/base-world.ts";
import { freshDatabase, postgresBin, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";
import { need } from "../support/require.ts";

const skip = skipWithoutPostgres();
const found = (program: string): boolean => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;

test("R25 backup --kind base prints its log range, show prints working commands, verify opens it", {
  skip,
}, async (t) => {
  const cluster = await copyableCluster(t);
  const shop = await freshDatabase("shop", cluster);
  await query(shop, "create table t as select i as id, md5(i::text) as v from generate_series(1, 5000) i");
  const world = await beginWorld(t, { sources: { shop } });
  const made = (await world.expect(0, "backup", "shop", "--kind", "base", "--reason", "first base", "--json")).json().made[0];
  assert.equal(made.kind, "base");
  assert.match(made.base.startLsn, /^[0-9A-F]+\/[0-9A-F]+$/);
  assert.equal(made.fingerprint, null);
  for (const key of ["sizeBytes", "sourceBytes", "seconds"]) assert.ok(made[key] > 0, key);
  const text = (await world.expect(0, "backup", "shop", "--kind", "base")).stdout;
  assert.match(text, /is complete/);
  assert.match(text, /log +[0-9A-F]+\/[0-9A-F]+ to [0-9A-F]+\/[0-9A-F]+ on timeline 1, consistent from \d{4}-.*\.\d{6}Z on/);

  const { points } = (await world.expect(0, "list", "--json")).json();
  assert.deepEqual(
    points.map(({ kind }: { kind: string }) => kind),
    ["base", "base"],
  );
  assert.equal((await world.expect(0, "verify", made.id, "--json")).json().verdict, "pass");
  const refused = await world.expect(2, "show", made.id, "--contents", "--json");
  assert.match(refused.message ?? "", /base backup/);

  const shown = (await world.expect(0, "show", made.id)).stdout;
  const commands = shown
    .slice(shown.indexOf("by hand"))
    .replace("by hand", "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  assert.equal(commands.length, 3, shown);
  assert.match(commands[2] ?? "", /^pg_ctl -D DIRECTORY start$/);
  if (!["age", "zstd", "tar"].every((program) => need(t, program, found(program)))) return;
  const directory = join(world.directory, "by-hand");
  for (const command of commands.slice(0, 2)) {
    const line = command.replaceAll("IDENTITY", world.identityFile).replaceAll("DIRECTORY", directory);
    const path = `${process.env.PATH}:${postgresBin()}`;
    const ran = spawnSync("bash", ["-o", "pipefail", "-ec", line], { encoding: "utf8", env: { ...process.env, PATH: path } });
    assert.equal(ran.status, 0, `${line}\n${ran.stderr}`);
  }
  assert.ok(existsSync(join(directory, "backup_label")));
  await world.assertNothingLeft();
});

test("R25 the remains of a killed base backup are cleaned up, and none are on the server", {
  skip,
}, async (t) => {
  const cluster = await copyableCluster(t);
  const shop = await freshDatabase("shop", cluster);
  await query(
    shop,
    "create table t as select i as id, sha512(i::text::bytea) || sha512((i * 3)::text::bytea) as v from generate_series(1, 150000) i",
  );
  // From there on nothing arrives: the program waits in the middle of an archive.
  let reached = false;
  const proxied = await throughProxy(t, cluster, shop, (chunk, sentBytes) => {
    if (sentBytes < 8_000_000) return chunk;
    reached = true;
    return Buffer.alloc(0);
  });
  const world = await beginWorld(t, { sources: { shop: proxied } });
  const running = world.start("backup", "shop", "--kind", "base", "--json");
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  while (!reached) {
    assert.equal(over, false, "it waits");
    await sleep(10);
  }
  running.kill("SIGKILL");
  await running.ended;
  assert.deepEqual((await world.expect(0, "list", "--json")).json().points, []);
  await world.expect(0, "jobs", "recover");
  const sources = join(world.repository, "sources");
  const files = existsSync(sources) ? readdirSync(sources, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()) : [];
  assert.deepEqual(files, []);
  const left =
    "select (select count(*) from pg_replication_slots) + (select count(*) from pg_stat_activity where backend_type = 'walsender') as n";
  for (let tries = 0; (await query<{ n: string }>(shop, left))[0]?.n !== "0"; tries++) {
    assert.ok(tries < 200, "the server gives the copy up");
    await sleep(100);
  }
  await world.assertNothingLeft();
});
