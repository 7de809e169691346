import assert from "node:assert/strict";
import { test } from "node:test";
import { RESERVE_BYTES } from "../../repository/spool.ts";
import { roomIn } from "./check.ts";

test("R52 check counts the reserve that a restore keeps free, and fails where none can begin", () => {
  const size = 8_000_000;
  assert.equal(roomIn(12_000_000, size).outcome, "fail", "more than the database, and no restore begins");
  assert.equal(roomIn(RESERVE_BYTES, size).outcome, "inconclusive");
  assert.equal(roomIn(RESERVE_BYTES + size, size).outcome, "pass");
});
