// The oplog archived and replayed, without a repository in between.
import assert from "node:assert/strict";
import { test } from "node:test";
import { oplogEngine } from "../../src/engines/mongodb/oplog/engine.ts";
import { fingerprintOf } from "../support/mongo-fingerprint.ts";
import { chainOf, collect, connectionTo, each, mongoWorld, nowAt, temporaryDirectory, written } from "../support/oplog.ts";

test("R28 log that is archived while a database is written brings back what was there at any instant", async (t) => {
  const source = await mongoWorld(t);
  const from = nowAt(source);
  const collector = await collect(source, { directory: await temporaryDirectory(t) });
  const moments = await written(source, 300);
  await collector.caughtUp();
  await collector.end();
  const chain = chainOf(collector.segments);
  assert.ok(chain.slice(1).every(({ linked }) => linked));
  const engine = oplogEngine();
  for (const index of [0, 3, 57, 150, 298, 299]) {
    const moment = moments[index];
    assert.ok(moment);
    const stamp = (BigInt(moment.position.getHighBitsUnsigned()) << 32n) | BigInt(moment.position.getLowBitsUnsigned());
    const end = `${(stamp >> 32n).toString(16)}/${((stamp & 0xffffffffn) + 1n).toString(16)}`.toUpperCase();
    const target = await mongoWorld(t);
    const replayed = await engine.replay({
      target: connectionTo(target, "restored"),
      databases: ["shop"],
      segments: each(collector.segments),
      from,
      stopBefore: end,
      expectedEnd: end,
    });
    assert.equal(replayed.reachedLsn, end);
    assert.deepEqual(await fingerprintOf(target.db("restored")), await moment.fingerprint());
  }
});
