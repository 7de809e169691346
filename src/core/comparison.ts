// What comparisons of two fingerprints share, whichever engine computed them.
import type { Fingerprint } from "./fingerprint.ts";
import type { Check } from "./verdict.ts";

/** At most so many checks of one sort are named one by one; one more says how many are left. */
export const NAMED = { passed: 50, failed: 100 };

/** Returns the first of many checks, and one that says how many more there are, with the worst outcome among them. */
export function bounded(checks: readonly Check[], limit: number, what: string): Check[] {
  if (checks.length <= limit) return [...checks];
  const rest = checks.slice(limit);
  const outcome = rest.some((check) => check.outcome === "fail") ? "fail" : "inconclusive";
  return [...checks.slice(0, limit), { name: what, kind: rest[0]?.kind ?? "data", outcome, message: `and ${rest.length} more` }];
}

/** Returns why the two cannot be compared. Empty when they can. */
export function incomparable(expected: Fingerprint, actual: Fingerprint): Check[] {
  const checks: Check[] = [];
  const differ = (what: string, message: string, before: string, after: string): void => {
    if (before !== after)
      checks.push({ name: `fingerprint ${what}`, kind: "data", outcome: "inconclusive", message, expected: before, actual: after });
  };
  const scope = ({ scope: { kind, tables } }: Fingerprint): string => [kind, ...[...(tables ?? [])].sort()].join(" ");
  const recompute = "values of different algorithms cannot be compared: recompute one of them";
  differ("algorithm", recompute, expected.algorithm, actual.algorithm);
  differ("scope", "the fingerprints cover different things", scope(expected), scope(actual));
  return checks;
}

/** Returns a check for each object whose content could not be read on one side. */
export function unreadable(side: "source" | "copy", { unhashed }: Fingerprint): Check[] {
  const checks = unhashed.map(
    ({ kind, object, reason }): Check => ({
      name: `content of ${kind} ${object}`,
      kind: "data",
      outcome: "inconclusive",
      message: `could not be read in the ${side}: ${reason}`,
    }),
  );
  return bounded(checks, NAMED.failed, `objects of the ${side} that could not be read`);
}
