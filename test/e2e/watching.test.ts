// What a person or a monitor asks to see that all is well: status in one line, the history of drills, the checklists.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig } from "../support/program.ts";

test("R35 R38 R39 drills, checklists and status --brief say what checks have shown, and nothing else", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table t as select generate_series(1, 100) as id");
  const yaml =
    'policies:\n  nightly: { backups: [{ tier: daily, cron: "0 2 * * *", keep: 30d }] }\ndrills:\n  weekly: { sources: [shop], cron: "0 6 * * 0" }\n';
  const world = await beginWorld(t, { sources: { shop }, source: "policy: nightly, sizeLimit: 100GB", yaml });
  const before = (await world.expect(0, "drills", "--json")).json();
  assert.deepEqual([before.histories[0].doneDrills, before.histories[0].lastPassAt], [[], null]);
  assert.match((await world.expect(2, "status", "--brief")).stdout, /^LIFEBOAT CRITICAL - shop: NO_BACKUP.* \| 'shop'=2\n$/);
  const [blank] = (await world.expect(4, "checklist", "weekly", "--json")).json().lists;
  const outcomes = (list: typeof blank) =>
    Object.fromEntries(list.lines.map(({ item, outcome }: Record<string, string>) => [item, outcome]));
  const empty = { "latest-backup": "fail", window: "inconclusive", size: "pass", branches: "inconclusive", storage: "pass", drill: "fail" };
  assert.deepEqual(outcomes(blank), empty);

  await world.expect(0, "tick");
  assert.match(
    (await world.expect(0, "status", "--brief")).stdout,
    /^LIFEBOAT OK - 1 source is protected \| 'shop'=0 'shop exposure'=\d+(\.\d+)?s;;\d+\n$/,
  );
  const { histories } = (await world.expect(0, "drills", "shop", "--json")).json();
  const [{ doneDrills: drills, lastPassAt, overdue, objective }] = histories;
  assert.deepEqual([drills.length, drills[0].verdict, drills[0].drill, overdue], [1, "pass", "weekly", null]);
  assert.equal(lastPassAt, drills[0].endedAt);
  assert.ok(drills[0].rtoSeconds > 0 && drills[0].rtoSeconds < objective.rtoSeconds);
  assert.match((await world.expect(0, "drills")).stdout, /shop {2}last pass .*\n {2}RTO {2}[▁-█] {2}.*objective 1h/);
  const monthly = await world.expect(3, "checklist", "monthly", "--source", "shop");
  assert.match(monthly.stdout, /- \[x\] The latest backup exists: backup-\d.*\n/);
  assert.match(monthly.stdout, /- \[ \] Any instant .*: not known: no window is configured/);
  assert.match(monthly.stdout, /- \[x\] The size is within its limits: size: .* of 107 GB/);
  assert.match(monthly.stdout, /- \[x\] The last drill met the objectives: RTO .*\n- \[x\] The key at hand/);

  const last = (await world.expect(0, "status", "shop", "--max-age", "1h", "--json")).json();
  assert.equal(last.verdict, "pass");
  assert.match((await world.expect(0, "status", "--max-age", "1h")).stdout, /\nlooked at .* UTC, .* ago\n$/);
  assert.match((await world.expect(0, "status", "--brief", "--max-age", "1h")).stdout, /^LIFEBOAT OK - 1 source/);
  editConfig(world, (text) => text.replace("sizeLimit: 100GB", "sizeLimit: 1MB"));
  assert.match(
    (await world.expect(3, "status", "--brief", "--max-age", "1h")).stdout,
    /^LIFEBOAT UNKNOWN - LOOK_OLD: not looked at within/,
  );
  const other = await world.expect(3, "status", "shop", "--max-age", "1h");
  assert.match(other.stderr, /LOOK_OLD {2}not looked at within the last 1h: the repository, shop\n {2}next: run `lifeboat status`/);
  assert.match((await world.expect(1, "status", "--brief")).stdout, /^LIFEBOAT WARNING - shop: STORAGE_NEAR \|/);
  rmSync(world.repository, { recursive: true });
  assert.match((await world.expect(3, "status", "--brief")).stdout, /^LIFEBOAT UNKNOWN - /);
});
