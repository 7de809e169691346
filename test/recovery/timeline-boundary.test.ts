// A timeline that begins exactly where a WAL segment ends.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { archiveSource, statusOf, until } from "../support/archive.ts";
import { logCluster } from "../support/log-cluster.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

test("R25 the archive continues when a new timeline begins at the end of a segment, and is restorable", { skip }, async (t) => {
  const settings = { ...archiveSource, bgwriter_delay: "10s", checkpoint_timeout: "1h", autovacuum: "off", restore_command: "false" };
  const cluster = await logCluster({ segmentMegabytes: 1, settings });
  t.after(() => cluster.remove());
  await query(cluster.connection(), "create database shop");
  const shop = cluster.connection("shop");
  await query(shop, "create table w (n int); insert into w values (1)");
  const world = await beginWorld(t, {
    sources: { shop },
    source: "policy: pitr, objectives: { rpo: 1h }, archive: { partialEvery: 1s }",
    yaml: "policies: { pitr: { window: 7d } }\n",
  });
  const archive = world.start("archive", "shop");
  const active = async () =>
    (await query(shop, "select active from pg_replication_slots").catch(() => [])).some((one) => one.active === true);
  await until("the slot is active", active);
  await world.expect(0, "backup", "shop", "--kind", "base");
  await query(shop, "insert into w values (2); checkpoint");
  await query(shop, "select pg_switch_wal()");
  await cluster.kill();
  // It recovers to the end of its WAL, and begins a timeline there.
  writeFileSync(join(cluster.data, "recovery.signal"), "");
  await cluster.start();
  await until("it is promoted", async () => (await query(shop, "select pg_is_in_recovery() as standby"))[0]?.standby === false);
  const [, switchpoint = ""] = /^1\t(\S+)/m.exec(readFileSync(join(cluster.data, "pg_wal/00000002.history"), "utf8")) ?? [];
  assert.match(switchpoint, /^[0-9A-F]+\/[0-9A-F]*00000$/, "the switchpoint is a segment boundary");
  await query(shop, "insert into w values (3)");
  const [row] = await query<{ now: string }>(
    shop,
    `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
  );
  await query(shop, "insert into w values (4)");
  await until("the window holds the new timeline", async () => (await statusOf(world)).window?.latest > (row?.now ?? ""), 30);
  archive.kill("SIGTERM");
  assert.equal((await archive.ended).exit, 0);
  const restored = (await world.expect(0, "restore", "shop", "--to", row?.now ?? "", "--into", "shop_before", "--json")).json();
  assert.equal(restored.verdict, "pass", JSON.stringify(restored.reasons));
  assert.deepEqual(await query(cluster.connection("shop_before"), "select array_agg(n order by n) as n from w"), [{ n: [1, 2, 3] }]);
});
