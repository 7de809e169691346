import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Check, exitOfVerdict, judge, type Outcome } from "./verdict.ts";

const check = (kind: Check["kind"], outcome: Outcome): Check => ({ name: `${kind} check`, kind, outcome, message: "found" });
const anyCheck = fc.record({
  kind: fc.constantFrom<Check["kind"]>("data", "schema", "integrity", "probe", "objective"),
  outcome: fc.constantFrom<Outcome>("pass", "fail", "inconclusive"),
});

test("R33 no checks at all prove nothing", () => {
  assert.equal(judge([]).verdict, "inconclusive");
});

test("R33 without a passed data check there is no pass, even if all other checks passed", () => {
  assert.equal(judge([check("schema", "pass"), check("probe", "pass"), check("integrity", "pass")]).verdict, "inconclusive");
  assert.equal(judge([check("data", "pass")]).verdict, "pass");
});

test("R33 a pass requires every check to pass; one failure fails; an unclear check is never green", () => {
  fc.assert(
    fc.property(fc.array(anyCheck), (made) => {
      const checks = made.map(({ kind, outcome }) => check(kind, outcome));
      const { verdict, reasons } = judge(checks);
      const outcomes = checks.map(({ outcome }) => outcome);
      assert.equal(verdict === "fail", outcomes.includes("fail"));
      const proven = checks.some(({ kind, outcome }) => kind === "data" && outcome === "pass");
      assert.equal(verdict === "pass", proven && outcomes.every((outcome) => outcome === "pass"));
      assert.ok(reasons.length > 0);
    }),
  );
});

test("the exit status follows the verdict", () => {
  assert.deepEqual((["pass", "fail", "inconclusive"] as const).map(exitOfVerdict), [0, 1, 3]);
});
