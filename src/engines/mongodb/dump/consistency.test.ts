import assert from "node:assert/strict";
import { test } from "node:test";
import { ObjectId } from "bson";
import { isLifeboatError } from "../../../core/errors.ts";
import { connectionFromUrl } from "../connect/url.ts";
import { assertSamePrimary, electionOf, readConcernOf } from "./consistency.ts";

test("R28 a dump with the oplog reads what a majority has, and not before its slice begins", () => {
  const { readConcern } = readConcernOf({ consistency: "oplog", sliceStart: (7n << 32n) | 2n });
  assert.equal(readConcern?.level, "majority");
  assert.deepEqual(readConcern, { level: "majority", afterClusterTime: readConcern?.afterClusterTime });
  assert.equal(String(readConcern?.afterClusterTime), String((7n << 32n) | 2n));
  assert.equal(readConcernOf({ consistency: "snapshot", snapshot: 1n }).readConcern?.level, "snapshot");
  assert.deepEqual(readConcernOf({ consistency: "none" }), {});
});

test("R28 a dump with the oplog fails when another primary was elected while it was made", async () => {
  const [first, second] = [new ObjectId(), new ObjectId()];
  const session = (electionId: ObjectId | undefined) => ({
    connection: connectionFromUrl("mongodb://127.0.0.1/shop"),
    command: async () => ({ electionId }),
  });
  const election = await electionOf(session(first));
  await assertSamePrimary(session(first), election);
  await assert.rejects(assertSamePrimary(session(second), election), (error) => isLifeboatError(error, "SOURCE_CHANGED"));
  await assertSamePrimary(session(second), await electionOf(session(undefined)));
});
