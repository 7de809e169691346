// The one verdict. Exit status, colour, badge, alert and metrics all derive from it.
import { EXIT, type ExitStatus } from "./errors.ts";

export type Outcome = "pass" | "fail" | "inconclusive";
export type Verdict = Outcome;

/** One thing that was looked at. */
export interface Check {
  /** What was checked, as a short noun phrase: `rows of public.users`. */
  readonly name: string;
  /**
   * What it proves. `data`: content of rows was compared. `schema`: definitions. `integrity`: stored bytes.
   * `probe`: a question asked of the restored database. `objective`: a measured time against a promised one.
   */
  readonly kind: "data" | "schema" | "integrity" | "probe" | "objective";
  readonly outcome: Outcome;
  /** One sentence: what was found; for anything but a pass, what differs or why it could not be checked. */
  readonly message: string;
  readonly expected?: string | undefined;
  readonly actual?: string | undefined;
  /** How many rows the check covered, where it counts rows. */
  readonly rows?: number | undefined;
}

export interface Judgement {
  readonly verdict: Verdict;
  /** Why, worst first; never empty. */
  readonly reasons: readonly string[];
}

/**
 * `pass` needs at least one data check that ran and every check passing. One failure makes it `fail`;
 * anything that could not be checked, or no data check at all, makes it `inconclusive`.
 * `need` lowers what a pass requires where no data can be compared (a verify reads bytes, not rows).
 */
export function judge(checks: readonly Check[], need: Check["kind"] = "data"): Judgement {
  const failed = checks.filter((check) => check.outcome === "fail");
  if (failed.length > 0) return { verdict: "fail", reasons: failed.map(reason) };
  const unclear = checks.filter((check) => check.outcome !== "pass").map(reason);
  if (!checks.some((check) => check.kind === need && check.outcome === "pass")) {
    unclear.push(`no ${need} check ran and passed, so nothing is proven`);
  }
  if (unclear.length > 0) return { verdict: "inconclusive", reasons: unclear };
  return { verdict: "pass", reasons: [`all ${checks.length} checks passed`] };
}

/**
 * Whether a copy may be said to hold what it was made from: some of it was found right, and nothing of it wrong. A failed probe or a
 * missed objective says nothing against the copy.
 */
export function isSoundCopy(checks: readonly Check[]): boolean {
  const own = checks.filter(({ kind }) => kind !== "probe" && kind !== "objective");
  return own.some(({ outcome }) => outcome === "pass") && own.every(({ outcome }) => outcome !== "fail");
}

const reason = (check: Check): string => `${check.name}: ${check.message}`;

/** The exit status of a command whose result is a verdict. */
export function exitOfVerdict(verdict: Verdict): ExitStatus {
  return { pass: EXIT.done, fail: EXIT.failed, inconclusive: EXIT.inconclusive }[verdict];
}
