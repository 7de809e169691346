import assert from "node:assert/strict";
import { test } from "node:test";
import { type DrillPlan, drillsCountFrom, drillsDue, overdueDrill } from "./drill-schedule.ts";

const monthly: DrillPlan = { name: "monthly", cron: "0 6 * * 0#1", to: "-7d" };
const weekly: DrillPlan = { name: "weekly", cron: "0 6 * * 0", to: "latest" };
const at = (text: string): Date => new Date(`2026-${text}:00Z`);
const names = (due: readonly { readonly plan: DrillPlan }[]): string[] => due.map(({ plan }) => plan.name);

test("R30 a drill is due from its slot until it has run, by schedule or by hand", () => {
  const plans = [monthly, weekly];
  // The first Sunday of November 2026 is the 1st.
  assert.deepEqual(names(drillsDue(plans, [], at("11-01T06:00"))), ["monthly", "weekly"]);
  const done = { plan: "weekly", at: at("11-01T06:10") };
  assert.deepEqual(names(drillsDue(plans, [done], at("11-01T07:00"))), ["monthly"]);
  assert.deepEqual(names(drillsDue(plans, [{ at: at("11-01T06:10") }], at("11-07T07:00"))), []);
  assert.deepEqual(names(drillsDue(plans, [{ at: at("11-01T06:10") }], at("11-08T06:00"))), ["weekly"]);
  assert.deepEqual(names(drillsDue(plans, [{ at: at("11-01T05:59") }], at("11-01T06:00"))), ["monthly", "weekly"]);
});

test("R30 a drill is overdue a day after its slot, the longest overdue first", () => {
  const plans = [weekly, monthly];
  assert.equal(overdueDrill(plans, [{ at: at("11-01T06:10") }], at("11-09T05:59")), undefined);
  assert.equal(overdueDrill(plans, [{ at: at("11-01T06:10") }], at("11-09T06:00"))?.plan, weekly);
  const late = overdueDrill(plans, [], at("11-09T06:00"));
  assert.deepEqual([late?.plan, late?.slot], [monthly, at("11-01T06:00")]);
  assert.deepEqual(drillsCountFrom(plans, at("11-09T06:00")), at("11-01T06:00"));
});
