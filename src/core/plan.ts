// A plan: what an operation will do, before it does it. The command line, the API and an approval all show the same plan.
import type { ErrorCode } from "./errors.ts";
import type { Micros } from "./log.ts";
import { type Asked, askedInWords, inWords, type Understood } from "./recovery-target.ts";
import { shown } from "./visible.ts";

export type PlanEffect = "create" | "change" | "remove" | "none";

export interface PlanStep {
  /** The action and its object: `create database shop_new`. */
  readonly what: string;
  readonly effect: PlanEffect;
  readonly reason: string;
}

/** A reason not to carry out the plan. With any refusal nothing is done. */
export interface PlanRefusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Code of one kind that the plan would run. */
export interface PlanCode {
  readonly kind: string;
  readonly count: number;
  /** Some of the objects that contain it. */
  readonly names: readonly string[];
}

/** The route to the data. */
export interface PlanRoute {
  /** The provider's history, a base backup with its WAL, or a stored backup. */
  readonly kind: "provider" | "cluster" | "copy";
  readonly what: string;
  /** Why this route is taken, where there are several. */
  readonly why: string;
  /** The instant of the data. Absent: only the provider knows it. */
  readonly at?: Micros | undefined;
}

export interface Plan {
  readonly verb: string;
  readonly source: string;
  /** The recovery target, as understood. */
  readonly to?: Asked | undefined;
  readonly route?: (PlanRoute & { readonly holds?: Understood | undefined }) | undefined;
  readonly steps: readonly PlanStep[];
  readonly refusals: readonly PlanRefusal[];
  /** Foreign code that the plan would run. Absent: not examined, or none. */
  readonly code?: readonly PlanCode[] | undefined;
}

const SIGNS: Readonly<Record<PlanEffect, string>> = { create: "+", change: "~", remove: "-", none: " " };

/** Tells whether the plan changes anything. A refused plan is not carried out. */
export const hasEffect = (plan: Plan): boolean => plan.refusals.length === 0 && plan.steps.some((step) => step.effect !== "none");

/** Renders the plan as plain text, one step per line, without colour or a final newline. */
export function renderPlan(given: Plan): string {
  const plan = shown(given);
  const lines = [`${plan.verb} ${plan.source}:`];
  if (plan.to !== undefined) lines.push(`  to ${askedInWords(plan.to)}`);
  if (plan.route !== undefined) {
    const { what, why, holds } = plan.route;
    lines.push(`  by ${what}: ${why}`);
    if (holds !== undefined) lines.push(`  data of ${inWords(holds)}`);
  }
  if (plan.steps.length === 0) lines.push("  nothing to do");
  for (const step of plan.steps) lines.push(`  ${SIGNS[step.effect]} ${step.what} (${step.reason})`);
  for (const { kind, count, names } of plan.code ?? []) {
    const more = count > names.length ? ` and ${count - names.length} more` : "";
    lines.push(`    runs code: ${count} × ${kind} (${names.join(", ")}${more})`);
  }
  for (const refusal of plan.refusals) lines.push(`  ! ${refusal.code}: ${refusal.message}`);
  if (plan.refusals.length > 0) lines.push("  nothing will be done");
  return lines.join("\n");
}
