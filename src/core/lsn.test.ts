import assert from "node:assert/strict";
import { test } from "node:test";
import { compareLsn, formatLsn, historyName, parseLsn, segmentNameAt, timelineAt } from "./lsn.ts";
import { dateOfMicros, microsOf } from "./micros.ts";

test("positions are compared as numbers, regardless of zeros and case", () => {
  assert.equal(compareLsn("0/0A000000", "0/a000000"), 0);
  assert.ok(compareLsn("9/FFFFFFFF", "A/0") < 0);
  assert.ok(compareLsn("1/0", "0/FFFFFFFF") > 0);
  assert.equal(formatLsn(parseLsn("16/B374D848")), "16/B374D848");
  for (const wrong of ["", "16", "16/", "x/1", "1/123456789"]) assert.throws(() => parseLsn(wrong), /not a valid log position/);
});

test("segments are named as the server names them", () => {
  assert.equal(segmentNameAt(1, parseLsn("16/B374D848"), 16 * 1024 * 1024), "0000000100000016000000B3");
  assert.equal(segmentNameAt(26, parseLsn("2/40000000"), 1024 * 1024 * 1024), "0000001A0000000200000001");
  assert.equal(historyName(26), "0000001A.history");
});

test("a position belongs to the timeline that was left after it", () => {
  const history = [
    { timeline: 1, switchedAt: "0/5000" },
    { timeline: 2, switchedAt: "0/9000" },
  ];
  assert.deepEqual(
    ["0/4FFF", "0/5000", "0/8FFF", "0/9000"].map((one) => timelineAt(history, 3, parseLsn(one))),
    [1, 2, 2, 3],
  );
});

test("a Date converts to microseconds and back", () => {
  assert.equal(microsOf(new Date("2026-11-21T06:00:00.123Z")), "2026-11-21T06:00:00.123000Z");
  assert.equal(dateOfMicros("2026-11-21T06:00:00.123456Z").toISOString(), "2026-11-21T06:00:00.123Z");
});
