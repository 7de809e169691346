import assert from "node:assert/strict";
import { test } from "node:test";
import { costOfHistory, PLANS, planOf } from "./plans.ts";

test("a plan is known by its own name and by those of its subscriptions, and no other", () => {
  assert.equal(planOf("launch")?.name, "launch");
  assert.equal(planOf("launch_v3")?.name, "launch");
  assert.equal(planOf("FREE_V2")?.name, "free");
  for (const unknown of ["business", "vercel_pg_legacy", "UNKNOWN", "", undefined]) assert.equal(planOf(unknown), undefined);
});

test("more history than a plan keeps names the smallest plan that does, with its prices", () => {
  const [free, launch] = PLANS;
  assert.ok(free && launch);
  assert.match(costOfHistory(7 * 86_400, free), /Launch plan allows it, with compute at \$0\.106 instead of nothing.*history at \$0\.20/);
  assert.match(costOfHistory(30 * 86_400, launch), /Scale plan allows it, with compute at \$0\.222 instead of \$0\.106/);
  assert.match(costOfHistory(90 * 86_400, launch), /no plan of Neon keeps more than 30 days/);
});
