// kill -9 at every request to the provider: the API stops answering at the Nth one, before or after its effect, the program hangs there
// and is killed. The next run cleans up, and no object is made twice for one request.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { atMoments } from "../support/every.ts";
import { atEveryRequest, beginNeonPlace, killedAtRequest } from "../support/neon-kill.ts";
import { skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();
const SQL = "create table users (id int primary key); insert into users select generate_series(1, 100)";

for (const silence of ["stallBefore", "stallAfter"] as const) {
  test(`R7 kill -9 at requests of a restore into a branch leaves no branch (${silence})`, { skip }, async (t) => {
    const place = await beginNeonPlace(t, SQL);
    const at = new Date().toISOString();
    await sleep(50);
    const args = ["restore", "shop", "--to", at, "--into", "back"];
    const times = await atEveryRequest(place, silence, args, async (context, killed) => {
      const names = (await place.branches()).map(({ name }) => name).sort();
      assert.deepEqual(names, killed ? ["production"] : ["back", "production"], context);
    });
    assert.ok(times >= 1, `only ${times} requests were killed`);
  });

  test(`kill -9 at requests of a snapshot leaves none, and the next run makes exactly one (${silence})`, { skip }, async (t) => {
    const place = await beginNeonPlace(t, SQL);
    const times = await atEveryRequest(place, silence, ["backup", "--due"], async (context) => {
      await place.expect(0, "backup", "--due");
      const [nightly = "", ...others] = (await place.branches()).map(({ name }) => name).sort();
      assert.match(nightly, /^backup-\d{4}-\d\d-\d\d$/, context);
      assert.deepEqual(others, ["production"], context);
      const { points } = (await place.expect(0, "list", "--json")).json();
      assert.deepEqual(
        points.map(({ name, madeBy }: { name: string; madeBy: string }) => [name, madeBy.includes("@")]),
        [[nightly, true]],
        context,
      );
      await place.tidy();
    });
    assert.ok(times >= 1, `only ${times} requests were killed`);
  });

  test(`kill -9 at requests of a drill leaves no branch (${silence})`, { skip }, async (t) => {
    const place = await beginNeonPlace(t, SQL);
    const times = await atEveryRequest(place, silence, ["drill", "shop"], async (context) => {
      assert.deepEqual(
        (await place.branches()).map(({ name }) => name),
        ["production"],
        context,
      );
    });
    assert.ok(times >= 1, `only ${times} requests were killed`);
  });

  test(`kill -9 at requests of expire leaves each point whole or gone, and the newest stays (${silence})`, { skip }, async (t) => {
    const place = await beginNeonPlace(t, SQL);
    const times = await atMoments(4, async (n) => {
      const context = `${silence} request ${n}`;
      for (const name of ["old-1", "old-2", "new"]) await place.expect(0, "backup", "shop", "--name", name);
      await sleep(1_000);
      const killed = await killedAtRequest(place, n, silence, "expire", "shop");
      await place.expect(0, "jobs", "recover");
      await place.assertNothingLeft();
      const { points } = (await place.expect(0, "list", "--json")).json();
      const listed = points.map(({ name }: { name: string }) => name);
      assert.deepEqual(["production", ...listed].sort(), (await place.branches()).map(({ name }) => name).sort(), context);
      assert.ok(listed.includes("new"), context);
      for (const { madeBy } of points) assert.match(madeBy, /@/, `${context}: what is there is still known to be ours`);
      await place.expect(0, "expire", "shop");
      assert.deepEqual((await place.branches()).map(({ name }) => name).sort(), ["new", "production"], context);
      await place.tidy();
      return killed;
    });
    assert.ok(times >= 1, `only ${times} requests were killed`);
  });
}
