// The route of a restore: the one that reaches the target exactly, for every destination, with the real program.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { microsOf } from "../../src/core/micros.ts";
import { beginWritten, heldAt, lsnNumber, settle, transactionsOf, xidsIn } from "../support/point-in-time.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();
type Step = { readonly action: string; readonly subject: string };

test("R25 R22 a database, chosen tables and a recovery use the WAL that reaches the instant, not a dump", {
  skip,
}, async (t) => {
  const written = await beginWritten(t);
  const { world, cluster, shop } = written;
  await query(shop, "create table other (n int); insert into other values (1)");
  await world.expect(0, "backup", "shop");
  const between = new Date().toISOString();
  const base = (await world.expect(0, "backup", "shop", "--kind", "base", "--json")).json().made[0];
  let over = false;
  const writing = written.write(2, () => over);
  await sleep(700);
  const at = microsOf(new Date());
  await sleep(700);
  over = true;
  await writing;
  await query(shop, "insert into other values (2)");
  await settle(written);
  const all = transactionsOf(cluster);
  const point = (await world.expect(0, "show", base.id, "--json")).json();
  const { endLsn } = point.manifest.base;
  const rows = await xidsIn(shop);
  const expected = [...heldAt(all, at, lsnNumber(endLsn))].filter((xid) => rows.has(xid)).sort();
  assert.ok(expected.length > 5 && expected.length < rows.size, `${expected.length} of ${rows.size}`);

  const plan = (await world.expect(0, "restore", "shop", "--to", at, "--into", "shop_before", "--plan", "--json")).json();
  assert.deepEqual([plan.to.at, plan.route.kind, plan.route.holds.at], [at, "cluster", at]);
  assert.match(plan.route.why, /the WAL reaches it exactly/);
  const told = (await world.expect(0, "restore", "shop", "--to", at, "--into", "shop_before", "--plan")).stdout;
  assert.match(told, new RegExp(`to ${at.replace(/\.?0+Z$/, "Z")} \\(.* in .*, .* ago\\)\n {2}by base backup .* and \\d+ WAL segments`));
  const tables = (await world.expect(0, "restore", "shop", "--to", at, "--tables", "w", "--into", "shop_tables", "--json")).json();
  assert.equal(tables.verdict, "pass");
  assert.deepEqual([...(await xidsIn(cluster.connection("shop_tables")))].sort(), expected);
  assert.deepEqual(await query(cluster.connection("shop_tables"), "select to_regclass('other') as other"), [{ other: null }]);

  const recovered = (await world.expect(0, "recover", "--to", at, "--json")).json();
  const [restored] = recovered.sources;
  assert.deepEqual([recovered.to.at, restored.holds.at, restored.place.name], [at, at.replace(/\d{3}Z$/, "000Z"), "shop_recovered"]);
  assert.deepEqual([restored.verdict, restored.achieved.rpoSeconds], ["pass", 0]);
  assert.deepEqual([...(await xidsIn(cluster.connection("shop_recovered")))].sort(), expected);
  const again = (await world.expect(0, "recover", "--to", at, "--plan", "--json")).json();
  assert.ok(
    again.plans[0].steps.some(({ action, subject }: Step) => action === "name" && subject === "shop_recovered_2"),
    JSON.stringify(again.plans),
  );

  // The dump alone reaches no instant but its own: what is less exact than asked is done only when it was said to be enough.
  const refused = await world.expect(2, "restore", "shop", "--to", between, "--into", "shop_nearest", "--json");
  assert.deepEqual([refused.code, refused.message?.includes("earlier")], ["RECOVERY_TARGET_OUTSIDE_WINDOW", true], refused.stderr);
  assert.match(refused.stderr, /--nearest/);
  const nearest = (await world.expect(0, "restore", "shop", "--to", between, "--into", "n", "--nearest", "--plan", "--json")).json();
  assert.deepEqual([nearest.route.kind, nearest.refusals], ["copy", []]);
  assert.ok(nearest.route.holds.at < between, JSON.stringify(nearest.route));
  await world.assertNothingLeft();
});
