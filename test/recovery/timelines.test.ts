// A failover that lost commits: an instant exists on two timelines. Which one is wanted is asked, never guessed.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { microsOf } from "../../src/core/micros.ts";
import { archiveSource, until } from "../support/archive.ts";
import { type LogCluster, logCluster } from "../support/log-cluster.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig, type World } from "../support/program.ts";

const skip = skipWithoutPostgres();

test("R25 an instant on two timelines is refused without a choice; latest follows the newest timeline", { skip }, async (t) => {
  const settings = { ...archiveSource, fsync: "off" };
  const primary = await logCluster({ settings });
  t.after(() => primary.remove());
  await query(primary.connection(), "create table w (what text)");
  const world = await beginWorld(t, {
    sources: { shop: primary.connection() },
    source: "policy: pitr, archive: { partialEvery: 1s }",
    yaml: "policies: { pitr: { window: 7d } }\n",
  });
  await world.expect(0, "backup", "shop", "--kind", "base");
  await archived(world, primary, "common");
  const standby = await logCluster({
    settings,
    from: async (data) => {
      await primary.run("pg_basebackup", ["-h", primary.root, "-U", "postgres", "-D", data, "-X", "stream", "-c", "fast"]);
      writeFileSync(join(data, "standby.signal"), "");
    },
  });
  t.after(() => standby.remove());
  // What the standby never received: lost by the failover, and in the archive.
  await archived(world, primary, "lost");
  const both = microsOf(new Date());
  await sleep(50);
  await archived(world, primary, "lost too");
  await primary.kill();
  await query(standby.connection(), "select pg_promote()");
  await until("it is promoted", async () => (await query(standby.connection(), "select pg_is_in_recovery() as r"))[0]?.r === false);
  world.env.URL_SHOP = standby.connection().url;
  editConfig(world, (text) => text);
  await archived(world, standby, "after");

  const at = (...more: readonly string[]) => ["--to", both, ...more, "--json"];
  const refused = await world.expect(2, "restore", "shop", ...at("--into", "scratch"));
  assert.equal(refused.code, "TIMELINE_AMBIGUOUS", refused.stderr);
  assert.match(refused.stderr, /--timeline 2 .*--timeline 1/);
  assert.equal((await world.expect(2, "drill", "shop", ...at())).code, "TIMELINE_AMBIGUOUS");
  const asked = async (line: string) => {
    const sql = "select what from w order by what";
    return (await world.expect(0, "preview", "shop", ...at("--timeline", line, "--query", sql))).json().answer.rows.flat();
  };
  assert.deepEqual(await asked("1"), ["common", "lost"]);
  assert.deepEqual(await asked("2"), ["common"]);
  const latest = (await world.expect(0, "drill", "shop", "--plan", "--json")).json().plans[0];
  assert.match(latest.route.what, / on timeline 2$/);
  await world.assertNothingLeft();
});

/** Writes a row, and ends when the archive has it. */
async function archived(world: World, cluster: LogCluster, what: string): Promise<void> {
  const archive = world.start("archive", "shop");
  const active = until("the slot is active", async () =>
    (await query(cluster.connection(), "select active from pg_replication_slots")).some((slot) => slot.active === true),
  );
  await Promise.race([active, archive.ended.then(({ stderr }) => assert.fail(stderr))]);
  await query(cluster.connection(), `insert into w values ('${what}')`);
  const written = microsOf(new Date());
  await until("the window has come so far", async () => {
    const { window } = (await world.run("status", "--json")).json().sources[0];
    return window?.latest >= written;
  });
  archive.kill("SIGTERM");
  assert.equal((await archive.ended).exit, 0);
}
