// Point-in-time recovery by the real program against a real server. The full campaign is in test/faults.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { partsOf } from "../../src/engines/postgres/connect/url.ts";
import {
  beginWritten,
  heldAt,
  instantBetween,
  lsnNumber,
  restoreScratch,
  settle,
  transactionsOf,
  xidsIn,
} from "../support/point-in-time.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();
const minus = (set: Set<number>, other: Set<number>): number[] => [...set].filter((one) => !other.has(one)).sort();

test("R25 a restore to an instant holds exactly the commits before the first later one, in log order", {
  skip,
}, async (t) => {
  const written = await beginWritten(t);
  const { world, cluster, shop } = written;
  let over = false;
  const writing = written.write(4, () => over);
  await sleep(300);
  const base = (await world.expect(0, "backup", "shop", "--kind", "base", "--json")).json().made[0];
  await sleep(1_500);
  over = true;
  await writing;
  const window = await settle(written);
  const all = transactionsOf(cluster);
  const rows = await xidsIn(shop);
  const point = (await world.expect(0, "list", "--json")).json().points.find(({ id }: { id: string }) => id === base.id);
  assert.ok(point && all.length > 50, `${all.length} transactions`);
  const [{ endLsn }] = (await readBases(world.repository)) as [{ endLsn: string }];
  const targets = [window.earliest, instantBetween(window.earliest, window.latest, Math.random())];
  for (const at of targets) {
    const scratch = await restoreScratch(world, at);
    const expected = new Set([...heldAt(all, at, lsnNumber(endLsn))].filter((xid) => rows.has(xid)));
    const found = await xidsIn(scratch.shop);
    await scratch.end();
    assert.deepEqual([minus(found, expected), minus(expected, found)], [[], []], `to ${at}`);
    assert.equal(scratch.json.verdict, "pass", JSON.stringify(scratch.json));
  }
  const second = (at: string, ms: number): string => new Date(Date.parse(at) + ms).toISOString();
  for (const at of [second(window.earliest, -1000), second(window.latest, 1000)]) {
    const refused = await world.run("restore", "shop", "--to", at, "--into", "scratch", "--json");
    assert.deepEqual([refused.exit, refused.code], [2, "RECOVERY_TARGET_OUTSIDE_WINDOW"], refused.stderr);
    assert.ok(refused.message?.includes(window.earliest) && refused.message.includes(window.latest), refused.message);
  }
  await world.assertNothingLeft();
  const directory = join(world.directory, "restored");
  const plan = (await world.expect(0, "restore", "shop", "--into", directory, "--plan", "--json")).json();
  assert.match(JSON.stringify(plan.steps), /base backup .*"sizeBytes":\d+.*"replay","subject":"\d+ log segments/);
  assert.ok(!existsSync(directory));
  const restored = (await world.expect(0, "restore", "shop", "--into", directory, "--to", window.latest, "--json")).json();
  assert.equal(restored.verdict, "pass");
  assert.ok(
    restored.checks.some(({ rows: count }: { rows?: number }) => count === rows.size),
    "latest holds every row",
  );
  assert.match(restored.instructions.join("\n"), /pg_ctl .*-D .*restored/);
  assert.ok(readdirSync(directory).includes("PG_VERSION") && !existsSync(`${directory}.lifeboat`));
  const drill = (await world.expect(0, "drill", "shop", "--json")).json().drills[0];
  assert.equal(drill.verdict, "pass");
  assert.match(drill.remarks.join("\n"), /point-in-time recovery/);
  await world.assertNothingLeft();
});

test("R25 --start leaves the server of a restored directory running, or says why it does not start", { skip }, async (t) => {
  const written = await beginWritten(t);
  const { world, shop } = written;
  await query(shop, "create table users (id int primary key); insert into users values (1), (2)");
  // The restored server is reached in its directory alone.
  for (const setting of ["unix_socket_directories = '.'", "listen_addresses = ''", "shared_preload_libraries = 'nowhere'"])
    await query(shop, `alter system set ${setting}`);
  const broken = (await world.expect(0, "backup", "shop", "--kind", "base", "--json")).json().made[0].id;
  await query(shop, "alter system reset shared_preload_libraries");
  await world.expect(0, "backup", "shop", "--kind", "base");
  await settle(written);
  const directory = (name: string): string => join(world.directory, name);
  const count = (name: string) => {
    const { user, password, port } = partsOf(shop);
    const url = `postgres://${user}:${password}@/shop?host=${encodeURIComponent(directory(name))}&port=${port}`;
    return query({ url, label: name }, "select count(*)::int as n from users");
  };
  const restore = (name: string, ...more: string[]) => world.run("restore", "shop", "--into", directory(name), ...more, "--json");
  const failed = await restore("failed", "--to", broken, "--start");
  assert.deepEqual([failed.exit, failed.code], [1, "TOOL_FAILED"], failed.stderr);
  assert.match(String(failed.message), /failed is restored, but its server does not start: .*nowhere/);
  assert.ok(existsSync(join(directory("failed"), "PG_VERSION")), "what was restored stays");

  const cold = (await restore("cold")).json();
  assert.match(cold.instructions[0], /^start it with: .*pg_ctl .*\/cold /);
  await assert.rejects(count("cold"), "without --start no server runs");
  const started = (await restore("running", "--start")).json();
  const [, stop = ""] = /^the server runs; stop it with: (.*pg_ctl .*\/running .* stop)$/.exec(started.instructions[0]) ?? [];
  assert.deepEqual([started.verdict, stop !== ""], ["pass", true], JSON.stringify(started.instructions));
  const end = () => spawnSync("/bin/sh", ["-c", stop], { cwd: "/" }).status;
  t.after(end);
  assert.deepEqual(await count("running"), [{ n: 2 }]);
  assert.equal(end(), 0);
  await assert.rejects(count("running"), "the command stops it");
});

async function readBases(repository: string): Promise<unknown[]> {
  const { readFileSync } = await import("node:fs");
  const folder = join(repository, "sources/shop/backups");
  return readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name, "manifest.json"), "utf8")).base);
}
