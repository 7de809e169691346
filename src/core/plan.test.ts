import assert from "node:assert/strict";
import { test } from "node:test";
import { hasEffect, type Plan, renderPlan } from "./plan.ts";

const plan: Plan = {
  verb: "restore",
  source: "shop",
  steps: [
    { what: "verify backup 01kahd3m0q7zv2", effect: "none", reason: "bytes are checked before the database is touched" },
    { what: "database shop_new", effect: "create", reason: "--into shop_new" },
    { what: "database shop", effect: "change", reason: "renamed to shop_old" },
    { what: "database shop_old", effect: "remove", reason: "the restore was accepted" },
  ],
  refusals: [],
};

test("a plan shows each effect, its object and its reason on one line", () => {
  assert.equal(
    renderPlan(plan),
    [
      "restore shop:",
      "    verify backup 01kahd3m0q7zv2 (bytes are checked before the database is touched)",
      "  + database shop_new (--into shop_new)",
      "  ~ database shop (renamed to shop_old)",
      "  - database shop_old (the restore was accepted)",
    ].join("\n"),
  );
});

test("a refused plan shows the reason, and that nothing will be done", () => {
  const refusals = [{ code: "RESTORE_TARGET_NOT_EMPTY", message: "shop_new holds public.users" }] as const;
  assert.match(
    renderPlan({ ...plan, refusals }),
    / {2}! RESTORE_TARGET_NOT_EMPTY: shop_new holds public\.users\n {2}nothing will be done$/,
  );
});

test("an empty plan shows that there is nothing to do, and only steps with effects count", () => {
  assert.equal(renderPlan({ ...plan, steps: [] }), "restore shop:\n  nothing to do");
  assert.ok(hasEffect(plan));
  assert.ok(!hasEffect({ ...plan, steps: plan.steps.slice(0, 1) }));
  assert.ok(!hasEffect({ ...plan, refusals: [{ code: "CONFIRMATION_NEEDED", message: "x" }] }), "a refused plan does nothing");
});
