// Documents that are due: from the load of a dump to the end of the replay, nothing lets the server remove one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { statusOf, until } from "../support/archive.ts";
import { mongoWorld } from "../support/oplog.ts";
import { beginWorld } from "../support/program.ts";

const HELD_SECONDS = 2_147_483_647;

test("R28 TTL expiry is suspended from the load to the end of the replay, and then as in the log", async (t) => {
  const [source, elsewhere] = [await mongoWorld(t, { noopEveryMs: 300 }), await mongoWorld(t)];
  const sessions = source.db().collection<{ _id: number; at: Date; n: number }>("sessions");
  await sessions.createIndex({ at: 1 }, { expireAfterSeconds: 3600, name: "expiry" });
  await sessions.insertMany([1, 2, 3].map((_id) => ({ _id, at: new Date(Date.now() - 7_200_000), n: 0 })));
  const kept = source.db().collection("kept");
  await kept.createIndex({ at: 1 }, { expireAfterSeconds: 60, name: "expiry" });
  await kept.insertOne({ at: new Date() });
  const world = await beginWorld(t, {
    sources: {},
    mongo: { shop: { url: source.url("shop") } },
    source: "policy: pitr, archive: { partialEvery: 1s }",
    yaml: "policies: { pitr: { window: 7d } }\n",
  });
  await world.expect(0, "backup", "shop");
  const archiving = world.start("archive", "shop");
  for (const _id of [1, 2, 3]) await sessions.updateOne({ _id }, { $set: { n: _id } });
  await source.db().command({ collMod: "sessions", index: { name: "expiry", expireAfterSeconds: 1800 } });
  await sessions.insertOne({ _id: 4, at: new Date(0), n: 4 });
  const at = new Date();
  await until("the window reaches the last write", async () => (await statusOf(world)).window?.latest > at.toISOString());
  archiving.kill("SIGTERM");
  await archiving.ended;

  const restored = await world.run("restore", "shop", "--to", at.toISOString(), "--into", elsewhere.url("shop"), "--json");
  assert.equal(restored.exit, 0, restored.stdout + restored.stderr);
  const { seen } = elsewhere.sandbox.faults;
  const limitOf = (body: { index?: { expireAfterSeconds?: unknown } }): number => Number(body.index?.expireAfterSeconds ?? HELD_SECONDS);
  const lets = seen.findIndex(({ command, body }) => command === "collMod" && limitOf(body) < HELD_SECONDS);
  const written = seen.findLastIndex(({ command, db }) => /^(insert|update|delete|bulkWrite)$/.test(command) && db === "shop");
  assert.ok(written > 0 && lets > written, `documents may go at command ${lets}, and the last is written at ${written}`);
  const limits = async (name: string): Promise<unknown[]> =>
    (await elsewhere.db().collection(name).indexes()).filter((index) => index.name === "expiry").map((index) => index.expireAfterSeconds);
  assert.deepEqual([await limits("sessions"), await limits("kept")], [[1800], [60]]);
  assert.deepEqual(
    (await elsewhere.db().collection("sessions").find().sort({ _id: 1 }).toArray()).map(({ n }) => n),
    [1, 2, 3, 4],
  );
});
