// Point-in-time recovery by the real program against a real server. The full campaign is in test/faults.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
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
import { skipWithoutPostgres } from "../support/postgres.ts";

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

async function readBases(repository: string): Promise<unknown[]> {
  const { readFileSync } = await import("node:fs");
  const folder = join(repository, "sources/shop/backups");
  return readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name, "manifest.json"), "utf8")).base);
}
