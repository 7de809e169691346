// The verdict. Exit status, colour, badge, alert and metrics are derived from it.
import { EXIT, type ExitStatus } from "./errors.ts";

export type Outcome = "pass" | "fail" | "inconclusive";
export type Verdict = Outcome;

/** The result of one check. */
export interface Check {
  /** The object of the check, as a short noun phrase: `rows of public.users`. */
  readonly name: string;
  /**
   * What it proves. `data`: rows were compared. `schema`: definitions. `integrity`: stored bytes. `probe`: a query of the restored
   * database. `objective`: a measured time against an objective.
   */
  readonly kind: "data" | "schema" | "integrity" | "probe" | "objective";
  readonly outcome: Outcome;
  /** One sentence: the finding. Unless it passed: what differs, or why it could not be checked. */
  readonly message: string;
  readonly expected?: string | undefined;
  readonly actual?: string | undefined;
  /** The number of rows that the check covered, where it counts rows. */
  readonly rows?: number | undefined;
}

export interface Judgement {
  readonly verdict: Verdict;
  /** The reasons, worst first. Never empty. */
  readonly reasons: readonly string[];
}

/**
 * Derives the verdict from checks. `pass` requires at least one data check that ran, and that every check passed. One failure makes it
 * `fail`. A check that could not run, or no data check at all, makes it `inconclusive`. `need` is the required kind of check where no
 * data can be compared (a verify reads bytes, not rows).
 */
export function judge(checks: readonly Check[], need: Check["kind"] = "data"): Judgement {
  const failed = checks.filter((check) => check.outcome === "fail");
  if (failed.length > 0) return { verdict: "fail", reasons: failed.map(reason) };
  const unclear = checks.filter((check) => check.outcome !== "pass").map(reason);
  if (!checks.some((check) => check.kind === need && check.outcome === "pass")) {
    unclear.push(`no ${need} check passed, so nothing is proven`);
  }
  if (unclear.length > 0) return { verdict: "inconclusive", reasons: unclear };
  return { verdict: "pass", reasons: [`all ${checks.length} checks passed`] };
}

/**
 * Tells whether a copy counts as equal to its original: some data was compared, and nothing differed. A failed probe or a missed
 * objective does not count against the copy.
 */
export function isSoundCopy(checks: readonly Check[]): boolean {
  const own = checks.filter(({ kind }) => kind !== "probe" && kind !== "objective");
  return own.some(({ outcome }) => outcome === "pass") && own.every(({ outcome }) => outcome !== "fail");
}

const reason = (check: Check): string => `${check.name}: ${check.message}`;

/** Returns the exit status of a command whose result is a verdict. */
export function exitOfVerdict(verdict: Verdict): ExitStatus {
  return { pass: EXIT.done, fail: EXIT.failed, inconclusive: EXIT.inconclusive }[verdict];
}
