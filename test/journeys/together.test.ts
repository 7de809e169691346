// Sources at different providers brought back together: one instant, one report, one promise.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { startAtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";
import { beginMongoWorld } from "../support/mongo-world.ts";
import { beginWorld } from "../support/program.ts";

type Named = { readonly name: string };
type One = { readonly source: string; readonly verdict: string };

test("R29 R41 a drill of all is judged as one, and recover restores every source to one instant", async (t) => {
  const [atlas, server, scratch] = [await startAtlasSandbox({ speed: 4_000 }), await beginMongoWorld(), await beginMongoWorld()];
  const client = new MongoClient(atlas.url);
  t.after(async () => {
    await client.close();
    for (const one of [server, scratch]) await one[Symbol.asyncDispose]();
    await atlas.close();
  });
  const ours = client.db("shop").collection("sessions");
  const theirs = server.db().collection("orders");
  for (const collection of [ours, theirs]) await collection.insertMany(Array.from({ length: 50 }, (_, n) => ({ n })));
  const world = await beginWorld(t, {
    sources: {},
    atlas: { sessions: atlas },
    mongo: { legacy: { url: server.url("shop"), scratch: scratch.url() } },
    env: { ATLAS_USER: atlas.user, ATLAS_PASSWORD: atlas.password },
  });
  await world.expect(0, "backup", "legacy");
  const { drills, combined } = (await world.expect(0, "drill", "--json")).json();
  assert.deepEqual(
    drills.map(({ source, verdict }: One) => [source, verdict]),
    [
      ["legacy", "pass"],
      ["sessions", "pass"],
    ],
  );
  assert.equal(combined.verdict, "pass", JSON.stringify(combined));
  const sum = drills.reduce((total: number, { achieved }: { achieved: { rtoSeconds: number } }) => total + achieved.rtoSeconds, 0);
  assert.ok(Math.abs(combined.achieved.rtoSeconds - sum) < 0.001);
  assert.deepEqual(combined.objective, { rtoSeconds: 3_600, rpoSeconds: 86_400 }, "no stricter than the dumps' own promise");
  assert.match((await world.expect(0, "drill")).stdout, /all sources together/);

  await sleep(2_050 - (Date.now() % 1_000));
  const good = new Date(Math.floor(Date.now() / 1_000) * 1_000).toISOString();
  await sleep(1_050);
  await ours.deleteMany({});
  await theirs.deleteMany({});
  const unsure = (await world.expect(2, "recover", "--to", good, "--plan", "--json")).json();
  const refusals = unsure.plans.flatMap((one: { refusals: { code: string }[] }) => one.refusals.map(({ code }) => code));
  assert.deepEqual(refusals, ["RECOVERY_TARGET_OUTSIDE_WINDOW"], "the dump is older than the instant, and --nearest was not given");
  const plan = (await world.expect(0, "recover", "--to", good, "--nearest", "--plan", "--json")).json();
  assert.deepEqual(plan.plans.map(({ source }: One) => source).sort(), ["legacy", "sessions"]);
  const ran = await world.run("recover", "--to", good, "--nearest", "--json", "--show-password");
  const { sources, combined: together } = ran.json();
  const bySource = new Map<string, { verdict: string; place: Named; connection: { url: string } }>(
    sources.map((one: One) => [one.source, one]),
  );
  assert.equal(bySource.get("legacy")?.verdict, "pass");
  assert.equal(bySource.get("legacy")?.place.name, "shop_recovered");
  assert.equal(await server.db("shop_recovered").collection("orders").countDocuments(), 50);
  const restored = new MongoClient(bySource.get("sessions")?.connection.url ?? "");
  assert.equal(await restored.db("shop").collection("sessions").countDocuments(), 50);
  await restored.close();
  assert.deepEqual([await ours.countDocuments(), await theirs.countDocuments()], [0, 0], "production is as it was");
  // The cluster holds a second without a fingerprint, and no checks are configured, so it is reported as not proven.
  assert.deepEqual([ran.exit, bySource.get("sessions")?.verdict, together.verdict], [3, "inconclusive", "inconclusive"]);
  const named = await world.run("recover", "--to", "some-backup", "--json");
  assert.deepEqual([named.exit, named.code], [2, "USAGE"]);
  await world.assertNothingLeft();
});
