// Long lists of checks, shortened so that a reader still sees what matters.
import type { Check } from "../../../core/verdict.ts";

/** At most so many checks of one sort are named one by one; one more says how many are left. */
export const NAMED = { passed: 50, failed: 100 };

/** The first of many checks, and one that says how many more there are, with the worst outcome among them. */
export function bounded(checks: readonly Check[], limit: number, what: string): Check[] {
  if (checks.length <= limit) return [...checks];
  const rest = checks.slice(limit);
  const outcome = rest.some((check) => check.outcome === "fail") ? "fail" : "inconclusive";
  return [...checks.slice(0, limit), { name: what, kind: rest[0]?.kind ?? "data", outcome, message: `and ${rest.length} more` }];
}
