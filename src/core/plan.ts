// What would be done, before it is done: the same words on the command line, in the API and in an approval.
import type { ErrorCode } from "./errors.ts";
import type { Micros } from "./log.ts";
import { type Asked, askedInWords, inWords, type Understood } from "./recovery-target.ts";
import { shown } from "./visible.ts";

export type PlanEffect = "create" | "change" | "remove" | "none";

export interface PlanStep {
  /** What is acted on, and how: `create database shop_new`. */
  readonly what: string;
  readonly effect: PlanEffect;
  readonly reason: string;
}

/** Why it would not be done; with any, nothing is. */
export interface PlanRefusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Code that carrying it out would run, of one kind. */
export interface PlanCode {
  readonly kind: string;
  readonly count: number;
  /** A few of the objects that hold it. */
  readonly names: readonly string[];
}

/** How the data is reached. */
export interface PlanRoute {
  /** The provider's history, a base backup and its WAL, or a stored backup. */
  readonly kind: "provider" | "cluster" | "copy";
  readonly what: string;
  /** Why by that, where there are several. */
  readonly why: string;
  /** The instant whose data comes; absent: only the provider knows. */
  readonly at?: Micros | undefined;
}

export interface Plan {
  readonly verb: string;
  readonly source: string;
  /** What was asked for, as it was understood. */
  readonly to?: Asked | undefined;
  readonly route?: (PlanRoute & { readonly holds?: Understood | undefined }) | undefined;
  readonly steps: readonly PlanStep[];
  readonly refusals: readonly PlanRefusal[];
  /** Code of somewhere else that it would run. Absent: not asked, or none. */
  readonly code?: readonly PlanCode[] | undefined;
}

const SIGNS: Readonly<Record<PlanEffect, string>> = { create: "+", change: "~", remove: "-", none: " " };

/** Whether carrying it out would change anything; a refused plan is not carried out. */
export const hasEffect = (plan: Plan): boolean => plan.refusals.length === 0 && plan.steps.some((step) => step.effect !== "none");

/** The plan as plain text, one step a line, no colour, no newline at the end. */
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
