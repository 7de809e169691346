import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Achieved,
  achievedRpoSeconds,
  COMBINED_OBJECTIVE,
  DUMP_OBJECTIVES,
  judgeObjective,
  type Objective,
  objectiveOf,
  SCENARIO_RTO_SECONDS,
} from "./objectives.ts";

test("R29 objectives default for dumps, for all together and by scenario", () => {
  const minutes = ({ rtoSeconds = 0, rpoSeconds = 0 }: Objective): number[] => [rtoSeconds / 60, rpoSeconds / 60];
  assert.deepEqual(minutes(DUMP_OBJECTIVES), [60, 24 * 60]);
  assert.deepEqual(minutes(COMBINED_OBJECTIVE), [30, 5]);
  assert.deepEqual(SCENARIO_RTO_SECONDS, { pointInTime: 900, snapshot: 600, surgical: 1800, fullDisaster: 3600 });
});

test("R29 what the configuration says has precedence over the default, each by itself", () => {
  const defaults = { rtoSeconds: 900, rpoSeconds: 60 };
  assert.deepEqual(objectiveOf(defaults), defaults);
  assert.deepEqual(objectiveOf(defaults, { rpoSeconds: 7 }), { rtoSeconds: 900, rpoSeconds: 7 });
  assert.deepEqual(objectiveOf(defaults, { rtoSeconds: 0 }), { rtoSeconds: 0, rpoSeconds: 60 });
});

test("R31 a figure that equals the objective meets it", () => {
  const outcome = (measured: number) => judgeObjective({ rtoSeconds: 900 }, { rtoSeconds: measured })[0]?.outcome;
  assert.deepEqual([0, 899, 900, 900.001].map(outcome), ["pass", "pass", "pass", "fail"]);
  const [check] = judgeObjective({ rtoSeconds: 900 }, { rtoSeconds: 1000 });
  assert.deepEqual(check, {
    name: "recovery time (RTO)",
    kind: "objective",
    outcome: "fail",
    message: "16m 40s (objective: at most 15m)",
    expected: "at most 15m",
    actual: "16m 40s",
  });
});

test("R33 an unmeasured figure is inconclusive, and a figure without an objective is not judged", () => {
  for (const rpoSeconds of [undefined, Number.NaN, -1]) {
    assert.deepEqual(
      judgeObjective({ rpoSeconds: 60 }, { rpoSeconds }).map(({ outcome }) => outcome),
      ["inconclusive"],
    );
  }
  assert.deepEqual(judgeObjective({}, { rtoSeconds: 1, rpoSeconds: 1 }), []);
});

test("R33 an objective passes only with a measurement within it", () => {
  const seconds = fc.option(fc.double({ min: -10, max: 1e6 }), { nil: undefined });
  const both = fc.record({ rtoSeconds: seconds, rpoSeconds: seconds });
  fc.assert(
    fc.property(both, both, (objective: Objective, achieved: Achieved) => {
      const checks = judgeObjective(objective, achieved);
      assert.equal(checks.length, [objective.rtoSeconds, objective.rpoSeconds].filter((promise) => promise !== undefined).length);
      for (const { name, outcome } of checks) {
        const key = name.includes("RTO") ? "rtoSeconds" : "rpoSeconds";
        const [promised, measured] = [objective[key], achieved[key]];
        assert.equal(outcome === "pass", promised !== undefined && measured !== undefined && measured >= 0 && measured <= promised);
      }
    }),
  );
});

test("data loss counts from the instant of the snapshot to the incident", () => {
  const snapshotAt = new Date("2026-11-25T02:00:00Z");
  const after = (seconds: number) => achievedRpoSeconds(snapshotAt, new Date(snapshotAt.getTime() + seconds * 1000));
  assert.equal(after(90.5), 90.5);
  assert.equal(after(0), 0);
  assert.equal(after(-60), 0, "clock skew of a minute is tolerated");
  assert.equal(after(-60.001), undefined, "a snapshot that contains the incident measures nothing");
});
