// The digest of a plan: what was looked at is what is carried out, or PLAN_CHANGED.
import { createHash } from "node:crypto";
import { LifeboatError } from "../core/errors.ts";
import type { Plan } from "../core/plan.ts";

/** Adds the digest: SHA-256 over the request, the route, the steps without their reasons, and the facts, as JSON with sorted keys. */
export function withDigest(plan: Plan, request: Readonly<Record<string, unknown>>): Plan {
  const asked = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  return { ...plan, request: asked, digest: digestOf({ ...plan, request: asked }) };
}

/** The digest that the plan must have by what it says. */
export function digestOf({ verb, source, to, route, request = {}, facts = {}, ...plan }: Omit<Plan, "digest">): string {
  const steps = plan.steps.map(({ action, subject, object, effect }) => ({ action, subject, object, effect }));
  return createHash("sha256")
    .update(canonical({ verb, source, to: to?.target, route: route?.kind, request, steps, facts }))
    .digest("hex");
}

/** One digest for several plans that are carried out together. */
export const digestOfAll = (plans: readonly Plan[]): string =>
  createHash("sha256")
    .update(plans.map(({ digest }) => digest ?? "").join("\n"))
    .digest("hex");

/** PLAN_CHANGED when a digest was given and it is not the one of what would be done now. The beginning of a digest, 12 digits, will do. */
export function requireDigest(actual: string | undefined, wanted: string | undefined): void {
  if (wanted === undefined) return;
  const given = wanted.toLowerCase();
  if (given.length >= 12 && actual?.startsWith(given)) return;
  throw new LifeboatError("PLAN_CHANGED", `the plan has digest ${actual ?? "none"}, not ${wanted}: nothing was done`, {
    details: { digest: actual, wanted },
  });
}

/** JSON with sorted keys; what is undefined is left out. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(",")}}`;
}
