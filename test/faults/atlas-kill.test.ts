// kill -9 at every request to Atlas: its API stops answering at the Nth one, before or after its effect, the program hangs there and is
// killed. The next run cleans up: no cluster that costs money, no unknown snapshot.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { atEveryRequest, beginAtlasPlace } from "../support/atlas-kill.ts";

for (const silence of ["stallBefore", "stallAfter"] as const) {
  test(`R16 kill -9 at requests of a drill leaves no cluster (${silence})`, async (t) => {
    const place = await beginAtlasPlace(t);
    const times = await atEveryRequest(place, silence, ["drill", "shop"], async (context) => {
      assert.deepEqual(place.clusters(), [place.atlas.cluster], context);
    });
    assert.ok(times >= 1, `only ${times} requests were killed`);
  });

  test(`R16 kill -9 at requests of a restore into a cluster leaves none (${silence})`, async (t) => {
    const place = await beginAtlasPlace(t);
    await sleep(1_100);
    const at = new Date().toISOString();
    await sleep(1_100);
    const times = await atEveryRequest(place, silence, ["restore", "shop", "--to", at, "--into", "back"], async (context, killed) => {
      assert.deepEqual(place.clusters().sort(), killed ? [place.atlas.cluster] : [place.atlas.cluster, "back"].sort(), context);
    });
    assert.ok(times >= 1, `only ${times} requests were killed`);
  });

  test(`R18 kill -9 at requests of a snapshot leaves none, and the next run makes exactly one (${silence})`, async (t) => {
    const place = await beginAtlasPlace(t);
    const args = ["backup", "shop", "--kind", "snapshot", "--name", "once"];
    const times = await atEveryRequest(place, silence, args, async (context, killed) => {
      const { points } = (await place.expect(0, "list", "--json")).json();
      const ours = points.filter(({ name }: { name: string }) => name === "once");
      assert.equal(ours.length, killed ? 0 : 1, context);
    });
    assert.ok(times >= 1, `only ${times} requests were killed`);
  });

  test(`R16 kill -9 at requests of a restore in place keeps a known previous state, or none (${silence})`, async (t) => {
    const place = await beginAtlasPlace(t);
    await place.expect(0, "backup", "shop", "--kind", "snapshot", "--name", "base");
    const args = ["restore", "shop", "--to", "base", "--in-place", "--yes", "shop"];
    const times = await atEveryRequest(
      place,
      silence,
      args,
      async (context) => {
        const { points } = (await place.expect(0, "list", "--json")).json();
        for (const { name, madeBy } of points as { name: string; madeBy: string }[])
          if (name.startsWith("rollback-")) assert.match(madeBy, /@/, context);
        assert.equal(await place.users(), 100, context);
        assert.deepEqual(place.clusters(), [place.atlas.cluster], context);
      },
      silence === "stallAfter" ? 1 : 8,
    );
    assert.ok(times >= 1, `only ${times} requests were killed`);
  });
}
