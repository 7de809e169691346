// Ten thousand tables through the whole program: long, so it belongs to the campaign.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Cluster } from "../../src/engines/postgres/cluster/cluster.ts";
import { manyTablesSql } from "../support/features-database.ts";
import { freshDatabase, query, skipWithoutPostgres, testCluster } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();
const COUNT = 10_000;
const clusters: Cluster[] = [];
after(() => Promise.all(clusters.map((cluster) => cluster.stop())));

test("R19 R22 ten thousand tables are backed up and come back with an equal fingerprint", { skip }, async (t) => {
  const cluster = await testCluster({ settings: { max_locks_per_transaction: "1024", shared_buffers: "256MB" } });
  clusters.push(cluster);
  const source = await freshDatabase("many", cluster);
  for (const script of manyTablesSql(COUNT)) await query(source, script);
  const world = await beginWorld(t, { sources: { shop: source } });
  const made = (await world.expect(0, "backup", "shop", "--json")).json().made[0];
  assert.equal(made.fingerprint.tables, COUNT);
  assert.equal(made.fingerprint.rows, 3 * COUNT);
  assert.equal(made.fingerprint.unhashed, 0);
  const restored = (await world.expect(0, "restore", "shop", "--into", "many_back", "--json")).json();
  assert.equal(restored.verdict, "pass");
});

test("a server that cannot lock so many tables is named with the setting to raise, and nothing is left", { skip }, async (t) => {
  const cluster = await testCluster({ settings: { max_locks_per_transaction: "10", max_connections: "10" } });
  clusters.push(cluster);
  const source = await freshDatabase("crowded", cluster);
  for (const script of manyTablesSql(2_000, 50)) await query(source, script);
  const world = await beginWorld(t, { sources: { shop: source } });
  const ran = await world.run("backup", "shop");
  assert.equal(ran.exit, 1, ran.stderr);
  assert.match(ran.stderr, /no room to lock|out of shared memory/);
  assert.match(ran.stderr, /max_locks_per_transaction/);
  assert.deepEqual((await world.expect(0, "list", "--json")).json().points, []);
});
