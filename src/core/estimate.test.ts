import assert from "node:assert/strict";
import { test } from "node:test";
import { estimate, judgeEstimate } from "./estimate.ts";

test("R59 an estimate is the range of the same steps in past jobs, scaled by size where a step has one", () => {
  const past = [
    [
      { name: "load", ms: 2000, sizeBytes: 100 },
      { name: "name", ms: 100 },
    ],
    [
      { name: "load", ms: 3000, sizeBytes: 100 },
      { name: "name", ms: 300 },
    ],
  ];
  const twice = estimate([{ name: "load", sizeBytes: 200 }, { name: "name" }], past);
  assert.deepEqual([twice.seconds, twice.jobs], [{ least: 2.1, most: 6.3 }, 2]);
  const half = estimate([{ name: "load", sizeBytes: 50 }], past);
  assert.deepEqual(half.steps[0], { name: "load", sizeBytes: 50, seconds: { least: 1, most: 3 }, basis: "measured" });
});

test("R59 with a step that was never measured there is no estimate of the whole, and none is invented", () => {
  const past = [[{ name: "fetch", ms: 1000 }, { name: "load" }]];
  const found = estimate([{ name: "fetch" }, { name: "load" }], past);
  assert.deepEqual([found.seconds, found.steps.map(({ basis }) => basis)], [null, ["measured", "none"]]);
  assert.equal(estimate([], []).seconds, null);
  assert.deepEqual(judgeEstimate(null, 3), { seconds: null, actualSeconds: 3, within: null });
});

test("R59 a wait that the storage's maker states counts until it was measured here", () => {
  const step = { name: "thaw", stated: { least: 0, most: 100 } };
  assert.deepEqual(estimate([step], []).seconds, { least: 0, most: 100 });
  assert.deepEqual(estimate([step], [[{ name: "thaw", ms: 7000 }]]).steps[0]?.basis, "measured");
});

test("R59 a result says whether it took as long as estimated", () => {
  assert.equal(judgeEstimate({ least: 1, most: 3 }, 2).within, true);
  assert.equal(judgeEstimate({ least: 1, most: 3 }, 4).within, false);
});
