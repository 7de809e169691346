// WAL segments of another size than usual: archived, and replayed to an instant.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { microsOf } from "../../src/core/micros.ts";
import { archiveSource, until } from "../support/archive.ts";
import { logCluster } from "../support/log-cluster.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

test("R25 a server with WAL segments of 64 MB is restored to an instant with exactly its rows", { skip }, async (t) => {
  const cluster = await logCluster({ segmentMegabytes: 64, settings: { ...archiveSource, min_wal_size: "128MB", max_wal_size: "256MB" } });
  t.after(() => cluster.remove());
  await query(cluster.connection(), "create database shop");
  const shop = cluster.connection("shop");
  await query(shop, "create table w (n int, filler text)");
  const world = await beginWorld(t, {
    sources: { shop },
    source: "policy: pitr, objectives: { rpo: 1h }, archive: { partialEvery: 1s }",
    yaml: "policies: { pitr: { window: 7d } }\n",
  });
  const archive = world.start("archive", "shop");
  await until("the slot is active", async () =>
    (await query(shop, "select active from pg_replication_slots")).some(({ active }) => active === true),
  );
  await world.expect(0, "backup", "shop", "--kind", "base");
  await query(shop, "insert into w select g, repeat('x', 1000) from generate_series(1, 80000) g");
  await sleep(20);
  const at = microsOf(new Date());
  await sleep(20);
  await query(shop, "insert into w values (-1)");
  await until("the window holds the instant", async () => {
    const { window } = (await world.run("status", "--json")).json().sources[0];
    return window?.latest > at;
  });
  archive.kill("SIGTERM");
  assert.equal((await archive.ended).exit, 0);
  const restored = (await world.expect(0, "restore", "shop", "--to", at, "--into", "shop_before", "--json")).json();
  assert.equal(restored.verdict, "pass");
  assert.deepEqual(await query(cluster.connection("shop_before"), "select count(*)::int as n, min(n) as least from w"), [
    { n: 80000, least: 1 },
  ]);
  await world.assertNothingLeft();
});
