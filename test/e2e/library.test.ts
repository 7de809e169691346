// Lifeboat as a library, on the configuration that its users have.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError, type JobEvent, openLifeboat } from "../../src/index.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

test("R51 the library runs operations at once, each with events of its own, and refuses what fits no schema", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const [shop, blog] = [await freshDatabase(), await freshDatabase()];
  for (const source of [shop, blog]) await query(source, "create table t as select generate_series(1, 100) as id");
  const world = await beginWorld(t, { sources: { shop, blog } });
  const lifeboat = await openLifeboat({ config: world.configFile, env: world.env });
  t.after(() => lifeboat.close());

  const events: Record<string, JobEvent[]> = { shop: [], blog: [] };
  const made = await Promise.all(
    Object.entries(events).map(([source, told]) => lifeboat.run("backup", { source }, { events: (event) => void told.push(event) })),
  );
  assert.deepEqual(
    made.map(({ made: [one] }) => [one?.source, one?.kind]),
    [
      ["shop", "full"],
      ["blog", "full"],
    ],
  );
  for (const [source, told] of Object.entries(events)) {
    assert.deepEqual([...new Set(told.map((event) => event.source))], [source]);
    assert.equal(new Set(told.map(({ job }) => job)).size, 1, "the events of one job");
    assert.deepEqual([told[0]?.type, told.at(-1)?.type], ["begin", "end"]);
  }
  const { points } = await lifeboat.run("list", {});
  assert.deepEqual(points.map(({ source }) => source).sort(), ["blog", "shop"]);
  const plan = await lifeboat.plan("restore", { source: "shop", into: "shop_new" });
  assert.deepEqual(plan.refusals, []);
  await assert.rejects(lifeboat.run("hold", JSON.parse('{"point":"x","maybe":true}')), (error) => isLifeboatError(error, "USAGE"));
});
