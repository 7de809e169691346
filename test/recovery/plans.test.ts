// Plans of restores, drills and recoveries by the real program: what they carry, and that a plan is what is carried out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { partsOf } from "../../src/engines/postgres/connect/url.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

test("R59 a plan tells route, bytes, disk and time; --plan-digest carries out that plan or nothing", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table items (n int primary key); insert into items select generate_series(1, 500)");
  const world = await beginWorld(t, { sources: { shop } });
  const backup = (await world.expect(0, "backup", "shop", "--json")).json().made[0];
  const [before] = (await world.expect(0, "drill", "shop", "--plan", "--json")).json().plans;
  assert.deepEqual([before.verb, before.route.kind, before.otherRoutes], ["drill", "copy", []]);
  assert.deepEqual([before.estimate.seconds, before.estimate.jobs], [null, 0], "none is invented");
  assert.match((await world.expect(0, "drill", "shop", "--plan")).stdout, /time: no estimate, no past job of this kind was measured/);
  const [disk] = before.needs.disks;
  assert.ok(before.needs.readBytes > 0 && disk.neededBytes > 0 && disk.freeBytes > disk.neededBytes, JSON.stringify(before.needs));
  assert.equal(before.facts.backup.id, backup.id);

  const [first] = (await world.expect(0, "drill", "shop", "--json")).json().drills;
  assert.deepEqual([first.estimate.seconds, first.estimate.within], [null, null]);
  const [after] = (await world.expect(0, "drill", "shop", "--plan", "--json")).json().plans;
  assert.equal(after.digest, before.digest, "time is not part of the plan's digest");
  assert.ok(after.estimate.jobs === 1 && after.estimate.seconds.least <= after.estimate.seconds.most, JSON.stringify(after.estimate));
  const [second] = (await world.expect(0, "drill", "shop", "--json")).json().drills;
  assert.deepEqual(second.estimate.seconds, after.estimate.seconds);
  assert.equal(typeof second.estimate.within, "boolean");

  const into = `${partsOf(shop).database}_planned`;
  const plan = (await world.expect(0, "restore", "shop", "--into", into, "--plan", "--json")).json();
  const other = await world.expect(2, "restore", "shop", "--into", into, "--plan-digest", before.digest, "--json");
  assert.equal(other.code, "PLAN_CHANGED");
  assert.deepEqual(await query(shop, `select from pg_database where datname = '${into}'`), []);
  await world.expect(0, "restore", "shop", "--into", into, "--plan-digest", plan.digest.slice(0, 12));
  const again = await world.expect(2, "restore", "shop", "--into", into, "--plan-digest", plan.digest, "--json");
  assert.equal(again.code, "PLAN_CHANGED", "what it goes into is not what it was");
  await query(shop, `drop database ${into}`);

  const recovery = (await world.expect(0, "recover", "--to", "latest", "--plan", "--json")).json();
  assert.equal((await world.expect(2, "recover", "--to", "latest", "--plan-digest", plan.digest, "--json")).code, "PLAN_CHANGED");
  const recovered = (await world.expect(0, "recover", "--to", "latest", "--plan-digest", recovery.digest, "--json")).json();
  assert.equal(recovered.sources[0].verdict, "pass");
  await query(shop, `drop database ${recovered.sources[0].place.name}`);
  await world.assertNothingLeft();
});
