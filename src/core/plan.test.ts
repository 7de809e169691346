import assert from "node:assert/strict";
import { test } from "node:test";
import { hasEffect, type Plan, renderPlan } from "./plan.ts";

const plan: Plan = {
  verb: "restore",
  source: "shop",
  steps: [
    {
      action: "fetch",
      subject: "backup 01kahd3m0q7zv2",
      sizeBytes: 1200,
      effect: "none",
      reason: "bytes are checked before the database is touched",
    },
    { action: "name", subject: "shop_new", effect: "create", reason: "--into shop_new" },
    { action: "keep", subject: "shop", name: "shop_old", effect: "change", reason: "until accepted" },
    { action: "drop-tables", subject: "table users", object: "shop_old", effect: "remove", reason: "--replace" },
  ],
  refusals: [],
};

test("a plan shows each effect, its object and its reason on one line", () => {
  assert.equal(
    renderPlan(plan),
    [
      "restore shop:",
      "    fetch and prove backup 01kahd3m0q7zv2, 1.2 kB (bytes are checked before the database is touched)",
      "  + name it shop_new (--into shop_new)",
      "  ~ keep shop as shop_old (until accepted)",
      "  - drop table users, with all present rows, from shop_old (--replace)",
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
