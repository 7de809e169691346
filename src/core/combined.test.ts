import assert from "node:assert/strict";
import { test } from "node:test";
import { combine, combinedObjectiveOf } from "./combined.ts";

const objective = { rtoSeconds: 1800, rpoSeconds: 300 };
const neon = { source: "shop", verdict: "pass", achieved: { rtoSeconds: 400, rpoSeconds: 1 } } as const;
const atlas = { source: "sessions", verdict: "pass", achieved: { rtoSeconds: 1300, rpoSeconds: 120 } } as const;
const inTurn = { order: "one after another" } as const;

test("R29 sources recovered one by one take the sum of their times and lose as much as the worst", () => {
  const { achieved, verdict } = combine([neon, atlas], objective, inTurn);
  assert.deepEqual([achieved, verdict], [{ rtoSeconds: 1700, rpoSeconds: 120 }, "pass"]);
});

test("R29 sources recovered in parallel take as long as the slowest", () => {
  assert.equal(combine([neon, atlas], objective, { order: "at once" }).achieved.rtoSeconds, 1300);
  assert.deepEqual(combine([neon], objective, { order: "at once" }).reasons, ["1 source was brought back at once in 6m 40s"]);
});

test("R29 R33 sources that each meet their own objective can miss the combined one", () => {
  const { verdict, reasons } = combine([neon, { ...atlas, achieved: { rtoSeconds: 1700, rpoSeconds: 120 } }], objective, inTurn);
  assert.equal(verdict, "fail");
  assert.match(reasons.join(), /RTO.*35/);
});

test("R33 a source that failed, is not proven, not measured or missing never gives a pass", () => {
  assert.equal(combine([neon, { ...atlas, verdict: "fail" }], objective, inTurn).verdict, "fail");
  assert.equal(combine([neon, { ...atlas, verdict: "inconclusive" }], objective, inTurn).verdict, "inconclusive");
  assert.equal(combine([neon, { ...atlas, achieved: { rtoSeconds: 1 } }], objective, inTurn).verdict, "inconclusive");
  const partial = combine([neon], objective, { ...inTurn, missing: ["sessions"] });
  assert.deepEqual([partial.verdict, partial.achieved.rtoSeconds], ["inconclusive", undefined]);
  assert.match(partial.reasons.join(), /sessions was not brought back/);
  assert.equal(combine([], objective, inTurn).verdict, "inconclusive");
});

test("R29 the combined objective is 30 and 5 minutes, the configured one, or the loosest of any source", () => {
  const [fast, slow] = [
    { rtoSeconds: 900, rpoSeconds: 60 },
    { rtoSeconds: 3600, rpoSeconds: 86_400 },
  ];
  assert.deepEqual(combinedObjectiveOf({}, [fast]), { rtoSeconds: 1800, rpoSeconds: 300 });
  assert.deepEqual(combinedObjectiveOf({}, [fast, slow]), slow);
  assert.deepEqual(combinedObjectiveOf({ rtoSeconds: 600 }, [fast, slow]), { rtoSeconds: 600, rpoSeconds: 86_400 });
});
